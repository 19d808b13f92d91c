//! Why a command stops, and how that is reported.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::path::Path;

use secrets::{Error, ErrorKind, SecretName};
use serde_json::{Value, json};

use crate::exit::Exit;

/// The result of a command.
pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

/// Why a command stops early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error to report.
    Reported(Box<Report>),
    /// The reader of standard output is gone, as in `secrets list | head -1`. Not an error.
    ClosedOutput,
}

/// An error and everything that is printed about it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) exit: Exit,
    /// The library's error, for the JSON output.
    pub(crate) error: Option<Error>,
    pub(crate) message: String,
    /// From the nearest cause to the farthest.
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::Reported(Box::new(Report {
            exit,
            error: None,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
        }))
    }

    /// The command line is wrong in a way that the grammar cannot express.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// An input of the command is wrong.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::Input, message)
    }

    /// Any other error.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::new(Exit::Other, message)
    }

    /// A file could not be read or written.
    pub(crate) fn file(what: &str, path: &Path, error: &io::Error) -> Self {
        // A full disk is not the fault of the input. The encrypted store reports it in the same way.
        let exit = match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Exit::Unavailable,
            _ => Exit::Input,
        };
        Self::new(
            exit,
            format!("cannot {what} {}: {}", path.display(), reason(error)),
        )
    }

    /// Sets the exit code.
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        if let Self::Reported(report) = &mut self {
            report.exit = exit;
        }
        self
    }

    /// Sets the hint.
    pub(crate) fn with_hint(mut self, hint: impl Display) -> Self {
        if let Self::Reported(report) = &mut self {
            report.hint = Some(hint.to_string());
        }
        self
    }

    /// Takes the hint of another failure.
    pub(crate) fn with_hint_from(mut self, other: &Self) -> Self {
        if let (Self::Reported(report), Self::Reported(other)) = (&mut self, other) {
            report.hint.clone_from(&other.hint);
        }
        self
    }

    /// Adds another failure and its causes to the causes.
    pub(crate) fn add_cause(&mut self, other: Self) {
        if let (Self::Reported(report), Self::Reported(other)) = (self, other) {
            report.causes.push(other.message);
            report.causes.extend(other.causes);
        }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Reported(report) => report.exit,
            Self::ClosedOutput => Exit::Ok,
        }
    }
}

impl Report {
    /// The report as JSON; `exit` is the exit code of the process.
    pub(crate) fn to_json(&self, exit: Exit) -> Value {
        let error = self.error.as_ref();
        let kind = match error {
            Some(error) => kind_word(error.kind()),
            None => self.exit.word().to_owned(),
        };
        json!({ "error": {
            "kind": kind,
            "message": error.map_or(self.message.as_str(), Error::message),
            "causes": self.causes,
            "hint": self.hint,
            "name": error.and_then(Error::name).map(SecretName::as_str),
            "provider": error.and_then(Error::provider),
            "place": error.and_then(Error::position).map(ToString::to_string),
            "exit": exit as u8,
        } })
    }
}

/// The kind in JSON output: `not_found`.
pub(crate) fn kind_word(kind: ErrorKind) -> String {
    let mut word = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        Self::Reported(Box::new(Report {
            exit: Exit::of(error.kind()),
            message: error.to_string(),
            causes,
            hint: error
                .hint()
                .map_or_else(|| default_hint(error.kind()), |hint| Some(hint.to_owned())),
            error: Some(error),
        }))
    }
}

/// The hint for an error that has none.
fn default_hint(kind: ErrorKind) -> Option<String> {
    let hint = match kind {
        ErrorKind::NotFound => "`secrets list` shows all secrets; `secrets set NAME` writes one",
        ErrorKind::Deleted => "restore it with `secrets restore NAME`, if the provider supports it",
        ErrorKind::Unauthenticated => {
            "`secrets config show --origin` shows the provider and its location"
        }
        ErrorKind::PermissionDenied => "ask for the permission, or use another credential",
        ErrorKind::Unavailable => "`secrets status` shows which provider does not answer",
        ErrorKind::Timeout => "raise `deadline` in `[timeouts]`, or try again",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The message of a system error, without the number that Rust appends.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_causes_and_hint() {
        let error = Error::new(ErrorKind::Unavailable, "cannot reach the server")
            .with_source(io::Error::other("connection refused"))
            .with_hint("start it");
        let Failure::Reported(report) = Failure::from(error) else {
            panic!("not reported");
        };
        assert_eq!(report.exit, Exit::Unavailable);
        assert_eq!(report.message, "cannot reach the server");
        assert_eq!(report.causes, ["connection refused"]);
        assert_eq!(report.hint.as_deref(), Some("start it"));
    }

    #[test]
    fn kinds_are_words() {
        assert_eq!(kind_word(ErrorKind::NotFound), "not_found");
        assert_eq!(kind_word(ErrorKind::Timeout), "timeout");
    }

    #[test]
    fn a_program_reads_every_part_of_an_error() {
        let name = SecretName::new("db/password").unwrap();
        let error = Error::not_found(&name).with_hint("make it");
        let Failure::Reported(report) = Failure::from(error) else {
            panic!("not reported");
        };
        let object = report.to_json(Exit::RunFailed);
        let error = &object["error"];
        assert_eq!(error["kind"], "not_found");
        assert_eq!(error["name"], "db/password");
        assert_eq!(error["hint"], "make it");
        assert_eq!(error["exit"], 125);
        assert!(error["provider"].is_null() && error["place"].is_null());
        let Failure::Reported(report) = Failure::usage("two files") else {
            panic!("not reported");
        };
        let object = report.to_json(Exit::Usage);
        assert_eq!(object["error"]["kind"], "usage");
        assert_eq!(object["error"]["message"], "two files");
    }

    #[test]
    fn a_full_disk_is_not_wrong_input() {
        let exit = |kind: io::ErrorKind| {
            Failure::file("write", Path::new("out"), &io::Error::from(kind)).exit()
        };
        assert_eq!(exit(io::ErrorKind::StorageFull), Exit::Unavailable);
        assert_eq!(exit(io::ErrorKind::QuotaExceeded), Exit::Unavailable);
        assert_eq!(exit(io::ErrorKind::NotFound), Exit::Input);
    }

    #[test]
    fn a_system_error_loses_its_number() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(reason(&error), "no such file or directory");
    }
}
