use secrets_core::Error;

use super::file::Corpus;
use super::recorded::Recorded;
use crate::fault::{FaultServer, Script};

impl Corpus {
    /// Serves each answer from a server of its own, to every request that it gets, lets `provoke` make the call, and
    /// checks the error.
    ///
    /// `provoke` makes the call that [`Recorded::operation`] names, with a provider that it opens on the server.
    ///
    /// # Panics
    /// With all mismatches, one after the other; if a call succeeds or asks nothing; if no server can be started.
    pub async fn replay(
        &self,
        provoke: impl AsyncFn(&Recorded, &FaultServer) -> Result<(), Error>,
    ) {
        let mut wrong = Vec::new();
        for recorded in self.entries() {
            let server = FaultServer::start(Script::always(recorded.reply()))
                .await
                .unwrap_or_else(|error| panic!("cannot start a server: {error}"));
            let outcome = provoke(recorded, &server).await;
            let checked = match outcome {
                Ok(()) => Err(recorded.mismatch(vec!["the call succeeded".to_owned()])),
                Err(error) if server.request_count() == 0 => Err(recorded.mismatch(vec![format!(
                    "the call failed before it asked anything: {error}"
                )])),
                Err(error) => recorded.check(&error),
            };
            wrong.extend(checked.err().map(|mismatch| mismatch.to_string()));
        }
        assert!(
            wrong.is_empty(),
            "{} of {} answers became another error than they should:\n  {}",
            wrong.len(),
            self.entries().len(),
            wrong.join("\n  ")
        );
    }
}
