//! The leader of the session of a terminal of our own.
//!
//! The program is in that session, in a group of its own, as a shell starts it: in the foreground or behind it. The leader
//! reports when it stops, and does with the group what it is asked to. Both through a socket, which is its standard error
//! at first.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;

use rustix::process::{Pid, Signal, ioctl_tiocsctty, kill_process, kill_process_group, setsid};
use rustix::stdio::dup2_stderr;
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use super::signals::Signals;
use super::stage::{self, Kind, broken};
use super::{Program, Status, frames, wait};
use crate::child;
use crate::failure::Outcome;
use crate::output::Palette;

/// What the leader is asked to do with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on in the foreground of the terminal.
    Foreground,
    /// Go on behind it, where reading from it stops the program.
    Background,
    /// Take a signal.
    Process(Signal),
    /// Take it with the rest of its group.
    Group(Signal),
}

impl Order {
    pub(super) fn send(self, to: &mut impl Write) -> io::Result<()> {
        let number = |signal: Signal| u8::try_from(signal.as_raw()).unwrap_or_default();
        to.write_all(&match self {
            Self::Foreground => [b'f', 0],
            Self::Background => [b'b', 0],
            Self::Process(signal) => [b'p', number(signal)],
            Self::Group(signal) => [b'g', number(signal)],
        })
    }

    fn receive(from: &mut impl Read) -> io::Result<Self> {
        let mut bytes = [0; 2];
        from.read_exact(&mut bytes)?;
        let signal = Signal::from_named_raw(bytes[1].into());
        match (bytes[0], signal) {
            (b'f', _) => Ok(Self::Foreground),
            (b'b', _) => Ok(Self::Background),
            (b'p', Some(signal)) => Ok(Self::Process(signal)),
            (b'g', Some(signal)) => Ok(Self::Group(signal)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Hands the leader the environment of the program and whether it starts in the foreground: the first message on the socket.
pub(super) fn brief(
    to: &mut impl Write,
    environment: &BTreeMap<OsString, OsString>,
    starts_in_front: bool,
) -> io::Result<()> {
    let place: &[u8] = if starts_in_front { b"front" } else { b"back" };
    let mut texts = vec![place];
    for (name, value) in environment {
        texts.extend([name.as_encoded_bytes(), value.as_encoded_bytes()]);
    }
    frames::write(to, texts.into_iter())
}

/// Runs the program on the terminal that standard output is, and ends as it does.
pub(super) fn lead(words: &[OsString], palette: Palette) -> Outcome<Infallible> {
    let mut socket = take_socket().map_err(|error| broken(&error))?;
    let mut texts = frames::read(&mut socket)
        .map_err(|error| broken(&error))?
        .into_iter()
        .map(|text| OsString::from_vec(text.to_vec()));
    let starts_in_front = texts.next().is_some_and(|place| place == "front");
    let mut environment = BTreeMap::new();
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        environment.insert(name, value);
    }
    let program = Program {
        words,
        environment: &environment,
        palette,
    };
    let status = watch(&program, socket, starts_in_front).map_err(|error| match error.kind() {
        io::ErrorKind::ArgumentListTooLong => child::too_long(words, &environment),
        _ => broken(&error),
    })?;
    status.end()
}

/// The socket, in the place of which standard error becomes the terminal.
fn take_socket() -> io::Result<UnixStream> {
    let socket = UnixStream::from(io::stderr().as_fd().try_clone_to_owned()?);
    dup2_stderr(io::stdout().as_fd())?;
    Ok(socket)
}

fn watch(
    program: &Program<'_>,
    mut socket: UnixStream,
    starts_in_front: bool,
) -> io::Result<Status> {
    let terminal = io::stdout();
    setsid()?;
    ioctl_tiocsctty(terminal.as_fd())?;
    let kind = match starts_in_front {
        true => Kind::Foreground,
        false => Kind::Program,
    };
    let child = stage::program(kind, program)?.process_group(0).spawn()?;
    let child = Pid::from_child(&child);
    let is_over = Signals::new(&[])?.pass(move |signal, _| {
        // The program may have ended.
        let _ = kill_process(child, signal);
    });
    if starts_in_front {
        tcsetpgrp(terminal.as_fd(), child)?;
    }
    let (mut orders, palette) = (socket.try_clone()?, program.palette);
    thread::spawn(move || {
        while let Ok(order) = Order::receive(&mut orders) {
            // The program may have ended.
            let _ = obey(order, child, palette);
        }
        // Whoever has the real terminal is gone. The program is hung up on, and wakes to see that.
        let _ = kill_process_group(child, Signal::HUP);
        let _ = kill_process_group(child, Signal::CONT);
    });
    loop {
        let status = wait(child)?;
        if let Some(ended) = Status::new(status) {
            is_over.set();
            // The end of a leader hangs up on the foreground: on itself, not on what the program has left running.
            let _ = step_back(child, program.palette);
            return Ok(ended);
        }
        let signal = status.stopping_signal().unwrap_or_default();
        socket.write_all(&[u8::try_from(signal).unwrap_or_default()])?;
    }
}

fn obey(order: Order, child: Pid, palette: Palette) -> io::Result<()> {
    match order {
        Order::Foreground => {
            if tcgetpgrp(io::stdout().as_fd())? != child {
                tcsetpgrp(io::stdout().as_fd(), child)?;
            }
            kill_process_group(child, Signal::CONT)?;
        }
        Order::Background => {
            step_back(child, palette)?;
            kill_process_group(child, Signal::CONT)?;
        }
        Order::Process(signal) => kill_process(child, signal)?,
        Order::Group(signal) => kill_process_group(child, signal)?,
    }
    Ok(())
}

/// Takes the program's group out of the foreground. Only a process of that group may do it, so one of ours joins it.
fn step_back(child: Pid, palette: Palette) -> io::Result<()> {
    let terminal = io::stdout();
    if tcgetpgrp(terminal.as_fd())? != child {
        return Ok(());
    }
    // Without the group there is nobody to be in the foreground.
    let mut helper = stage::command(Kind::Background, palette)?
        .process_group(child.as_raw_nonzero().get())
        .stdin(Stdio::null())
        .spawn()?;
    // Who waits for the program may have reaped it.
    let _ = helper.wait();
    Ok(())
}

/// The other end of the socket, as it is handed to the leader.
pub(super) fn as_stderr(socket: UnixStream) -> Stdio {
    Stdio::from(OwnedFd::from(socket))
}
