//! A program on a terminal of our own, between it and the real one.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, getpgrp, kill_current_process_group, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    OptionalActions, OutputModes, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr, tcsetwinsize,
};
use secrets::mask::Masker;
use zeroize::Zeroizing;

use super::pump::is_ready;
use super::signals::Signals;
use super::stage::Kind;
use super::{Ended, Program, Pumps, Stage, code, file, is_same, wait};
use crate::terminal;

/// Runs it to its end.
pub(super) fn run(program: &Program<'_>, masker: &Masker) -> io::Result<Ended> {
    // Without a keyboard, what is typed stays with the real terminal and makes its signals there.
    let has_keyboard =
        io::stdin().is_terminal() && is_same(io::stdin().as_fd(), io::stdout().as_fd());
    let real = file(io::stdout().as_fd())?;
    let (master, slave) = pair(&real, has_keyboard)?;
    let signals = Signals::new(&[Signal::CONT])?;
    let mut command = Stage::command(Kind::Leader, program)?;
    if has_keyboard {
        command.stdin(slave.try_clone()?);
    }
    command.stdout(slave.try_clone()?).stderr(slave);
    let child = command.spawn()?;
    drop(command);
    let leader = Pid::from_child(&child);

    let console = Arc::new(Console { real, has_keyboard });
    if console.is_foreground() {
        console.take()?;
    }
    let (size, front) = (master.try_clone()?, Arc::clone(&console));
    let is_over = signals.pass(move |signal, _| {
        match signal {
            Signal::WINCH => front.tell_size(&size),
            Signal::CONT => {
                // The shell has put us into the foreground, perhaps for the first time.
                if front.is_foreground() {
                    let _ = front.take();
                }
                front.tell_size(&size);
            }
            // The program may have ended.
            signal => drop(kill_process(leader, signal)),
        }
    });
    if has_keyboard {
        let (keys, front) = (master.try_clone()?, Arc::clone(&console));
        thread::spawn(move || {
            // Without the real terminal there is nothing to be typed on.
            let _ = typing(keys, &front);
        });
    }
    let mut pumps = Pumps::new(program.palette)?;
    let output = file(io::stdout().as_fd())?;
    pumps.start("the terminal", master, output, masker)?;
    let code = loop {
        let status = wait(leader)?;
        if let Some(code) = code(status) {
            break code;
        }
        terminal::put_back()?;
        // With the rest of our group, as the key would have done it.
        kill_current_process_group(Signal::TSTP)?;
        console.take()?;
        let _ = kill_process(leader, Signal::CONT);
    };
    is_over.set();
    let outcome = pumps.finish();
    // Not before: what is still to be written was made for the terminal as it is now.
    terminal::put_back()?;
    Ok((code, outcome))
}

/// A new terminal that is set as the real one is, and its other end.
fn pair(real: &File, has_keyboard: bool) -> io::Result<(File, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let slave = rustix::fs::open(
        name,
        OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut modes = tcgetattr(real)?;
    if !has_keyboard {
        // The real terminal goes on to do that.
        modes.output_modes.remove(OutputModes::OPOST);
    }
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    tcsetwinsize(&slave, tcgetwinsize(real)?)?;
    Ok((File::from(master), slave))
}

/// The real terminal.
struct Console {
    real: File,
    has_keyboard: bool,
}

impl Console {
    /// Where the terminal does not control us, as after `setsid`, nothing keeps us from it.
    fn is_foreground(&self) -> bool {
        tcgetpgrp(&self.real).map_or(true, |group| group == getpgrp())
    }

    /// Lets every key through to the program's terminal, which knows what it means.
    fn take(&self) -> io::Result<()> {
        if self.has_keyboard {
            terminal::change(&self.real, OptionalActions::Drain, |modes| modes.make_raw())?;
        }
        Ok(())
    }

    fn tell_size(&self, master: &File) {
        // Where it cannot be told, the program goes on with what it knows.
        if let Ok(size) = tcgetwinsize(&self.real) {
            let _ = tcsetwinsize(master, size);
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // The terminal is gone when this fails.
        let _ = terminal::put_back();
    }
}

fn typing(mut keys: File, console: &Console) -> io::Result<()> {
    const BACKGROUND: Duration = Duration::from_millis(100);
    let mut input = file(io::stdin().as_fd())?;
    let mut buffer = Zeroizing::new([0; 4096]);
    loop {
        is_ready(&input, PollFlags::IN, None)?;
        if !console.is_foreground() {
            // To read now would stop us.
            thread::sleep(BACKGROUND);
            continue;
        }
        match input.read(&mut buffer[..]) {
            Ok(0) => return Ok(()),
            Ok(count) => keys.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
