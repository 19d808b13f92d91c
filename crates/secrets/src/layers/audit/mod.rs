//! Records every use of a secret: who, when, what, from where, with which outcome; never a value.
//!
//! - A read is recorded before its value is released, each item of a get-many by itself.
//! - A write is recorded before it is done, and its outcome after it under the same id. If the first record fails, nothing
//!   is written; if the second one fails, the error says that the write happened.
//! - What cannot be recorded in time is refused, or with [`OnFailure::Warn`] done with a warning. How many records are
//!   missing is told in the log itself once it can be written again.
//! - Answers from the cache are recorded singly, or with [`Hits::Aggregate`] counted and told once a second, for which a
//!   hit pays neither an allocation nor a wait.
//!
//! Not recorded are health checks, the closing of providers, and what is read to open providers and this log: the
//! references in the settings of providers, and the key of the log.

mod actor;
mod asked;
mod chain;
mod config;
mod file;
mod hits;
mod id;
mod ocsf;
mod query;
mod record;
mod service;
mod sink;
mod summary;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrets_core::{Clock, Error, Request, Response, Result};
use tokio::sync::OnceCell;
use tower::{Layer, Service};

use writer::Writer;

pub use actor::Actor;
pub use chain::AuditKey;
pub use config::{AuditConfig, Hits, OnFailure, Sync};
pub use file::FileSink;
pub use id::RecordId;
pub use query::AuditQuery;
pub use record::{Event, Record, Source};
pub use service::{AuditService, ReadFuture};
pub use sink::{AuditSink, TracingSink};
pub use summary::{AuditSummary, Durations, UseStats};
pub use verify::{AuditLog, Fault, Problem, Verified};
pub use writer::AuditStats;

/// Records what passes through it. Clones are one audit.
///
/// It stands outside of the cache, so that it sees every read.
#[derive(Debug, Clone)]
pub struct AuditLayer(Arc<Shared>);

/// How the sinks are made when the first record is to be written.
pub(crate) type OpenSinks =
    Box<dyn Fn() -> BoxFuture<'static, Result<Vec<Box<dyn AuditSink>>>> + Send + std::marker::Sync>;

struct Shared {
    config: AuditConfig,
    hits: Hits,
    on_failure: OnFailure,
    actor: Arc<Actor>,
    clock: Arc<dyn Clock>,
    default: Option<Arc<str>>,
    open: Option<OpenSinks>,
    writer: OnceCell<Writer>,
}

impl AuditLayer {
    /// A layer that writes to these sinks, to each of them every record. Of the configuration, what is about the key and
    /// the file is not looked at: those belong to the [`FileSink`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for settings that make no sense together;
    /// [`ErrorKind::Unexpected`](secrets_core::ErrorKind::Unexpected) if the system gives no thread.
    pub fn new(
        config: AuditConfig,
        sinks: Vec<Box<dyn AuditSink>>,
        actor: Arc<Actor>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        config.check()?;
        let shared = Shared::new(config, actor, clock);
        let writer = shared.start(sinks)?;
        Ok(Self(Arc::new(Shared {
            writer: OnceCell::new_with(Some(writer)),
            ..shared
        })))
    }

    /// A layer whose sinks are made when the first use is to be recorded.
    pub(crate) fn opening(
        config: AuditConfig,
        actor: Arc<Actor>,
        clock: Arc<dyn Clock>,
        default: Option<Arc<str>>,
        open: OpenSinks,
    ) -> Result<Self> {
        config.check()?;
        Ok(Self(Arc::new(Shared {
            default,
            open: Some(open),
            ..Shared::new(config, actor, clock)
        })))
    }

    /// Writes what was counted and not told yet, and waits for all that is on its way. To be called before the process
    /// ends or becomes another program.
    ///
    /// # Errors
    /// If it cannot be written within the deadline.
    pub async fn flush(&self) -> Result<()> {
        match self.0.writer.get() {
            Some(writer) => writer.flush().await,
            None => Ok(()),
        }
    }

    /// Makes the sinks open their files anew, as SIGHUP does where the configuration wants it.
    pub fn reopen(&self) {
        if let Some(writer) = self.0.writer.get() {
            writer.reopen();
        }
    }

    /// What was recorded so far.
    pub fn stats(&self) -> AuditStats {
        self.0.writer.get().map(Writer::stats).unwrap_or_default()
    }
}

impl Shared {
    fn new(config: AuditConfig, actor: Arc<Actor>, clock: Arc<dyn Clock>) -> Self {
        Self {
            hits: config.hits,
            on_failure: config.on_failure,
            config,
            actor,
            clock,
            default: None,
            open: None,
            writer: OnceCell::new(),
        }
    }

    fn start(&self, sinks: Vec<Box<dyn AuditSink>>) -> Result<Writer> {
        let config = &self.config;
        Writer::start(
            sinks,
            config.queue,
            config.deadline,
            self.actor.clone(),
            self.clock.clone(),
        )
    }

    /// The writer, which the first one who asks starts.
    async fn writer(&self) -> Result<Writer> {
        let writer = self.writer.get_or_try_init(|| async {
            let sinks = match &self.open {
                Some(open) => open().await?,
                None => Vec::new(),
            };
            let writer = self.start(sinks)?;
            if self.config.reopen_on_hangup {
                reopen_on_hangup(&writer)?;
            }
            Ok::<_, Error>(writer)
        });
        writer.await.cloned()
    }
}

#[cfg(unix)]
fn reopen_on_hangup(writer: &Writer) -> Result<()> {
    use secrets_core::ErrorKind;
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangups = signal(SignalKind::hangup()).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "SIGHUP cannot be listened to").with_source(error)
    })?;
    let writer = writer.downgrade();
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match writer.upgrade() {
                Some(writer) => writer.reopen(),
                None => return,
            }
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn reopen_on_hangup(_: &Writer) -> Result<()> {
    Ok(())
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("config", &self.config)
            .field("actor", &self.actor)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for AuditLayer
where
    S: Service<Request, Response = Response, Error = Error>
        + Clone
        + Send
        + std::marker::Sync
        + 'static,
    S::Future: Send,
{
    type Service = AuditService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuditService::new(inner, self.clone())
    }
}
