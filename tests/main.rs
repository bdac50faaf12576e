//! End-to-end tests of the program: each starts the built `keytrail` and looks at what it prints,
//! serves and writes. They know its command line and its files, and nothing of its code.
//!
//! What they need beside cargo: `zstd`, `python3` with `zstandard`, `aics-tlog`, `schemathesis`, `cryptography`, `duckdb` and `pandas`, `chromium`, `faketime`, `pdftotext`, `rsyslogd` with its modules for RELP and TLS, and the
//! program of `tests/peers/go`. `cargo xtask test` sees to those and sets `KEYTRAIL_TOOLS=required`; without that, a test whose tool is missing says so
//! and passes. `KEYTRAIL_FULL=1` (`cargo xtask test --full`) adds what starts a real OpenBao, and a Keycloak,
//! which `KEYTRAIL_KEYCLOAK` names, a Kafka, which `KEYTRAIL_KAFKA` names, veraPDF, which `KEYTRAIL_VERAPDF` names, and an OpenSearch, whose Java and jars `KEYTRAIL_OPENSEARCH_JAVA` and `KEYTRAIL_OPENSEARCH_JARS` name.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod util;

mod access_report;
mod access_reviews;
mod alerts;
mod answers;
mod api;
mod backup;
mod browser;
mod brute_force;
mod chain;
mod cli;
mod controls;
mod controls_fixtures;
mod coverage;
mod crash;
mod crashed_server;
mod detections;
mod devices;
mod forwarding;
mod fresh_recording;
mod full_disk;
mod generated;
mod hmac_vectors;
mod issued;
mod leases;
mod ledger_reading;
mod live;
mod lookup;
mod main_recording;
mod many_files;
mod monitoring;
mod odd_lines;
mod oidc;
mod open_formats;
mod outside;
mod pack_completeness;
mod pack_findings;
mod packs;
mod peers;
mod printed;
mod proofs;
mod reports;
mod retention;
mod reviews;
mod same_events;
mod schedules;
mod secrets;
mod serving;
mod sign_in;
mod sinks_page;
mod tail_model;
mod three_nodes;
mod totals;
