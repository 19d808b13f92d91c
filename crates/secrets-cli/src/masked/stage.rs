//! What this command is between its own start and that of the program.
//!
//! To become the leader of a session, to wait for the terminal, to die with one's parent: that has to be done by the
//! new process itself. Instead of code between `fork` and `exec`, which is unsafe, it is this command that is started, and that
//! then becomes the program.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, getpgrp, getpid, getppid, ioctl_tiocsctty, kill_process, kill_process_group,
    setsid,
};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use super::signals::Signals;
use super::{Program, code, wait};
use crate::child;
use crate::cli::ColorChoice;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};
use crate::output::{self, Palette};

/// The first word of a command line that nobody types.
const MARK: &str = "__stage";

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Becomes the program, which ends if its parent is killed.
    Program,
    /// Leads the session of a terminal of our own, with the program in its foreground.
    Leader,
    /// Becomes the program as soon as it is in the foreground.
    Foreground,
}

const KINDS: [(&str, Kind); 3] = [
    ("program", Kind::Program),
    ("leader", Kind::Leader),
    ("foreground", Kind::Foreground),
];

/// A command line of ours.
#[derive(Debug)]
pub(crate) struct Stage {
    kind: Kind,
    palette: Palette,
    parent: Option<Pid>,
    words: Vec<OsString>,
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

    /// This command, to be started as one.
    pub(super) fn command(kind: Kind, program: &Program<'_>) -> io::Result<Command> {
        let own = match OsStr::new("/proc/self/exe") {
            // It leads to this program also where its file was replaced.
            link if cfg!(target_os = "linux") => link.to_owned(),
            _ => std::env::current_exe()?.into(),
        };
        let name = KINDS.iter().find(|(_, one)| *one == kind);
        let mut command = Command::new(own);
        command
            .arg0("secrets")
            .arg(MARK)
            .arg(name.map_or("", |(name, _)| name))
            .arg(if program.palette.is_coloured() {
                "always"
            } else {
                "never"
            })
            .arg(getpid().as_raw_nonzero().to_string())
            .args(program.words)
            .env_clear()
            .envs(program.environment);
        Ok(command)
    }

    pub(crate) fn start(self) -> ExitCode {
        let palette = self.palette;
        let Err(failure) = self.go();
        let exit = failure.exit();
        if let Failure::Reported(report) = failure {
            output::report(palette, &report);
        }
        exit.into()
    }

    fn go(self) -> Outcome<Infallible> {
        let environment = std::env::vars_os().collect();
        match self.kind {
            Kind::Program => self.die_with_parent()?,
            Kind::Foreground => {
                self.die_with_parent()?;
                wait_for_foreground().map_err(|error| broken(&error))?;
            }
            Kind::Leader => {
                let program = Program {
                    words: &self.words,
                    environment: &environment,
                    palette: self.palette,
                };
                let code = lead(&program).map_err(|error| broken(&error))?;
                std::process::exit(code);
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
}

fn broken(error: &io::Error) -> Failure {
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

/// Runs the program in the foreground of the terminal that standard output is. When it stops, so do we, which tells our parent.
fn lead(program: &Program<'_>) -> io::Result<i32> {
    let terminal = io::stdout();
    setsid()?;
    ioctl_tiocsctty(terminal.as_fd())?;
    let signals = Signals::new(&[])?;
    let mut command = Stage::command(Kind::Foreground, program)?;
    let child = command.process_group(0).spawn()?;
    let child = Pid::from_child(&child);
    tcsetpgrp(terminal.as_fd(), child)?;
    let is_over = signals.pass(move |signal, _| {
        // The program may have ended.
        let _ = kill_process(child, signal);
    });
    loop {
        let status = wait(child)?;
        if let Some(code) = code(status) {
            is_over.set();
            return Ok(code);
        }
        kill_process(getpid(), Signal::STOP)?;
        let _ = kill_process_group(child, Signal::CONT);
    }
}
