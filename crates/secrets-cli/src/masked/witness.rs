//! Whether a signal was sent to us alone or to our whole group.
//!
//! The program is in our group, where a terminal and a shell expect it. What is sent to the group reaches it without us, and
//! must not reach it twice; what is sent to us alone must. No system call tells which it was. So a process of ours is in the
//! group as a witness: what it has got too was sent to all.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::PollFlags;
use rustix::process::Signal;
use signal_hook::flag;

use super::pump::is_ready;
use super::signals::PASSED;
use super::stage::{self, Kind};
use crate::output::Palette;

/// A process that waits in our group. It ends with us.
pub(super) struct Witness {
    child: Child,
    ask: ChildStdin,
    answer: ChildStdout,
    is_there: bool,
}

impl Witness {
    pub(super) fn new(palette: Palette) -> io::Result<Self> {
        let mut command = stage::command(Kind::Witness, palette)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn()?;
        let (ask, answer) = (child.stdin.take(), child.stdout.take());
        match (ask, answer) {
            (Some(ask), Some(answer)) => Ok(Self {
                child,
                ask,
                answer,
                is_there: false,
            }),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Whether it has got this signal since it was asked last. Until it is ready it has got none.
    pub(super) fn has_got(&mut self, signal: Signal) -> bool {
        self.ask_for(signal).unwrap_or(false)
    }

    fn ask_for(&mut self, signal: Signal) -> io::Result<bool> {
        let mut answer = [0];
        if !self.is_there {
            let now = Some(std::time::Duration::ZERO);
            if !is_ready(&self.answer, PollFlags::IN, now)? {
                return Ok(false);
            }
            self.answer.read_exact(&mut answer)?;
            self.is_there = true;
        }
        // It handles what it has got before it reads on.
        self.ask
            .write_all(&[u8::try_from(signal.as_raw()).unwrap_or(0)])?;
        self.answer.read_exact(&mut answer)?;
        Ok(answer[0] == 1)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // It may have been killed with the group.
        let _ = self.child.kill();
    }
}

/// What the witness does.
pub(super) fn testify() -> io::Result<()> {
    let seen: Vec<(i32, Arc<AtomicBool>)> = PASSED
        .iter()
        .map(|signal| (signal.as_raw(), Arc::default()))
        .collect();
    for (signal, flag) in &seen {
        flag::register(*signal, Arc::clone(flag))?;
    }
    let (mut asked, mut answer) = (io::stdin().lock(), io::stdout().lock());
    answer.write_all(&[0])?;
    answer.flush()?;
    let mut signal = [0];
    loop {
        match asked.read(&mut signal) {
            Ok(0) => return Ok(()),
            Ok(_) => {
                let flag = seen
                    .iter()
                    .find(|(number, _)| *number == i32::from(signal[0]));
                let has_got = flag.is_some_and(|(_, flag)| flag.swap(false, Ordering::SeqCst));
                answer.write_all(&[u8::from(has_got)])?;
                answer.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
