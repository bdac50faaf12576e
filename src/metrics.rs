//! What `/metrics` tells, in Prometheus's names. `docs/alerts.md` lists them.

use std::collections::BTreeMap;
use std::time::Duration;

use forward::standing::Standing;
use ingest::room::Space;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use query::coverage::Grade;
use query::status::Status;

use crate::alarm::Alarms;
use crate::config::AlertConfig;

/// The bounds between which answers are counted by the time that they took.
const SECONDS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The figures; set at each look, rendered when asked for.
pub(crate) struct Metrics(PrometheusRecorder);

/// What a look sees beside the status.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Everything that stood in the files is recorded; none: nothing is followed.
    pub(crate) caught_up: Option<bool>,
    /// The data folder's volume.
    pub(crate) space: Option<Space>,
    /// That there is little room on it, in words.
    pub(crate) tight: Option<String>,
    /// When the last verification ended, in seconds since 1970, and what came of it.
    pub(crate) verified: Option<(i64, bool)>,
    /// Bytes of followed files that are not in the ledger, by source.
    pub(crate) unread: Vec<(String, u64)>,
    /// How sinks stand, by name.
    pub(crate) sinks: BTreeMap<String, Standing>,
    /// The present second.
    pub(crate) now: i64,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let metrics = Metrics(
            PrometheusBuilder::new()
                .set_buckets(&SECONDS)
                .expect("buckets are given")
                .build_recorder(),
        );
        metrics::with_local_recorder(&metrics.0, describe);
        metrics
    }

    /// Returns what renders the figures.
    pub(crate) fn handle(&self) -> PrometheusHandle {
        self.0.handle()
    }

    /// Counts an answer to a request of this route.
    pub(crate) fn answered(&self, route: &str, status: u16, took: Duration) {
        metrics::with_local_recorder(&self.0, || {
            counter!("keytrail_http_requests_total", "route" => route.to_owned(), "status" => status.to_string())
                .increment(1);
            histogram!("keytrail_http_request_seconds", "route" => route.to_owned())
                .record(took.as_secs_f64());
        });
    }

    /// Sets all figures.
    pub(crate) fn set(
        &self,
        status: &Status,
        seen: &Seen,
        alerts: &[AlertConfig],
        alarms: &Alarms,
    ) {
        metrics::with_local_recorder(&self.0, || {
            gauge!("keytrail_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            gauge!("keytrail_look_timestamp_seconds").set(seen.now as f64);
            counter!("keytrail_ledger_leaves_total").absolute(status.leaves);
            counter!("keytrail_ledger_signed_leaves_total").absolute(status.signed_leaves);
            counter!("keytrail_index_leaves_total").absolute(status.indexed_leaves);
            counter!("keytrail_gaps_total").absolute(status.gaps);
            gauge!("keytrail_events").set(status.events as f64);
            gauge!("keytrail_pending_requests").set(status.pending as f64);
            gauge!("keytrail_undecodable_lines").set(status.undecodable as f64);
            gauge!("keytrail_coverage_grade").set(grade(status.coverage.grade));
            if let Some(caught_up) = seen.caught_up {
                gauge!("keytrail_tail_caught_up").set(f64::from(u8::from(caught_up)));
            }
            if let Some(space) = &seen.space {
                gauge!("keytrail_data_free_bytes").set(space.available as f64);
                gauge!("keytrail_data_size_bytes").set(space.size as f64);
                gauge!("keytrail_data_reserve_bytes").set(space.reserve as f64);
                let paused = f64::from(u8::from(space.paused.is_some()));
                gauge!("keytrail_recording_paused").set(paused);
            }
            if let Some((at, intact)) = seen.verified {
                gauge!("keytrail_verify_timestamp_seconds").set(at as f64);
                gauge!("keytrail_verify_intact").set(f64::from(u8::from(intact)));
            }
            for (source, bytes) in &seen.unread {
                gauge!("keytrail_source_unread_bytes", "source" => source.clone())
                    .set(*bytes as f64);
            }
            of_sources(status);
            of_sinks(seen);
            for alert in alerts {
                for &on in &alert.on {
                    let firing = alarms.firing(&alert.name, on) as f64;
                    gauge!("keytrail_alert_firing", "alert" => alert.name.clone(), "on" => on.as_str())
                        .set(firing);
                }
            }
        });
    }
}

fn of_sources(status: &Status) {
    for source in &status.sources {
        let name = || source.source.clone();
        counter!("keytrail_source_lines_total", "source" => name()).absolute(source.lines);
        counter!("keytrail_source_bytes_total", "source" => name()).absolute(source.bytes);
        if let Some(at) = source.last_arrival.as_deref().and_then(seconds) {
            gauge!("keytrail_source_last_arrival_timestamp_seconds", "source" => name()).set(at);
        }
    }
    for source in &status.coverage.sources {
        let name = || source.source.clone();
        gauge!("keytrail_source_coverage_grade", "source" => name()).set(grade(source.grade));
        let missing = source.heartbeat_missing_since.as_deref().and_then(seconds);
        gauge!("keytrail_source_heartbeat_missing_since_timestamp_seconds", "source" => name())
            .set(missing.unwrap_or(0.0));
        if let Some(arrival) = source.newest_hour {
            gauge!("keytrail_source_arrival_median_seconds", "source" => name())
                .set(arrival.median_ms as f64 / 1000.0);
        }
    }
}

fn of_sinks(seen: &Seen) {
    for (name, sink) in &seen.sinks {
        let name = || name.clone();
        counter!("keytrail_sink_events_total", "sink" => name(), "state" => "taken")
            .absolute(sink.delivered);
        counter!("keytrail_sink_events_total", "sink" => name(), "state" => "refused")
            .absolute(sink.rejected);
        counter!("keytrail_sink_failed_tries_total", "sink" => name()).absolute(sink.failed);
        gauge!("keytrail_sink_waiting_events", "sink" => name()).set(sink.waiting as f64);
        gauge!("keytrail_sink_refused_events", "sink" => name()).set(sink.dead as f64);
        gauge!("keytrail_sink_unnamed_events", "sink" => name()).set(sink.unnamed as f64);
        let behind = sink.behind_since.map_or(0, |since| seen.now - since.as_second());
        gauge!("keytrail_sink_lag_seconds", "sink" => name()).set(behind.max(0) as f64);
        gauge!("keytrail_sink_stopped", "sink" => name()).set(f64::from(u8::from(sink.stopped)));
    }
}

fn seconds(time: &str) -> Option<f64> {
    Some(time.parse::<jiff::Timestamp>().ok()?.as_second() as f64)
}

fn grade(grade: Grade) -> f64 {
    match grade {
        Grade::Incomplete => 0.0,
        Grade::NoGapSeen => 1.0,
        Grade::Proven => 2.0,
    }
}

fn describe() {
    describe_gauge!("keytrail_build_info", "The version, as a label");
    describe_gauge!("keytrail_look_timestamp_seconds", "When these figures were taken");
    describe_counter!("keytrail_ledger_leaves_total", "Leaves in the ledger");
    describe_counter!("keytrail_ledger_signed_leaves_total", "Leaves under the newest signature");
    describe_counter!("keytrail_index_leaves_total", "Leaves that the index covers");
    describe_counter!("keytrail_gaps_total", "Times at which bytes are known to be missing");
    describe_gauge!("keytrail_events", "Events in the index");
    describe_gauge!("keytrail_pending_requests", "Requests that wait for their response");
    describe_gauge!("keytrail_undecodable_lines", "Lines that hold no entry");
    describe_gauge!("keytrail_coverage_grade", "0 incomplete, 1 no gap seen, 2 proven");
    describe_gauge!("keytrail_tail_caught_up", "1 if all that stood in the files is recorded");
    describe_gauge!("keytrail_data_free_bytes", "Free on the data folder's volume");
    describe_gauge!("keytrail_data_size_bytes", "Size of the data folder's volume");
    describe_gauge!("keytrail_data_reserve_bytes", "What of it is left to the secrets server");
    describe_gauge!("keytrail_recording_paused", "1 while nothing is recorded for want of room");
    describe_gauge!("keytrail_verify_timestamp_seconds", "When the last verification ended");
    describe_gauge!("keytrail_verify_intact", "1 if the ledger was what was signed");
    describe_gauge!("keytrail_alert_firing", "Conditions of an alert that hold and were told");
    describe_counter!("keytrail_http_requests_total", "Requests answered, by route and status");
    describe_histogram!("keytrail_http_request_seconds", "How long answers took, by route");
    describe_counter!("keytrail_source_lines_total", "Lines of a source in the ledger");
    describe_counter!("keytrail_source_bytes_total", "Bytes of a source in the ledger");
    describe_gauge!("keytrail_source_last_arrival_timestamp_seconds", "When its last line arrived");
    describe_gauge!("keytrail_source_unread_bytes", "Bytes of its file that are not in the ledger");
    describe_gauge!("keytrail_source_coverage_grade", "0 incomplete, 1 no gap seen, 2 proven");
    describe_gauge!(
        "keytrail_source_heartbeat_missing_since_timestamp_seconds",
        "When the oldest heartbeat was sent that is not in the log; 0 if there is none"
    );
    describe_counter!(
        "keytrail_sink_events_total",
        "Events that a sink's receiver took or refused"
    );
    describe_counter!("keytrail_sink_failed_tries_total", "Tries that failed since the start");
    describe_gauge!("keytrail_sink_waiting_events", "Events after its cursor, at most to be sent");
    describe_gauge!("keytrail_sink_refused_events", "Refused events that are kept");
    describe_gauge!(
        "keytrail_sink_unnamed_events",
        "Events that it refused without saying which, until a comparison finds none missing"
    );
    describe_gauge!("keytrail_sink_lag_seconds", "For how long it has not sent all there was");
    describe_gauge!("keytrail_sink_stopped", "1 if it waits for somebody's help");
    describe_gauge!(
        "keytrail_source_arrival_median_seconds",
        "From an entry's own time to its arrival, median of the newest hour"
    );
}
