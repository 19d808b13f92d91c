//! Writes data to standard output and messages to standard error. Colour never carries meaning of its own.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use secrets::SecretValue;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;
use zeroize::Zeroizing;

use crate::cli::ColorChoice;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, Report, reason};

/// The schema version of all JSON output.
const SCHEMA: u32 = 1;

/// Whether a stream is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Palette(bool);

impl Palette {
    /// For standard error: the flag decides, then `NO_COLOR`, then whether it is a terminal.
    pub(crate) fn new(choice: ColorChoice) -> Self {
        Self::for_stream(choice, &io::stderr())
    }

    /// For standard output, in the same way.
    pub(crate) fn for_data(choice: ColorChoice) -> Self {
        Self::for_stream(choice, &io::stdout())
    }

    fn for_stream(choice: ColorChoice, stream: &impl IsTerminal) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self(match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                !set("NO_COLOR")
                    && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
                    && stream.is_terminal()
            }
        })
    }

    pub(crate) fn is_coloured(self) -> bool {
        self.0
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn error(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(crate) fn warning(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    pub(crate) fn hint(self, text: &str) -> String {
        self.paint("1;36", text)
    }

    /// A table row that reports an error.
    fn wrong(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// Writes data as it is, bypassing the standard library's buffer, which is never wiped.
///
/// # Errors
/// [`Failure::ClosedOutput`] if the reader is gone.
pub(crate) fn data(bytes: &[u8]) -> Outcome<()> {
    let write = || -> io::Result<()> {
        let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        output.write_all(bytes)
    };
    write().map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ClosedOutput,
        _ => Failure::other(format!(
            "cannot write to standard output: {}",
            reason(&error)
        ))
        .with_exit(Exit::Unavailable),
    })
}

/// Writes a value, followed by a newline only on a terminal.
pub(crate) fn value(value: &SecretValue) -> Outcome<()> {
    data(value.expose_bytes())?;
    if io::stdout().is_terminal() && !value.expose_bytes().ends_with(b"\n") {
        data(b"\n")?;
    }
    Ok(())
}

/// Writes a JSON object with its schema version.
pub(crate) fn json(object: Value) -> Outcome<()> {
    let mut text = serde_json::to_string_pretty(&with_schema(object))
        .map_err(|_| Failure::other("cannot serialize the result as JSON"))?;
    text.push('\n');
    data(text.as_bytes())
}

/// Writes a JSON object with the value in the field `value`, using only buffers that are wiped.
///
/// `encoding` is `utf-8`, or `base64` for a value that is not UTF-8.
pub(crate) fn json_with_value(object: Value, value: &SecretValue) -> Outcome<()> {
    use base64::Engine as _;

    let mut object = with_schema(object);
    let encoded;
    let (text, encoding) = match value.expose_str() {
        Ok(text) => (text, "utf-8"),
        Err(_) => {
            encoded = Zeroizing::new(
                base64::engine::general_purpose::STANDARD.encode(value.expose_bytes()),
            );
            (encoded.as_str(), "base64")
        }
    };
    object["encoding"] = json!(encoding);
    let rest = serde_json::to_string_pretty(&object)
        .map_err(|_| Failure::other("cannot serialize the result as JSON"))?;
    // Escaping makes at most six bytes of one, so the buffer never reallocates and leaves no copy behind.
    let mut whole = Zeroizing::new(Vec::with_capacity(rest.len() + 6 * text.len() + 32));
    whole.extend_from_slice(rest.trim_end_matches(['}', '\n']).as_bytes());
    whole.extend_from_slice(b",\n  \"value\": ");
    serde_json::to_writer(&mut *whole, text)
        .map_err(|_| Failure::other("cannot serialize the value as JSON"))?;
    whole.extend_from_slice(b"\n}\n");
    data(&whole)
}

fn with_schema(mut object: Value) -> Value {
    let mut whole = json!({ "schema": SCHEMA });
    if let (Some(whole), Some(object)) = (whole.as_object_mut(), object.as_object_mut()) {
        whole.append(object);
    }
    whole
}

/// Prints a line to standard error.
pub(crate) fn say(line: impl AsRef<str>) {
    // If standard error is closed, there is nowhere left to report that.
    let _ = writeln!(io::stderr().lock(), "{}", line.as_ref());
}

/// Prints a warning.
pub(crate) fn warn(palette: Palette, line: &str) {
    say(format!(
        "{} {}",
        palette.warning("warning:"),
        printable(line)
    ));
}

/// Prints a warning and a hint.
pub(crate) fn warn_with_hint(palette: Palette, line: &str, hint: &str) {
    warn(palette, line);
    say(format!("{} {}", palette.hint("hint:"), printable(hint)));
}

/// The width of a text on a screen, in columns.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// A number and its noun: `1 secret`, `2 secrets`.
pub(crate) fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// Prints why the command stops.
pub(crate) fn report(palette: Palette, report: &Report) {
    say(format!(
        "{} {}",
        palette.error("error:"),
        printable(&report.message)
    ));
    for cause in &report.causes {
        say(format!("  caused by: {}", printable(cause)));
    }
    if let Some(hint) = &report.hint {
        say(format!("{} {}", palette.hint("hint:"), printable(hint)));
    }
}

/// Prints why the command stops as one line of JSON.
pub(crate) fn report_json(report: &Report, exit: Exit) {
    // Text and numbers always serialize.
    if let Ok(line) = serde_json::to_string(&with_schema(report.to_json(exit))) {
        say(line);
    }
}

/// Escapes control characters, so foreign text cannot move the cursor or end the line.
pub(crate) fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            plain.extend(letter.escape_default());
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// A table with columns as wide as their widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// The first of the columns of numbers, which are aligned right.
    numbers: usize,
    /// The rows that report an error.
    wrong: Vec<usize>,
}

impl Table {
    pub(crate) fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
            numbers: head.len(),
            wrong: Vec::new(),
        }
    }

    /// Aligns the columns from this one on to the right.
    pub(crate) fn with_numbers_from(mut self, column: usize) -> Self {
        self.numbers = column;
        self
    }

    /// Colours the last row, whose text reports an error.
    pub(crate) fn mark_wrong(&mut self) {
        self.wrong.extend(self.rows.len().checked_sub(1));
    }

    /// Adds a row. Prints an empty cell as `-`, so programs can split the columns.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.head.len());
        let shown = |cell: String| match cell.is_empty() {
            true => "-".to_owned(),
            false => printable(&cell),
        };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the table to standard output.
    pub(crate) fn print(&self) -> Outcome<()> {
        self.print_in(Palette(false))
    }

    /// Writes the table with a bold head and red rows for errors.
    pub(crate) fn print_in(&self, palette: Palette) -> Outcome<()> {
        data(self.text(palette).as_bytes())
    }

    fn text(&self, palette: Palette) -> String {
        let mut widths: Vec<usize> = self.head.iter().map(|cell| cell.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let mut text = palette.strong(&self.line(self.head.iter().copied(), &widths));
        text.push('\n');
        for (number, row) in self.rows.iter().enumerate() {
            let line = self.line(row.iter().map(String::as_str), &widths);
            text.push_str(&match self.wrong.contains(&number) {
                true => palette.wrong(&line),
                false => line,
            });
            text.push('\n');
        }
        text
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
        const GAP: usize = 2;
        let mut text = String::new();
        for (column, (cell, width)) in cells.zip(widths).enumerate() {
            let spare = std::iter::repeat_n(' ', width - cell.width());
            match column < self.numbers {
                true => {
                    text.push_str(cell);
                    text.extend(spare);
                }
                false => {
                    text.extend(spare);
                    text.push_str(cell);
                }
            }
            text.extend(std::iter::repeat_n(' ', GAP));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_display_width() {
        let mut table = Table::new(&["NAME", "STATE"]);
        table.row(["db/密码".to_owned(), "enabled".to_owned()]);
        table.row(["a".to_owned(), String::new()]);
        assert_eq!(
            table.text(Palette(false)),
            "NAME     STATE\ndb/密码  enabled\na        -\n"
        );
    }

    #[test]
    fn numbers_are_aligned_right_and_errors_are_red() {
        let mut table = Table::new(&["NAME", "COUNT", "ERRORS"]).with_numbers_from(1);
        table.row(["a", "12345678", "0"].map(str::to_owned));
        table.row(["bb", "1", "1"].map(str::to_owned));
        table.mark_wrong();
        assert_eq!(
            table.text(Palette(true)),
            "\u{1b}[1mNAME     COUNT  ERRORS\u{1b}[0m\na     12345678       0\n\u{1b}[31mbb           1       1\u{1b}[0m\n"
        );
    }

    #[test]
    fn one_is_singular() {
        let counted = [0, 1, 2].map(|number| count(number, "secret"));
        assert_eq!(counted, ["0 secrets", "1 secret", "2 secrets"]);
    }

    #[test]
    fn foreign_text_stays_on_its_line() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
    }

    #[test]
    fn every_object_has_its_schema() {
        assert_eq!(
            with_schema(json!({ "name": "a" })),
            json!({ "name": "a", "schema": 1 })
        );
    }
}
