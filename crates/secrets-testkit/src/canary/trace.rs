use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, SetGlobalDefaultError};
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// Records everything that [`tracing`] receives, at every level and from every crate: names, messages, fields of spans and
/// events, fields recorded later, errors with their sources.
///
/// Clones share one record. What is written through the `log` crate is not seen unless a bridge is installed.
#[derive(Clone, Debug, Default)]
pub struct TraceCapture(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    text: Mutex<String>,
    spans: AtomicU64,
    events: AtomicU64,
}

impl TraceCapture {
    /// An empty record that nothing writes to yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A dispatcher that writes here, for `tracing::dispatcher` or `WithSubscriber`.
    pub fn dispatch(&self) -> Dispatch {
        Dispatch::new(Recorder(self.clone()))
    }

    /// Records what this thread does until the guard is dropped.
    ///
    /// Tasks that run on other threads are not seen: take a current-thread runtime or [`install`](Self::install).
    #[must_use]
    pub fn on_this_thread(&self) -> DefaultGuard {
        tracing::dispatcher::set_default(&self.dispatch())
    }

    /// Records what the whole process does from now on.
    ///
    /// # Errors
    ///
    /// When the process has a global subscriber already.
    pub fn install(&self) -> Result<(), SetGlobalDefaultError> {
        tracing::dispatcher::set_global_default(self.dispatch())
    }

    /// All that was recorded, one line a span, event or late record.
    pub fn text(&self) -> String {
        self.lock().clone()
    }

    /// How many events were recorded: a capture that saw none proves nothing.
    pub fn event_count(&self) -> u64 {
        self.0.events.load(Ordering::Relaxed)
    }

    /// How many spans were recorded.
    pub fn span_count(&self) -> u64 {
        self.0.spans.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, String> {
        self.0.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, kind: &str, metadata: Option<&Metadata<'_>>, fill: impl FnOnce(&mut Fields)) {
        let mut fields = Fields(kind.to_owned());
        if let Some(metadata) = metadata {
            let _ = write!(
                fields.0,
                " {} {} {}",
                metadata.level(),
                metadata.target(),
                metadata.name()
            );
        }
        // The visitor runs foreign Debug code, which may itself trace: the lock is taken only afterwards.
        fill(&mut fields);
        fields.0.push('\n');
        self.lock().push_str(&fields.0);
    }
}

struct Recorder(TraceCapture);

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let number = self.0.0.spans.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.line("span", Some(attributes.metadata()), |fields| {
            attributes.record(fields);
        });
        Id::from_u64(number)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.0.line("record", None, |fields| values.record(fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.0.events.fetch_add(1, Ordering::Relaxed);
        self.0.line("event", Some(event.metadata()), |fields| {
            event.record(fields);
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Fields(String);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {}={value}", field.name());
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        let _ = write!(
            self.0,
            " {}={} {value:?}",
            field.name(),
            String::from_utf8_lossy(value)
        );
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let _ = write!(self.0, " {}={value} {value:?}", field.name());
        let mut source = value.source();
        while let Some(error) = source {
            let _ = write!(self.0, " <- {error} {error:?}");
            source = error.source();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}
