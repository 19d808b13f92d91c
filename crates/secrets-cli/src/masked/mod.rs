//! Running a program of which the output is masked.
//!
//! This process stays, which it does not where nothing is masked (`child.rs`). What the program sees is as it would be:
//! a terminal if there was one, the signals that were sent to us, the same group of processes; and we end with its exit code.
//! As process 1 of a container we reap what is left to us.

mod console;
mod pipes;
mod pump;
mod signals;
mod stage;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::{self, JoinHandle};

use rustix::fs::{FileType, fstat};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use secrets::mask::Masker;

use crate::ci;
use crate::cli::MaskWhen;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};
use crate::output::{self, Palette};

pub(crate) use pump::{Source, pump};
pub(crate) use stage::Stage;

use pump::End;

/// The code of a program that wrote to a closed pipe.
const BROKEN_PIPE: i32 = 128 + Signal::PIPE.as_raw();

/// The exit code of a program that ran, and whether all its output was written.
type Ended = (i32, Outcome<()>);

/// What is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Streams {
    stdout: bool,
    stderr: bool,
}

/// A program to be run.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) words: &'a [OsString],
    pub(crate) environment: &'a BTreeMap<OsString, OsString>,
    pub(crate) palette: Palette,
}

impl Streams {
    /// What is masked where this is wanted.
    pub(crate) fn new(when: MaskWhen) -> Self {
        let is_masked = |stream: BorrowedFd<'_>| match when {
            MaskWhen::Always => true,
            MaskWhen::Never => false,
            // A file is data that somebody wants as it is; what else there is in CI is its log.
            MaskWhen::Auto => ci::is_here() && !is_file(stream),
        };
        Self {
            stdout: is_masked(io::stdout().as_fd()),
            stderr: is_masked(io::stderr().as_fd()),
        }
    }

    pub(crate) fn any(self) -> bool {
        self.stdout || self.stderr
    }
}

/// Runs the program to its end and ends with its exit code.
pub(crate) fn run(program: &Program<'_>, masker: Masker, streams: Streams) -> Outcome<Infallible> {
    let is_console = streams.stdout && streams.stderr && is_one_terminal();
    let ended = if is_console {
        console::run(program, &masker)
    } else {
        pipes::run(program, &masker, streams)
    };
    drop(masker);
    match ended {
        Ok((code, Ok(()))) => std::process::exit(code),
        Ok((code, Err(failure))) => {
            if let Failure::Reported(report) = &failure {
                output::report(program.palette, report);
            }
            // The program's own code, unless that calls the run a success or blames the pipe that we closed.
            std::process::exit(match code {
                0 | BROKEN_PIPE => failure.exit() as i32,
                code => code,
            });
        }
        Err(error) => Err(
            Failure::other(format!("cannot run the program: {}", reason(&error)))
                .with_exit(Exit::CannotExecute),
        ),
    }
}

fn is_file(stream: BorrowedFd<'_>) -> bool {
    fstat(stream).is_ok_and(|file| {
        let kind = FileType::from_raw_mode(file.st_mode);
        kind == FileType::RegularFile || kind == FileType::CharacterDevice && !stream.is_terminal()
    })
}

/// Whether two streams end at the same place.
fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    match (fstat(one), fstat(other)) {
        (Ok(one), Ok(other)) => {
            (one.st_dev, one.st_ino, one.st_rdev) == (other.st_dev, other.st_ino, other.st_rdev)
        }
        _ => false,
    }
}

fn is_one_terminal() -> bool {
    io::stdout().is_terminal()
        && io::stderr().is_terminal()
        && is_same(io::stdout().as_fd(), io::stderr().as_fd())
}

/// A stream of ours past the buffer of the standard library.
fn file(stream: BorrowedFd<'_>) -> io::Result<File> {
    Ok(File::from(stream.try_clone_to_owned()?))
}

/// Waits for any child until this one changes. Others have been left to us, as process 1.
fn wait(child: Pid) -> io::Result<WaitStatus> {
    loop {
        match rustix::process::wait(WaitOptions::UNTRACED) {
            Ok(Some((pid, status))) if pid == child => return Ok(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The exit code of a program, as a shell tells it; `None` while it lives.
fn code(status: WaitStatus) -> Option<i32> {
    let signal = || status.terminating_signal().map(|signal| 128 + signal);
    status.exit_status().or_else(signal)
}

/// The pumps of a program.
struct Pumps {
    palette: Palette,
    /// Closed when the program has ended, which each pump sees at its other end.
    program: PipeWriter,
    ends: PipeReader,
    threads: Vec<(&'static str, JoinHandle<io::Result<End>>)>,
}

impl Pumps {
    fn new(palette: Palette) -> io::Result<Self> {
        let (ends, program) = io::pipe()?;
        Ok(Self {
            palette,
            program,
            ends,
            threads: Vec::new(),
        })
    }

    fn start(
        &mut self,
        name: &'static str,
        input: File,
        output: File,
        masker: &Masker,
    ) -> io::Result<()> {
        let source = Source::new(input, Some(self.ends.try_clone()?));
        let stream = masker.stream();
        let thread = thread::spawn(move || pump(source, output, stream));
        self.threads.push((name, thread));
        Ok(())
    }

    /// Waits until all that the program wrote is written, however long its reader takes.
    fn finish(self) -> Outcome<()> {
        drop(self.program);
        let mut outcome = Ok(());
        let mut is_open = false;
        for (stream, thread) in self.threads {
            let ended = thread.join();
            match ended.unwrap_or_else(|_| Err(io::Error::other("the masker crashed"))) {
                Ok(End::Closed) => {}
                Ok(End::Open) => is_open = true,
                // The reader has left; the closed pipe tells the program, as if it wrote there itself.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                Err(error) => {
                    let message = format!("cannot write to {stream}: {}", reason(&error));
                    outcome = Err(Failure::other(message).with_exit(Exit::RunFailed));
                }
            }
        }
        if is_open {
            output::warn(
                self.palette,
                "the program has ended and left another one running, of which the output is lost from now on",
            );
        }
        outcome
    }
}
