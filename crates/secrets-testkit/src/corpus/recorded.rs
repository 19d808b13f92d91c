use std::fmt;
use std::time::Duration;

use secrets_core::{Error, ErrorKind};

use crate::fault::Reply;

/// One recorded answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// A name of its own in the corpus: lowercase letters, digits and hyphens.
    pub name: String,
    /// Where and when it was recorded, or which page documents it.
    pub source: String,
    /// The call that provokes it.
    pub operation: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers that matter, in their order.
    pub headers: Vec<(String, String)>,
    /// The body; empty if there is none.
    pub body: String,
    /// What the provider must make of it.
    pub expect: Expected,
}

/// What a layer decides on, and so what an answer must become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expected {
    /// [`Error::kind`].
    pub kind: ErrorKind,
    /// [`Error::is_retryable`].
    pub retryable: bool,
    /// [`Error::is_stale_ok`].
    pub stale_ok: bool,
    /// [`Error::retry_after`].
    pub retry_after: Option<Duration>,
}

impl Recorded {
    /// The answer, for a [`FaultServer`](crate::fault::FaultServer) to give.
    pub fn reply(&self) -> Reply {
        self.headers
            .iter()
            .fold(Reply::new(self.status), |reply, (name, value)| {
                reply.header(name, value)
            })
            .body(self.body.as_str())
    }

    /// Compares what a provider made of the answer with what is expected.
    ///
    /// # Errors
    /// [`Mismatch`], which names each difference.
    pub fn check(&self, error: &Error) -> Result<(), Mismatch> {
        let Expected {
            kind,
            retryable,
            stale_ok,
            retry_after,
        } = self.expect;
        let mut differences = Vec::new();
        let mut compare = |what: &str, expected: String, got: String| {
            if expected != got {
                differences.push(format!("{what}: expected {expected}, got {got}"));
            }
        };
        compare("kind", format!("{kind:?}"), format!("{:?}", error.kind()));
        compare(
            "retryable",
            retryable.to_string(),
            error.is_retryable().to_string(),
        );
        compare(
            "stale_ok",
            stale_ok.to_string(),
            error.is_stale_ok().to_string(),
        );
        compare("retry_after", wait(retry_after), wait(error.retry_after()));
        if differences.is_empty() {
            return Ok(());
        }
        differences.push(format!("the error: {error}"));
        Err(self.mismatch(differences))
    }

    pub(super) fn mismatch(&self, differences: Vec<String>) -> Mismatch {
        Mismatch {
            name: self.name.clone(),
            answer: format!("{} to {}", self.status, self.operation),
            differences,
        }
    }
}

fn wait(time: Option<Duration>) -> String {
    match time {
        Some(time) => format!("{} ms", time.as_millis()),
        None => "none".to_owned(),
    }
}

/// An answer did not become the error that it should. `Display` has one line a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    name: String,
    answer: String,
    differences: Vec<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.answer)?;
        for difference in &self.differences {
            write!(f, "\n    {difference}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mismatch {}
