//! A program that writes to pipes of ours.

use std::fs::File;
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, kill_process};
use secrets::mask::Masker;

use super::signals::{Sender, Signals};
use super::stage::Kind;
use super::{Program, Stage, Streams, code, file, finish, is_same, pump, wait};

/// Runs it to its end, and gives its exit code.
pub(super) fn run(program: &Program<'_>, masker: &Masker, streams: Streams) -> io::Result<i32> {
    let signals = Signals::new(&[])?;
    let mut command = Stage::command(Kind::Program, program)?;
    let mut pipes: Vec<(PipeReader, File)> = Vec::new();
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let is_one = is_same(stdout.as_fd(), stderr.as_fd());
    if streams.stdout {
        let (reader, writer) = io::pipe()?;
        if streams.stderr && is_one {
            // Two pipes would lose the order of what is written to them.
            command.stderr(writer.try_clone()?);
        }
        command.stdout(writer);
        pipes.push((reader, file(stdout.as_fd())?));
    }
    if streams.stderr && !(streams.stdout && is_one) {
        let (reader, writer) = io::pipe()?;
        command.stderr(Stdio::from(writer));
        pipes.push((reader, file(stderr.as_fd())?));
    }
    let child = command.spawn()?;
    // Our ends of the pipes, without which they never end.
    drop(command);
    let child = Pid::from_child(&child);
    signals.pass(move |signal, sender| {
        // The terminal has told the program itself, which is in the same group.
        if sender == Sender::Process {
            let _ = kill_process(child, signal);
        }
    });
    let count = pipes.len();
    let (ended, end) = mpsc::channel();
    for (reader, output) in pipes {
        let (ended, stream) = (ended.clone(), masker.stream());
        thread::spawn(move || {
            // If nobody reads any more, the pipe is closed, which tells the program.
            let _ = pump(File::from(OwnedFd::from(reader)), output, stream);
            let _ = ended.send(());
        });
    }
    drop(ended);
    loop {
        if let Some(code) = code(wait(child)?) {
            finish(&end, count, program.palette);
            return Ok(code);
        }
    }
}
