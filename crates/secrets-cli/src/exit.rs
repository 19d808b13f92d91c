//! What the exit code of the command means: the one table that help, documents and tests use.

use std::process::ExitCode;

use secrets::ErrorKind;

macro_rules! exits {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $text:literal;)+) => {
        /// How a run of the command ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Exit {
            $($(#[doc = $doc])+ $name = $code,)+
        }

        impl Exit {
            /// Every code with its meaning, in the order of the codes.
            pub(crate) const TABLE: &'static [(u8, &'static str)] = &[$(($code, $text),)+];
        }
    };
}

exits! {
    /// All is done.
    Ok = 0, "ok";
    /// Anything that has no code of its own.
    Other = 1, "another error: a conflict, an operation that the provider does not have, a broken answer";
    /// The command line is wrong.
    Usage = 2, "wrong usage of the command line";
    /// There is no such secret, or it is deleted or disabled.
    NotFound = 3, "secret not found, deleted or disabled";
    /// The provider refuses.
    Denied = 4, "not authenticated, or permission denied";
    /// The provider cannot answer now, or there is no room to write to.
    Unavailable = 5, "provider unavailable, too slow, or asking for a slower pace; disk full, or standard output cannot be written";
    /// The configuration or another input is wrong.
    Input = 6, "wrong configuration, name, value or input file";
    /// Data is damaged or was tampered with.
    Integrity = 7, "data is damaged, was tampered with, or is older than before";
    /// The answer of `check` or `status` is that something is wrong.
    Problems = 8, "`check` or `status` found problems";
    /// `run` failed: it could not start the program, or could not write what the program wrote.
    RunFailed = 125, "of `run`: an error of ours: the program was not started, or its output cannot be written";
    /// The program is there, but cannot be executed.
    CannotExecute = 126, "of `run`: the program cannot be executed";
    /// The program is not there.
    CommandNotFound = 127, "of `run`: the program was not found";
    /// Ctrl-C at a hidden prompt, as the shell tells it of a program that the signal ended.
    Interrupted = 130, "interrupted with Ctrl-C";
}

/// The table as `--help` ends with it.
pub(crate) fn help() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (code, meaning) in Exit::TABLE {
        text.push_str(&format!("  {code:<5} {meaning}\n"));
    }
    text.push_str(
        "  other of `run`: the program's own, or 128 + the number of the signal that ended it",
    );
    text
}

impl Exit {
    /// The code for a kind of error.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound | ErrorKind::Deleted | ErrorKind::Disabled => Self::NotFound,
            ErrorKind::Unauthenticated | ErrorKind::PermissionDenied => Self::Denied,
            ErrorKind::RateLimited | ErrorKind::Unavailable | ErrorKind::Timeout => {
                Self::Unavailable
            }
            ErrorKind::InvalidName | ErrorKind::InvalidValue | ErrorKind::InvalidConfig => {
                Self::Input
            }
            ErrorKind::IntegrityFailure => Self::Integrity,
            _ => Self::Other,
        }
    }
}

impl Exit {
    /// The word for an error that has no kind of its own.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Denied => "permission_denied",
            Self::Unavailable => "unavailable",
            Self::Input => "invalid_input",
            Self::Integrity => "integrity_failure",
            Self::CannotExecute => "cannot_execute",
            Self::CommandNotFound => "command_not_found",
            Self::Interrupted => "interrupted",
            _ => "other",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_the_documented_ones() {
        let codes: Vec<u8> = Exit::TABLE.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 125, 126, 127, 130]);
        assert_eq!(Exit::of(ErrorKind::Deleted), Exit::NotFound);
        assert_eq!(Exit::of(ErrorKind::PermissionDenied), Exit::Denied);
        assert_eq!(Exit::of(ErrorKind::Timeout), Exit::Unavailable);
        assert_eq!(Exit::of(ErrorKind::InvalidConfig), Exit::Input);
        assert_eq!(Exit::of(ErrorKind::IntegrityFailure), Exit::Integrity);
        assert_eq!(Exit::of(ErrorKind::Unsupported), Exit::Other);
    }

    #[test]
    fn the_guide_has_this_table() {
        let guide = include_str!("../../../docs/guide/command-line.md");
        for (code, meaning) in Exit::TABLE {
            let row = format!("| {code} | {meaning} |");
            assert!(guide.lines().any(|line| line == row), "no row: {row}");
        }
    }
}
