//! The text format of Prometheus, version 0.0.4.
//!
//! ```
//! use polysecrets_layers::metrics::prometheus::{PrometheusText, line};
//!
//! let mut lines = String::new();
//! line(&mut lines, "reads_total", "provider=\"main\"", 3);
//! let mut text = PrometheusText::default();
//! text.family("reads_total", "counter", "Reads.", &lines);
//! assert!(text.finish().ends_with("reads_total{provider=\"main\"} 3\n"));
//! ```

use std::fmt::{Display, Write};

use super::DURATION_BOUNDS;

/// A text of metrics, family by family.
#[derive(Debug, Default)]
pub struct PrometheusText(String);

impl PrometheusText {
    /// Adds the lines of one metric; without a line nothing is reported of it.
    pub fn family(&mut self, name: &str, kind: &str, about: &str, lines: &str) {
        if !lines.is_empty() {
            let text = format!("# HELP {name} {about}\n# TYPE {name} {kind}\n{lines}");
            self.0.push_str(&text);
        }
    }

    /// The whole of it.
    pub fn finish(self) -> String {
        self.0
    }
}

/// Adds a line with its labels to those of a family.
pub fn line(lines: &mut String, name: &str, labels: &str, value: impl Display) {
    // Writing to a string cannot fail.
    let _ = match labels {
        "" => writeln!(lines, "{name} {value}"),
        labels => writeln!(lines, "{name}{{{labels}}} {value}"),
    };
}

/// Adds the lines of one histogram over [`DURATION_BOUNDS`]; `within` counts what took at most as long.
pub fn histogram(
    lines: &mut String,
    name: &str,
    labels: &str,
    within: &[u64; DURATION_BOUNDS.len()],
    count: u64,
    seconds: f64,
) {
    for (bound, within) in DURATION_BOUNDS.iter().zip(within) {
        let _ = writeln!(lines, "{name}_bucket{{{labels},le=\"{bound}\"}} {within}");
    }
    let _ = writeln!(lines, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
    let _ = writeln!(lines, "{name}_sum{{{labels}}} {seconds}");
    let _ = writeln!(lines, "{name}_count{{{labels}}} {count}");
}

/// A label's value, as the format wants it.
pub fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
