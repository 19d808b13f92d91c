//! What happens inside, told on standard error.

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

/// How often the same is told of one provider before the rest is only counted.
const TOLD: usize = 3;

/// What was told so far, and how often.
static REPEATED: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// Warnings are always told, the rest when it is asked for.
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
    // It is the first and only one, so it cannot be refused.
    let _ = if verbose == 0 {
        tracing::subscriber::set_global_default(subscriber.event_format(Speech(palette)).finish())
    } else {
        tracing::subscriber::set_global_default(subscriber.without_time().finish())
    };
}

/// Says how many warnings were only counted. To be called before the process ends or becomes another program.
pub(crate) fn finish(palette: Palette) {
    let mut repeated = REPEATED.lock().unwrap_or_else(PoisonError::into_inner);
    for (line, times) in std::mem::take(&mut *repeated) {
        if times > TOLD {
            output::warn(palette, &format!("{line}: … and {} more", times - TOLD));
        }
    }
}

/// An event as a person expects it: `warning: the member failed (provider main, wait 0.25 s)`.
struct Speech(Palette);

impl<S, N> FormatEvent<S, N> for Speech
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
        let mut said = Said::default();
        event.record(&mut said);
        let mut repeated = REPEATED.lock().unwrap_or_else(PoisonError::into_inner);
        let times = repeated.entry(said.kind()).or_default();
        *times += 1;
        if *times > TOLD {
            return Ok(());
        }
        let label = match *event.metadata().level() {
            Level::ERROR => self.0.error("error:"),
            _ => self.0.warning("warning:"),
        };
        writeln!(writer, "{label} {}", printable(&said.line()))
    }
}

/// The parts of an event.
#[derive(Debug, Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Said {
    fn line(&self) -> String {
        let mut line = self.message.clone();
        for (at, (name, value)) in self.fields.iter().enumerate() {
            let before = if at == 0 { " (" } else { ", " };
            // A field that is a duration says so in its name.
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

    /// What makes two of them the same for a person: all but the secret that was asked for, and the figures.
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

impl Visit for Said {
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
        let said = Said {
            message: "the provider is asked again".to_owned(),
            fields: vec![
                ("provider", "main".to_owned()),
                ("name", "db/password".to_owned()),
                ("wait_seconds", "0.25".to_owned()),
            ],
        };
        assert_eq!(
            said.line(),
            "the provider is asked again (provider main, name db/password, wait 0.25 s)"
        );
        assert_eq!(said.kind(), "the provider is asked again (provider main)");
    }
}
