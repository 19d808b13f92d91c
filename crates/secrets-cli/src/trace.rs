//! What happens inside, told on standard error.

use std::fmt;
use std::io;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{self as writer, FmtContext};
use tracing_subscriber::registry::LookupSpan;

use crate::output::{Palette, printable};

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

/// An event as a person expects it: `warning: …`.
struct Speech(Palette);

impl<S, N> FormatEvent<S, N> for Speech
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        context
            .field_format()
            .format_fields(Writer::new(&mut text), event)?;
        let label = match *event.metadata().level() {
            Level::ERROR => self.0.error("error:"),
            _ => self.0.warning("warning:"),
        };
        writeln!(writer, "{label} {}", printable(&text))
    }
}
