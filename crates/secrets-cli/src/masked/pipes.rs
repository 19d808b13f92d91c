//! A program that writes to pipes of ours.

use std::fs::File;
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use rustix::process::{Pid, kill_process};
use secrets::mask::Masker;

use super::signals::{Sender, Signals};
use super::stage::Kind;
use super::{Ended, Program, Pumps, Stage, Streams, code, file, is_same, wait};

/// Runs it to its end.
pub(super) fn run(program: &Program<'_>, masker: &Masker, streams: Streams) -> io::Result<Ended> {
    let signals = Signals::new(&[])?;
    let mut command = Stage::command(Kind::Program, program)?;
    let mut pipes: Vec<(&str, PipeReader, File)> = Vec::new();
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let is_one = is_same(stdout.as_fd(), stderr.as_fd());
    if streams.stdout {
        let (reader, writer) = io::pipe()?;
        if streams.stderr && is_one {
            // Two pipes would lose the order of what is written to them.
            command.stderr(writer.try_clone()?);
        }
        command.stdout(writer);
        pipes.push(("standard output", reader, file(stdout.as_fd())?));
    }
    if streams.stderr && !(streams.stdout && is_one) {
        let (reader, writer) = io::pipe()?;
        command.stderr(Stdio::from(writer));
        pipes.push(("standard error", reader, file(stderr.as_fd())?));
    }
    let child = command.spawn()?;
    // Our ends of the pipes, without which they never end.
    drop(command);
    let child = Pid::from_child(&child);
    let is_over = signals.pass(move |signal, sender| {
        // The terminal has told the program itself, which is in the same group.
        if sender == Sender::Process {
            let _ = kill_process(child, signal);
        }
    });
    let mut pumps = Pumps::new(program.palette)?;
    for (name, reader, output) in pipes {
        pumps.start(name, File::from(OwnedFd::from(reader)), output, masker)?;
    }
    loop {
        if let Some(code) = code(wait(child)?) {
            is_over.set();
            return Ok((code, pumps.finish()));
        }
    }
}
