use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrets_core::{Clock, Error, Request, Response, Result};
use tokio::sync::OnceCell;
use tower::{Layer, Service};

use super::actor::Actor;
use super::config::{AuditConfig, Hits, OnFailure};
use super::service::AuditService;
use super::sink::AuditSink;
use super::writer::{AuditStats, Writer};

/// Records what passes through it. Clones are one audit.
///
/// It stands outside of the cache, so that it sees every read.
#[derive(Debug, Clone)]
pub struct AuditLayer(pub(super) Arc<Shared>);

/// How the sinks are made when the first record is to be written.
pub type OpenSinks =
    Box<dyn Fn() -> BoxFuture<'static, Result<Vec<Box<dyn AuditSink>>>> + Send + Sync>;

pub(super) struct Shared {
    pub(super) config: AuditConfig,
    pub(super) hits: Hits,
    pub(super) on_failure: OnFailure,
    pub(super) actor: Arc<Actor>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) default: Option<Arc<str>>,
    pub(super) open: Option<OpenSinks>,
    pub(super) writer: OnceCell<Writer>,
}

impl AuditLayer {
    /// A layer that writes to these sinks, to each of them every record. Of the configuration, what is about the key and
    /// the file is not looked at: those belong to the [`FileSink`](super::FileSink).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for settings that conflict;
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
    pub fn lazy(
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

    /// Writes what was counted and not reported yet, and waits for all that is on its way. To be called before the process
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

    /// Makes the sinks open their files again, as SIGHUP does where the configuration wants it.
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
    pub(super) async fn writer(&self) -> Result<Writer> {
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
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Service = AuditService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuditService::new(inner, self.clone())
    }
}
