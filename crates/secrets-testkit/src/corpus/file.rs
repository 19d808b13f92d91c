use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use secrets_core::{ErrorKind, SourcePosition};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::recorded::{Expected, Recorded};

const KINDS: &[ErrorKind] = &[
    ErrorKind::NotFound,
    ErrorKind::Deleted,
    ErrorKind::Disabled,
    ErrorKind::AlreadyExists,
    ErrorKind::Conflict,
    ErrorKind::Unauthenticated,
    ErrorKind::PermissionDenied,
    ErrorKind::RateLimited,
    ErrorKind::Unavailable,
    ErrorKind::Timeout,
    ErrorKind::InvalidName,
    ErrorKind::InvalidValue,
    ErrorKind::InvalidConfig,
    ErrorKind::InvalidResponse,
    ErrorKind::IntegrityFailure,
    ErrorKind::Unsupported,
    ErrorKind::Unexpected,
];

/// Recorded answers, in the order of their file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corpus {
    entries: Vec<Recorded>,
}

impl Corpus {
    /// Reads a corpus from its text.
    ///
    /// # Errors
    /// With the place, for text that is not JSON, an unknown or missing field, a wrong type, an unknown kind, a status that HTTP
    /// does not have, an empty source, a name or a whole answer that stands twice.
    pub fn parse(text: &str) -> Result<Self, CorpusError> {
        let raw: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| CorpusError::json(text, 0, &error))?;
        let mut entries = Vec::with_capacity(raw.len());
        let mut names = BTreeMap::new();
        let mut answers = BTreeMap::new();
        for one in raw {
            let start = one.get().as_ptr() as usize - text.as_ptr() as usize;
            let entry: Entry = serde_json::from_str(one.get())
                .map_err(|error| CorpusError::json(text, start, &error))?;
            let at = |message: String| CorpusError::new(position(text, start), message);
            let recorded = entry.recorded().map_err(at)?;
            let line = position(text, start).line;
            if let Some(first) = names.insert(recorded.name.clone(), line) {
                let name = &recorded.name;
                return Err(at(format!("the name `{name}` stands in line {first} too")));
            }
            let answer = (
                recorded.operation.clone(),
                recorded.status,
                recorded.headers.clone(),
                recorded.body.clone(),
            );
            if let Some(first) = answers.insert(answer, line) {
                let name = &recorded.name;
                return Err(at(format!(
                    "the answer of `{name}` stands in line {first} too"
                )));
            }
            entries.push(recorded);
        }
        Ok(Self { entries })
    }

    /// Reads a corpus from a file.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse), and those of reading a file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CorpusError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| {
            CorpusError::new(
                SourcePosition::new(0, 0).in_file(path),
                format!("cannot be read: {error}"),
            )
        })?;
        Self::parse(&text).map_err(|mut error| {
            error.position = error.position.in_file(path);
            error
        })
    }

    /// All answers.
    pub fn entries(&self) -> &[Recorded] {
        &self.entries
    }

    /// The answer of this name.
    pub fn entry(&self, name: &str) -> Option<&Recorded> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Accepts a corpus of at least `least` answers that become at least these kinds of errors.
    ///
    /// # Panics
    /// If answers or kinds are missing.
    #[track_caller]
    pub fn assert_covers(&self, least: usize, kinds: &[ErrorKind]) {
        let count = self.entries.len();
        assert!(
            count >= least,
            "the corpus holds {count} answers, {least} are wanted"
        );
        let missing: Vec<_> = kinds
            .iter()
            .filter(|kind| self.entries.iter().all(|entry| entry.expect.kind != **kind))
            .collect();
        assert!(
            missing.is_empty(),
            "no answer of the corpus becomes {missing:?}"
        );
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    source: String,
    operation: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: Box<RawValue>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    kind: String,
    retryable: bool,
    stale_ok: bool,
    // Written out, so that nobody forgets it: an option alone may be left out.
    #[serde(deserialize_with = "explicit")]
    retry_after_ms: Option<u64>,
}

fn explicit<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Option::deserialize(from)
}

impl Entry {
    fn recorded(self) -> Result<Recorded, String> {
        let name = self.name;
        let plain = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!(
                "the name {name:?} is not made of lowercase letters, digits and hyphens"
            ));
        }
        for (what, text) in [("source", &self.source), ("operation", &self.operation)] {
            if text.trim().is_empty() {
                return Err(format!("`{name}` has an empty {what}"));
            }
        }
        if !(200..=599).contains(&self.status) {
            return Err(format!(
                "`{name}` has the status {}, which no answer has",
                self.status
            ));
        }
        let framing = |header: &str| {
            header.eq_ignore_ascii_case("content-length")
                || header.eq_ignore_ascii_case("transfer-encoding")
        };
        if let Some((header, _)) = self.headers.iter().find(|(header, _)| framing(header)) {
            return Err(format!(
                "`{name}` has the header {header}, which the server that replays it sets"
            ));
        }
        let kind = KINDS
            .iter()
            .find(|kind| format!("{kind:?}") == self.expect.kind)
            .ok_or_else(|| format!("`{name}` expects the unknown kind {:?}", self.expect.kind))?;
        Ok(Recorded {
            body: body(&name, &self.body)?,
            source: self.source,
            operation: self.operation,
            status: self.status,
            headers: self.headers,
            expect: Expected {
                kind: *kind,
                retryable: self.expect.retryable,
                stale_ok: self.expect.stale_ok,
                retry_after: self.expect.retry_after_ms.map(Duration::from_millis),
            },
            name,
        })
    }
}

/// JSON is kept as it is written: only so can an answer repeat a key.
fn body(name: &str, raw: &RawValue) -> Result<String, String> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{' | b'[') => Ok(text.to_owned()),
        Some(b'n') => Ok(String::new()),
        Some(b'"') => serde_json::from_str(text)
            .map_err(|_| format!("`{name}` has a body whose text is not UTF-8")),
        _ => Err(format!(
            "`{name}` has a body that is neither an object, a list, a string nor null"
        )),
    }
}

/// A corpus that cannot be used, and where it is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorpusError {
    position: SourcePosition,
    message: String,
}

impl CorpusError {
    fn new(position: SourcePosition, message: String) -> Self {
        Self { position, message }
    }

    /// An error in the piece of the text that begins at `start`.
    fn json(text: &str, start: usize, error: &serde_json::Error) -> Self {
        let begin = position(text, start);
        let (line, column) = (error.line().max(1), error.column().max(1));
        let place = if line == 1 {
            SourcePosition::new(begin.line, begin.column + column - 1)
        } else {
            SourcePosition::new(begin.line + line - 1, column)
        };
        // We report the place, in the whole text.
        let reported = error.to_string();
        let message = reported.split(" at line ").next().unwrap_or(&reported);
        Self::new(place, message.to_owned())
    }

    /// The line and column, and the file if there is one.
    pub fn position(&self) -> &SourcePosition {
        &self.position
    }
}

impl fmt::Display for CorpusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position.file {
            // A file that cannot be read has no line.
            Some(file) if self.position.line == 0 => {
                write!(f, "{}: {}", file.display(), self.message)
            }
            _ => write!(f, "{}: {}", self.position, self.message),
        }
    }
}

impl std::error::Error for CorpusError {}

fn position(text: &str, offset: usize) -> SourcePosition {
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let last = before.rsplit('\n').next().unwrap_or_default();
    SourcePosition::new(line, last.chars().count() + 1)
}
