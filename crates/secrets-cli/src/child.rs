//! The environment of a program that is given secrets, and its start.
//!
//! The program *replaces* this process. Nothing is left for us to do once it runs: providers are closed before. So every
//! signal, the terminal, job control, the process id and the exit code are the program's own, as if it had been started
//! without us, and as process 1 of a container it is process 1.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use secrets::{SecretValue, SourcePosition};

use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};

/// What `--clean` leaves, besides `LC_*`.
const BASICS: &[&str] = &[
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TZ", "TMPDIR", "PWD",
];

/// A program's largest variable on Linux, name and value together (`MAX_ARG_STRLEN`, 32 pages).
const LARGEST_VARIABLE: usize = 128 * 1024;

/// What decides about the environment of the program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// Inherit only the basics.
    pub(crate) clean: bool,
    /// A secret must not replace a variable that is inherited.
    pub(crate) no_override: bool,
    /// Variables that hold credentials of ours, which are not inherited.
    pub(crate) removed: BTreeSet<String>,
    /// Variables that are inherited all the same.
    pub(crate) kept: BTreeSet<String>,
}

/// A secret on its way into the environment.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    /// The variable.
    pub(crate) name: String,
    /// The declared secret, for errors.
    pub(crate) secret: String,
    /// Where it is declared.
    pub(crate) place: Option<SourcePosition>,
    /// The value.
    pub(crate) value: SecretValue,
}

/// The whole environment of the program.
pub(crate) fn environment(
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
    secrets: &[Variable],
    rules: &Rules,
) -> Outcome<BTreeMap<OsString, OsString>> {
    let mut environment: BTreeMap<OsString, OsString> = inherited
        .into_iter()
        .filter(|(name, _)| rules.inherits(name))
        .collect();
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    for variable in secrets {
        variable.check()?;
        if let Some(other) = given.insert(&variable.name, &variable.secret) {
            return Err(Failure::input(format!(
                "the secrets {other} and {} both want the variable {}",
                variable.secret, variable.name
            ))
            .with_hint("give one of them another `env` in the configuration"));
        }
        let value = OsString::from_vec(variable.value.expose_bytes().to_vec());
        let before = environment.insert(variable.name.clone().into(), value);
        if rules.no_override && before.is_some() {
            return Err(
                Failure::input(format!("the variable {} is set already", variable.name))
                    .with_hint("unset it, or leave out --no-override"),
            );
        }
    }
    Ok(environment)
}

impl Rules {
    fn inherits(&self, name: &OsStr) -> bool {
        let Some(text) = name.to_str() else {
            // No rule can name it.
            return !self.clean;
        };
        if self.kept.contains(text) {
            return true;
        }
        let basic = BASICS.contains(&text) || text.starts_with("LC_");
        !self.removed.contains(text) && (basic || !self.clean)
    }
}

impl Variable {
    fn check(&self) -> Outcome<()> {
        if self.name.is_empty() || self.name.contains(['=', '\0']) {
            return Err(Failure::input(format!(
                "the secret {} cannot be a variable called {:?}",
                self.secret, self.name
            ))
            .with_hint("give it another `env` in the configuration"));
        }
        if self.value.expose_bytes().contains(&0) {
            return Err(Failure::input(format!(
                "{}the value of {} holds a NUL byte, which no variable can hold",
                self.at(),
                self.secret
            ))
            .with_hint(format!(
                "write it to a file instead: secrets get {} --out FILE",
                self.secret
            )));
        }
        let length = self.name.len() + self.value.len() + "=\0".len();
        if cfg!(target_os = "linux") && length > LARGEST_VARIABLE {
            return Err(Failure::input(format!(
                "{}the value of {} has {} bytes, and a variable holds 128 KiB with its name",
                self.at(),
                self.secret,
                self.value.len()
            ))
            .with_hint(format!(
                "write it to a file instead: secrets get {} --out FILE",
                self.secret
            )));
        }
        Ok(())
    }

    /// Where it is declared, to be put before a message.
    fn at(&self) -> String {
        let place = self.place.as_ref();
        place.map(|place| format!("{place}: ")).unwrap_or_default()
    }
}

/// Becomes the program, with exactly this environment.
///
/// The library gives the program the default action for SIGPIPE, which this process ignores, and an empty signal mask.
pub(crate) fn become_program(
    program: &[OsString],
    environment: &BTreeMap<OsString, OsString>,
) -> Outcome<Infallible> {
    let (name, arguments) = program
        .split_first()
        .ok_or_else(|| Failure::usage("there is no program to run"))?;
    if name.is_empty() {
        return Err(not_found(name));
    }
    let mut command = Command::new(name);
    command.args(arguments).env_clear().envs(environment);
    let error = command.exec();
    Err(match error.kind() {
        io::ErrorKind::NotFound => not_found(name),
        io::ErrorKind::ArgumentListTooLong => too_long(program, environment),
        _ => Failure::other(format!(
            "cannot execute {}: {}",
            name.display(),
            reason(&error)
        ))
        .with_exit(Exit::CannotExecute),
    })
}

fn not_found(name: &OsStr) -> Failure {
    let failure = Failure::other(format!("program not found: {}", name.display()))
        .with_exit(Exit::CommandNotFound);
    if name.as_bytes().contains(&b' ') {
        return failure.with_hint("a line for a shell is run with `-- sh -c '…'`");
    }
    failure.with_hint("it is looked for in PATH")
}

/// The system does not start a program with so much.
pub(crate) fn too_long(
    program: &[OsString],
    environment: &BTreeMap<OsString, OsString>,
) -> Failure {
    let name = program.first().map_or(OsStr::new(""), OsString::as_os_str);
    let largest = environment
        .iter()
        .max_by_key(|(name, value)| name.len() + value.len());
    let failure = Failure::other(format!(
        "cannot execute {}: its arguments and environment are too long",
        name.display()
    ))
    .with_exit(Exit::CannotExecute);
    match largest {
        Some((name, value)) if name.len() + value.len() + 2 > LARGEST_VARIABLE => {
            failure.with_hint(format!(
                "{} has {} bytes, a variable holds 128 KiB; write it to a file with `secrets get … --out FILE`",
                name.display(),
                value.len()
            ))
        }
        _ => failure.with_hint("declare fewer secrets, or use --clean"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited() -> Vec<(OsString, OsString)> {
        ["PATH", "LC_ALL", "VAULT_TOKEN", "EDITOR", "DB"]
            .map(|name| (name.into(), "old".into()))
            .to_vec()
    }

    fn secret(name: &str, value: &str) -> Variable {
        Variable {
            place: None,
            name: name.to_owned(),
            secret: format!("secret-of-{name}"),
            value: value.into(),
        }
    }

    fn names(environment: &BTreeMap<OsString, OsString>) -> Vec<&str> {
        environment
            .keys()
            .filter_map(|name| name.to_str())
            .collect()
    }

    fn message(outcome: Outcome<BTreeMap<OsString, OsString>>) -> String {
        match outcome {
            Err(Failure::Reported(report)) => report.message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn secrets_come_on_top() {
        let made = environment(inherited(), &[secret("DB", "new")], &Rules::default()).unwrap();
        assert_eq!(
            names(&made),
            ["DB", "EDITOR", "LC_ALL", "PATH", "VAULT_TOKEN"]
        );
        assert_eq!(made[OsStr::new("DB")], "new");
    }

    #[test]
    fn credentials_of_ours_stay_behind_unless_kept() {
        let mut rules = Rules {
            removed: ["VAULT_TOKEN".to_owned(), "DB".to_owned()].into(),
            ..Rules::default()
        };
        let made = environment(inherited(), &[secret("DB", "new")], &rules).unwrap();
        assert_eq!(names(&made), ["DB", "EDITOR", "LC_ALL", "PATH"]);
        rules.kept.insert("VAULT_TOKEN".to_owned());
        let made = environment(inherited(), &[], &rules).unwrap();
        assert_eq!(names(&made), ["EDITOR", "LC_ALL", "PATH", "VAULT_TOKEN"]);
    }

    #[test]
    fn clean_leaves_the_basics_and_what_is_kept() {
        let rules = Rules {
            clean: true,
            kept: ["EDITOR".to_owned()].into(),
            ..Rules::default()
        };
        let made = environment(inherited(), &[secret("DB", "new")], &rules).unwrap();
        assert_eq!(names(&made), ["DB", "EDITOR", "LC_ALL", "PATH"]);
    }

    #[test]
    fn what_cannot_be_given_is_refused_by_name() {
        let rules = Rules {
            no_override: true,
            ..Rules::default()
        };
        let refused =
            |secrets: &[Variable], rules: &Rules| message(environment(inherited(), secrets, rules));
        assert_eq!(
            refused(&[secret("DB", "new")], &rules),
            "the variable DB is set already"
        );
        let rules = Rules::default();
        assert_eq!(
            refused(&[secret("A", "x\0y")], &rules),
            "the value of secret-of-A holds a NUL byte, which no variable can hold"
        );
        assert!(
            refused(&[secret("A=B", "x")], &rules)
                .starts_with("the secret secret-of-A=B cannot be")
        );
        assert!(
            refused(&[secret("A", "x"), secret("A", "y")], &rules)
                .ends_with("both want the variable A")
        );
    }
}
