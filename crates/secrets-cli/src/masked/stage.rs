//! What this command is between its own start and that of the program.
//!
//! To become the leader of a session, to wait for the terminal, to die with one's parent: that has to be done by the
//! new process itself. Instead of code between `fork` and `exec`, which is unsafe, it is this command that is started, and that
//! then becomes the program.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgrp, getpid, getppid};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use super::{Program, heir, leader, witness};
use crate::child;
use crate::cli::ColorChoice;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};
use crate::output::{self, Palette};

/// The first word of a command line that nobody types.
const MARK: &str = "__stage";

/// The variables that name the process which they are for (systemd's `sd_listen_fds` and `sd_watchdog_enabled`).
const NAMES_OF_PROCESSES: [&str; 2] = ["LISTEN_PID", "WATCHDOG_PID"];

/// What stands for the id of a process that is not started yet.
const SELF: &str = "self";

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Becomes the program, which ends if its parent is killed.
    Program,
    /// Leads the session of a terminal of our own, with the program in it.
    Leader,
    /// Becomes the program as soon as it is in the foreground.
    Foreground,
    /// Takes its group out of the foreground, in favour of its parent's.
    Background,
    /// Says which signals went to the whole group.
    Witness,
    /// Masks what is left running.
    Heir,
}

const KINDS: [(&str, Kind); 6] = [
    ("program", Kind::Program),
    ("leader", Kind::Leader),
    ("foreground", Kind::Foreground),
    ("background", Kind::Background),
    ("witness", Kind::Witness),
    ("heir", Kind::Heir),
];

/// A command line of ours.
#[derive(Debug)]
pub(crate) struct Stage {
    kind: Kind,
    palette: Palette,
    parent: Option<Pid>,
    words: Vec<OsString>,
}

/// This command, to be started as one, with nothing of the environment.
pub(super) fn command(kind: Kind, palette: Palette) -> io::Result<Command> {
    let name = KINDS.iter().find(|(_, one)| *one == kind);
    let mut command = Command::new(own()?);
    command
        .arg0("secrets")
        .arg(MARK)
        .arg(name.map_or("", |(name, _)| name))
        .arg(match palette.is_coloured() {
            true => "always",
            false => "never",
        })
        .arg(getpid().as_raw_nonzero().to_string())
        .env_clear();
    Ok(command)
}

/// The same that becomes this program.
pub(super) fn program(kind: Kind, program: &Program<'_>) -> io::Result<Command> {
    let mut command = command(kind, program.palette)?;
    command.args(program.words).envs(program.environment);
    Ok(command)
}

/// The environment for a program that has not its process id yet: who hands on sockets or watches names the process that is meant,
/// and that is not us.
pub(super) fn environment(
    environment: &BTreeMap<OsString, OsString>,
) -> BTreeMap<OsString, OsString> {
    let own = getpid().as_raw_nonzero().to_string();
    let mut environment = environment.clone();
    for name in NAMES_OF_PROCESSES {
        if let Some(value) = environment.get_mut(OsStr::new(name))
            && *value == *own
        {
            *value = SELF.into();
        }
    }
    environment
}

/// Where this command is.
fn own() -> io::Result<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStringExt;

        // It leads to this program also where its file was replaced.
        let link = PathBuf::from("/proc/self/exe");
        if link.symlink_metadata().is_ok() {
            return Ok(link);
        }
        // Without /proc, the path that the system was given.
        let path = rustix::param::linux_execfn().to_bytes().to_vec();
        if !path.is_empty() {
            return Ok(OsString::from_vec(path).into());
        }
    }
    std::env::current_exe()
}

impl Stage {
    /// What these words ask for; `None` if they are a user's.
    pub(crate) fn asked(words: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut words = words.into_iter().skip(1);
        if words.next()? != MARK {
            return None;
        }
        let kind = words.next()?;
        let (_, kind) = KINDS.iter().find(|(name, _)| kind == *name)?;
        let colour = match words.next()?.to_str()? {
            "always" => ColorChoice::Always,
            _ => ColorChoice::Never,
        };
        let parent = words.next()?.to_str()?.parse().ok().and_then(Pid::from_raw);
        Some(Self {
            kind: *kind,
            palette: Palette::new(colour),
            parent,
            words: words.collect(),
        })
    }

    pub(crate) fn start(self) -> ExitCode {
        // A link that it was started by would be its name.
        #[cfg(target_os = "linux")]
        let _ = rustix::thread::set_name(c"secrets");
        let palette = self.palette;
        let failure = match self.go() {
            Ok(()) => return ExitCode::SUCCESS,
            Err(failure) => failure,
        };
        let exit = failure.exit();
        if let Failure::Reported(report) = failure {
            output::report(palette, &report);
        }
        exit.into()
    }

    fn go(self) -> Outcome<()> {
        let done = match self.kind {
            Kind::Program => match self.become_program()? {},
            Kind::Foreground => {
                wait_for_foreground().map_err(|error| broken(&error))?;
                match self.become_program()? {}
            }
            Kind::Leader => match leader::lead(&self.words, self.palette)? {},
            Kind::Background => self.give_way(),
            Kind::Witness => witness::testify(),
            Kind::Heir => heir::inherit(),
        };
        done.map_err(|error| broken(&error))
    }

    fn become_program(&self) -> Outcome<Infallible> {
        self.die_with_parent()?;
        let own = getpid().as_raw_nonzero().to_string();
        let mut environment: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        for name in NAMES_OF_PROCESSES {
            if let Some(value) = environment.get_mut(OsStr::new(name))
                && *value == *SELF
            {
                *value = own.clone().into();
            }
        }
        child::become_program(&self.words, &environment)
    }

    /// A program that is killed is gone; one whose parent was killed in its place must be too.
    fn die_with_parent(&self) -> Outcome<()> {
        #[cfg(target_os = "linux")]
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|error| broken(&error.into()))?;
        if self.parent.is_some() && getppid() != self.parent {
            std::process::exit(128 + Signal::KILL.as_raw());
        }
        Ok(())
    }

    fn give_way(&self) -> io::Result<()> {
        match self.parent {
            Some(parent) => Ok(tcsetpgrp(io::stdout().as_fd(), parent)?),
            None => Ok(()),
        }
    }
}

/// Why the program cannot be started.
pub(super) fn broken(error: &io::Error) -> Failure {
    Failure::other(format!("cannot start the program: {}", reason(error)))
        .with_exit(Exit::CannotExecute)
}

fn wait_for_foreground() -> io::Result<()> {
    const PAUSE: Duration = Duration::from_micros(200);
    let terminal = io::stdout();
    while tcgetpgrp(terminal.as_fd())? != getpgrp() {
        sleep(PAUSE);
    }
    Ok(())
}
