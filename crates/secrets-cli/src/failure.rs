//! Why a command stops, in the form in which it is told.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::path::Path;

use secrets::{Error, ErrorKind, SecretName};
use serde_json::{Value, json};

use crate::exit::Exit;

/// What a command answers with.
pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

/// Why a command stops before it is done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something that the user has to know.
    Told(Box<Told>),
    /// Nobody reads our standard output any more: not an error, as with `secrets list | head -1`.
    ClosedOutput,
}

/// An error with all that is printed about it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) exit: Exit,
    /// What it was made of, for those who read it by machine.
    pub(crate) error: Option<Error>,
    pub(crate) message: String,
    /// From the nearest cause to the farthest.
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
}

impl Failure {
    fn told(exit: Exit, message: impl Into<String>) -> Self {
        Self::Told(Box::new(Told {
            exit,
            error: None,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
        }))
    }

    /// The command line is wrong in a way that its grammar does not say.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::told(Exit::Usage, message)
    }

    /// What was given to the command is wrong.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::told(Exit::Input, message)
    }

    /// Something else.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::told(Exit::Other, message)
    }

    /// A file could not be read or written.
    pub(crate) fn file(what: &str, path: &Path, error: &io::Error) -> Self {
        // As the encrypted store has it: nothing is wrong with what was typed, there is only no room.
        let exit = match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Exit::Unavailable,
            _ => Exit::Input,
        };
        Self::told(
            exit,
            format!("cannot {what} {}: {}", path.display(), reason(error)),
        )
    }

    /// Ends with this code instead.
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        if let Self::Told(told) = &mut self {
            told.exit = exit;
        }
        self
    }

    /// Says what the reader can do about it.
    pub(crate) fn with_hint(mut self, hint: impl Display) -> Self {
        if let Self::Told(told) = &mut self {
            told.hint = Some(hint.to_string());
        }
        self
    }

    /// Says what that failure says the reader can do.
    pub(crate) fn with_hint_of(mut self, other: &Self) -> Self {
        if let (Self::Told(told), Self::Told(other)) = (&mut self, other) {
            told.hint.clone_from(&other.hint);
        }
        self
    }

    /// Tells that failure as one of the causes.
    pub(crate) fn add_cause(&mut self, other: Self) {
        if let (Self::Told(told), Self::Told(other)) = (self, other) {
            told.causes.push(other.message);
            told.causes.extend(other.causes);
        }
    }

    /// The code with which the command ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Told(told) => told.exit,
            Self::ClosedOutput => Exit::Ok,
        }
    }
}

impl Told {
    /// The same for programs; `exit` is the code that the process ends with.
    pub(crate) fn object(&self, exit: Exit) -> Value {
        let error = self.error.as_ref();
        let kind = match error {
            Some(error) => error.kind().as_str().to_owned(),
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
        Self::Told(Box::new(Told {
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

/// What helps where the one who made the error knew nothing better.
fn default_hint(kind: ErrorKind) -> Option<String> {
    let hint = match kind {
        ErrorKind::NotFound => {
            "`secrets list` shows what there is; `secrets set NAME` makes a secret"
        }
        ErrorKind::Deleted => "`secrets restore NAME` brings it back where the provider can",
        ErrorKind::Unauthenticated => {
            "`secrets config show --origin` shows which provider is asked, and where it is"
        }
        ErrorKind::PermissionDenied => "ask for the right to do this, or use another credential",
        ErrorKind::Unavailable => "`secrets status` shows which provider does not answer",
        ErrorKind::Timeout => "raise `deadline` in `[timeouts]`, or try again",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The system's words without the number that the library appends.
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
        let Failure::Told(told) = Failure::from(error) else {
            panic!("not told");
        };
        assert_eq!(told.exit, Exit::Unavailable);
        assert_eq!(told.message, "cannot reach the server");
        assert_eq!(told.causes, ["connection refused"]);
        assert_eq!(told.hint.as_deref(), Some("start it"));
    }

    #[test]
    fn kinds_are_words() {
        assert_eq!(ErrorKind::NotFound.as_str(), "not_found");
        assert_eq!(ErrorKind::Timeout.as_str(), "timeout");
    }

    #[test]
    fn a_program_reads_every_part_of_an_error() {
        let name = SecretName::new("db/password").unwrap();
        let error = Error::not_found(&name).with_hint("make it");
        let Failure::Told(told) = Failure::from(error) else {
            panic!("not told");
        };
        let object = told.object(Exit::RunFailed);
        let error = &object["error"];
        assert_eq!(error["kind"], "not_found");
        assert_eq!(error["name"], "db/password");
        assert_eq!(error["hint"], "make it");
        assert_eq!(error["exit"], 125);
        assert!(error["provider"].is_null() && error["place"].is_null());
        let Failure::Told(told) = Failure::usage("so not") else {
            panic!("not told");
        };
        let object = told.object(Exit::Usage);
        assert_eq!(object["error"]["kind"], "usage");
        assert_eq!(object["error"]["message"], "so not");
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
    fn the_systems_words_lose_their_number() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(reason(&error), "no such file or directory");
    }
}
