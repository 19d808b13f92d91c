//! A program that writes to pipes of ours.

use std::fs::File;
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use rustix::process::{Pid, kill_process};
use secrets::mask::Masker;

use super::pump::Output;
use super::signals::{Sender, Signals};
use super::stage::{self, Kind};
use super::witness::Witness;
use super::{Ended, Hidden, Program, Pumps, Status, Streams, file, is_same, wait};

/// Runs it to its end.
pub(super) fn run(
    program: &Program<'_>,
    hidden: &Hidden,
    masker: &Masker,
    streams: Streams,
) -> io::Result<Ended> {
    let mut command = stage::program(Kind::Program, program)?;
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
    let mut witness = Witness::new(program.palette)?;
    let child = command.spawn()?;
    // Our ends of the pipes, without which they never end.
    drop(command);
    let child = Pid::from_child(&child);
    let is_over = Signals::new(&[])?.pass(move |signal, sender| {
        // The program is in our group, and has got what the terminal or a process sent to all of it.
        if sender == Sender::Process && !witness.has_got(signal) {
            let _ = kill_process(child, signal);
        }
    });
    let mut pumps = Pumps::new(program.palette)?;
    for (name, reader, output) in pipes {
        let input = File::from(OwnedFd::from(reader));
        pumps.start(name, input, Output::from(output), masker)?;
    }
    loop {
        if let Some(status) = Status::new(wait(child)?) {
            is_over.set();
            return Ok((status, pumps.finish(hidden)));
        }
    }
}
