//! Prints the library's events to standard error.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{self as writer, FmtContext};
use tracing_subscriber::registry::LookupSpan;

use crate::output::{self, Palette, printable};

/// How often the same warning about a provider is printed; further ones are only counted.
const PRINTED: usize = 3;

/// How often each warning occurred.
static REPEATED: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// Prints warnings, and with `-v` everything else.
pub(crate) fn start(verbose: u8, palette: Palette) {
    let level = match verbose {
        0 => Level::WARN,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let subscriber = writer::Subscriber::builder()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(io::stderr);
    // Cannot fail: no other subscriber is set.
    let _ = if verbose == 0 {
        tracing::subscriber::set_global_default(subscriber.event_format(Sentence(palette)).finish())
    } else {
        tracing::subscriber::set_global_default(subscriber.without_time().finish())
    };
}

/// Prints how many warnings were only counted. Call this before the process ends or becomes another program.
pub(crate) fn finish(palette: Palette) {
    let mut repeated = REPEATED.lock().unwrap_or_else(PoisonError::into_inner);
    for (line, times) in std::mem::take(&mut *repeated) {
        if times > PRINTED {
            output::warn(palette, &format!("{line}: … and {} more", times - PRINTED));
        }
    }
}

/// Formats an event as a sentence: `warning: the member failed (provider main, wait 0.25 s)`.
struct Sentence(Palette);

impl<S, N> FormatEvent<S, N> for Sentence
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Fields::default();
        event.record(&mut said);
        let mut repeated = REPEATED.lock().unwrap_or_else(PoisonError::into_inner);
        let times = repeated.entry(said.kind()).or_default();
        *times += 1;
        if *times > PRINTED {
            return Ok(());
        }
        let label = match *event.metadata().level() {
            Level::ERROR => self.0.error("error:"),
            _ => self.0.warning("warning:"),
        };
        writeln!(writer, "{label} {}", printable(&said.line()))
    }
}

/// The message and fields of an event.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Fields {
    fn line(&self) -> String {
        let mut line = self.message.clone();
        for (at, (name, value)) in self.fields.iter().enumerate() {
            let before = if at == 0 { " (" } else { ", " };
            // The names of durations end in `_seconds`.
            let (name, unit) = match name.strip_suffix("_seconds") {
                Some(name) => (name, " s"),
                None => (*name, ""),
            };
            let _ = write!(line, "{before}{name} {value}{unit}");
        }
        if !self.fields.is_empty() {
            line.push(')');
        }
        line
    }

    /// Groups events that differ only in the name of the secret and in figures.
    fn kind(&self) -> String {
        let same = |name: &str| matches!(name, "chain" | "provider" | "kind" | "error" | "file");
        let fields = self.fields.iter().filter(|(name, _)| same(name));
        Self {
            message: self.message.clone(),
            fields: fields.cloned().collect(),
        }
        .line()
    }

    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            name => self.fields.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, format!("{value:.2}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_a_sentence_and_its_kind_has_no_names() {
        let said = Fields {
            message: "retrying the provider".to_owned(),
            fields: vec![
                ("provider", "main".to_owned()),
                ("name", "db/password".to_owned()),
                ("wait_seconds", "0.25".to_owned()),
            ],
        };
        assert_eq!(
            said.line(),
            "retrying the provider (provider main, name db/password, wait 0.25 s)"
        );
        assert_eq!(said.kind(), "retrying the provider (provider main)");
    }
}
