//! The pages: the trail as people look at it, rendered on the server.
//!
//! ```text
//!   browser ── server  the socket: TLS, bounded connections, heads and waiting
//!                │
//!              guard   whose host is meant, reading only, policies on every answer
//!                │
//!              routes ── pages/…  one file a page: struct, template, handler
//!                          │
//!                         app     a turn at asking the trail, on a thread that may block
//! ```
//!
//! Every page is plain HTML that needs no script: its state stands in its address, its charts are SVG,
//! and every number leads to the question behind it. A template chooses and loops; what it shows comes
//! to it finished. Whatever comes out of the log was written by someone who may be an attacker, and
//! goes through `text::Text` on its way into a page.

mod api;
mod app;
mod asked;
mod assets;
mod chart;
mod door;
mod error;
mod evaluations;
mod export;
mod guard;
mod host;
mod link;
mod listening;
mod pack;
mod page;
mod pages;
mod printed;
mod requests;
mod routes;
mod row;
mod server;
mod shell;
mod text;
mod time;
mod tls;
mod verdict;
mod views;
mod xlsx;
mod zone;

pub use self::api::document as openapi_document;
pub use self::door::{
    Accounts, AccountsError, GroupRole, Oidc, Role, SignedIn, Standing, Token, User, new_password,
};
pub use self::host::{Host, Verified};
pub use self::listening::{Listening, TlsFiles};
pub use self::pack::{
    Asked as PackAsked, Made as PackMade, PackError, Population as PackPopulation,
    Progress as PackProgress, RawLines, Rows as PackRows, Step as PackStep, Verdict as PackVerdict,
    part_of as part_of_pack, split_pack, verify_pack, write_pack,
};
pub use self::pages::reports::others::report_document;
pub use self::pages::reports::{access_report_document, report_workbook};
pub use self::printed::report_pdf;
pub use self::server::{ServeError, serve};

#[cfg(test)]
pub(crate) mod tests;
