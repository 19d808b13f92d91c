use std::fmt;

use secrets_core::Result;

use super::record::Record;

/// Where records go. It is called on a thread of its own, so that it may block; nobody waits for it longer than the
/// deadline of the audit.
///
/// ```
/// use secrets_core::Result;
/// use polysecrets_layers::{AuditSink, Record};
///
/// #[derive(Debug)]
/// struct Counter(u64);
///
/// impl AuditSink for Counter {
///     fn write(&mut self, records: &[Record]) -> Result<()> {
///         self.0 += records.len() as u64;
///         Ok(())
///     }
/// }
/// ```
pub trait AuditSink: fmt::Debug + Send + 'static {
    /// Takes these records, in this order, all or none. Once it answers, the values are released.
    ///
    /// # Errors
    /// If they are not kept, so that the values must not be released.
    fn write(&mut self, records: &[Record]) -> Result<()>;

    /// Opens again what it writes to, as after SIGHUP.
    ///
    /// # Errors
    /// If it cannot, which is reported in the trace alone; the next write tells it again.
    fn reopen(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Leaves a `tracing` event for each record, at `INFO`, with the target `polysecrets::audit`.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingSink;

impl AuditSink for TracingSink {
    fn write(&mut self, records: &[Record]) -> Result<()> {
        for record in records {
            tracing::info!(
                target: "polysecrets::audit",
                id = %record.id,
                event = record.event.as_str(),
                user = record.actor.user.as_deref(),
                uid = record.actor.uid,
                host = record.actor.host.as_deref(),
                process = record.actor.process.as_deref(),
                pid = record.actor.pid,
                command = record.actor.command.as_deref(),
                operation = record.operation.as_deref(),
                provider = record.provider.as_deref(),
                via = record.via.as_deref(),
                name = record.name.as_deref(),
                version = record.version.as_deref(),
                outcome = record.outcome.as_deref(),
                source = record.source.map(super::record::RecordSource::as_str),
                duration_ms = record.duration_ms,
                reason = record.reason.as_deref(),
                count = record.count,
                note = record.note.as_deref(),
                "audit"
            );
        }
        Ok(())
    }
}
