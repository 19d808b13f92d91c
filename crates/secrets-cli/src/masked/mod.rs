//! Running a program of which the output is masked.
//!
//! This process stays, which it does not where nothing is masked (`child.rs`). What the program sees is as it would be:
//! a terminal if there was one, the signals that were sent to us, the same group of processes; and we end as it ended.
//! As process 1 of a container we reap what is left to us.

mod console;
mod frames;
mod heir;
mod hidden;
mod leader;
mod pipes;
mod pump;
mod signals;
mod stage;
mod witness;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::{self, JoinHandle};

use rustix::fs::{FileType, fstat};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid};
use secrets::mask::Masker;
use signal_hook::low_level::emulate_default_handler;

use crate::child;
use crate::ci;
use crate::cli::MaskWhen;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};
use crate::output::{self, Palette};

pub(crate) use hidden::Hidden;
pub(crate) use pump::{Output, Source, pump};
pub(crate) use stage::Stage;

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

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Code(i32),
    Signal(i32),
}

/// How a program ended, and whether all its output was written.
type Ended = (Status, Outcome<()>);

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

/// Runs the program to its end, and ends as it did.
pub(crate) fn run(
    program: &Program<'_>,
    hidden: &Hidden,
    masker: Masker,
    streams: Streams,
) -> Outcome<Infallible> {
    let is_console = streams.stdout && streams.stderr && is_one_terminal();
    let environment = stage::environment(program.environment);
    let program = &Program {
        environment: &environment,
        ..*program
    };
    let ended = if is_console {
        console::run(program, hidden, &masker)
    } else {
        pipes::run(program, hidden, &masker, streams)
    };
    drop(masker);
    match ended {
        Ok((status, Ok(()))) => status.end(),
        Ok((status, Err(failure))) => {
            if let Failure::Reported(report) = &failure {
                output::report(program.palette, report);
            }
            match status {
                // It is not a success, and nobody but us has closed the pipe.
                Status::Code(0) => std::process::exit(failure.exit() as i32),
                Status::Signal(signal) if signal == Signal::PIPE.as_raw() => {
                    std::process::exit(failure.exit() as i32)
                }
                status => status.end(),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::ArgumentListTooLong => {
            Err(child::too_long(program.words, program.environment))
        }
        Err(error) => Err(
            Failure::other(format!("cannot run the program: {}", reason(&error)))
                .with_exit(Exit::CannotExecute),
        ),
    }
}

impl Status {
    /// `None` while it lives.
    fn new(status: WaitStatus) -> Option<Self> {
        let signal = || status.terminating_signal().map(Self::Signal);
        status.exit_status().map(Self::Code).or_else(signal)
    }

    /// Ends this process in the same way: a shell tells a program that a signal ended from one that has failed.
    fn end(self) -> ! {
        match self {
            Self::Code(code) => std::process::exit(code),
            Self::Signal(signal) => {
                // The system spares process 1 the default action of a signal.
                if !getpid().is_init() {
                    let _ = emulate_default_handler(signal);
                }
                std::process::exit(128 + signal)
            }
        }
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

/// The pumps of a program.
struct Pumps {
    palette: Palette,
    /// Closed when the program has ended, which each pump sees at its other end.
    program: PipeWriter,
    ends: PipeReader,
    threads: Vec<(&'static str, Pump)>,
}

/// A thread that ends with the input and the output, if another process has the input open yet.
type Pump = JoinHandle<io::Result<Option<(File, Output)>>>;

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
        output: Output,
        masker: &Masker,
    ) -> io::Result<()> {
        let source = Source::new(input, Some(self.ends.try_clone()?));
        let stream = masker.stream();
        let thread = thread::spawn(move || pump(source, output, stream));
        self.threads.push((name, thread));
        Ok(())
    }

    /// Waits until all that the program wrote is written, however long its reader takes. What the program has left
    /// running gets another process of ours, unless the system ends it with us.
    fn finish(self, hidden: &Hidden) -> Outcome<()> {
        drop(self.program);
        let mut outcome = Ok(());
        for (stream, thread) in self.threads {
            let ended = thread.join();
            let open = match ended.unwrap_or_else(|_| Err(io::Error::other("the masker crashed"))) {
                Ok(open) => open,
                // The reader has left; the closed pipe tells the program, as if it wrote there itself.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
                Err(error) => {
                    let message = format!("cannot write to {stream}: {}", reason(&error));
                    outcome = Err(Failure::other(message).with_exit(Exit::RunFailed));
                    None
                }
            };
            if let Some((input, output)) = open
                && !getpid().is_init()
                && let Err(error) = heir::start(input, output.into_file(), hidden, self.palette)
            {
                let message = format!(
                    "cannot go on to mask {stream} for what the program left running: {}",
                    reason(&error)
                );
                output::warn(self.palette, &message);
            }
        }
        outcome
    }
}
