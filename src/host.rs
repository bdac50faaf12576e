//! What the pages ask of this process.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::{Request, Response};
use ingest::own::Fact;
use ingest::pipeline::OwnLines;
use tokio::runtime::Handle;
use web::Verified;

use crate::deed;
use crate::outside::audit_hash::{ASK_YOURSELF, AuditHash};
use crate::outside::chain;
use crate::outside::sign_in::SignInProvider;
use crate::watch::Told;

/// This process.
pub(crate) struct Process {
    pub(crate) data: PathBuf,
    /// Where lines of ours go, if this process writes the ledger.
    pub(crate) own: Option<OwnLines>,
    pub(crate) told: Told,
    /// Servers that can be asked for hashes.
    pub(crate) audit_hash: Option<AuditHash>,
    /// Whom people sign in by.
    pub(crate) sign_in: Option<SignInProvider>,
    /// What waits for their answers.
    pub(crate) runtime: Handle,
}

impl web::Host for Process {
    fn data(&self) -> PathBuf {
        self.data.clone()
    }

    fn metrics(&self) -> String {
        self.told.metrics.handle().render()
    }

    fn ready(&self) -> Result<(), String> {
        self.told.ready()
    }

    fn verified(&self) -> Option<Verified> {
        let verified = self.told.verified()?;
        Some(Verified { at_unix: verified.at, problem: verified.problem })
    }

    fn record(&self, fact: Fact) -> Result<(), String> {
        deed::record(&self.data, fact).map_err(|failure| failure.to_string())?;
        // The watch would take it up seconds later, and who wrote it down looks at the next page.
        if let Some(own) = &self.own {
            deed::take_up(&self.data, own);
        }
        Ok(())
    }

    fn hashes_of(&self, value: &str) -> Result<Vec<String>, String> {
        let audit_hash = self.audit_hash.as_ref().ok_or(ASK_YOURSELF)?;
        self.runtime.block_on(audit_hash.of(value)).map_err(|error| error.to_string())
    }

    fn ask_provider(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, String> {
        let provider = self.sign_in.as_ref().ok_or("no provider is configured")?;
        self.runtime.block_on(provider.ask(request)).map_err(|error| chain(&error))
    }

    fn answered(&self, route: &str, status: u16, took: Duration) {
        self.told.metrics.answered(route, status, took);
    }
}
