//! A program on a terminal of our own, between it and the real one.
//!
//! Two things are one on a single terminal and apart here: whether we are in the foreground of the real one, and whether
//! the program is in the foreground of ours. As long as the program is, every key goes to it unread, and its own terminal
//! knows what a key means.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, getpgrp, getsid, kill_current_process_group};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetsid, tcgetwinsize, tcsetattr, tcsetwinsize,
};
use secrets::mask::Masker;
use zeroize::Zeroizing;

use super::leader::{self, Order};
use super::pump::{Output, is_ready};
use super::signals::{Sender, Signals};
use super::stage::{self, Kind};
use super::{Ended, Hidden, Program, Pumps, Status, file, is_same, wait};
use crate::terminal;

/// Runs it to its end.
pub(super) fn run(program: &Program<'_>, hidden: &Hidden, masker: &Masker) -> io::Result<Ended> {
    let real = file(io::stdout().as_fd())?;
    let is_direct = io::stdin().is_terminal() && is_same(io::stdin().as_fd(), real.as_fd());
    let keyboard = keyboard(&real, is_direct);
    let (master, slave) = pair(&real)?;
    let (socket, theirs) = UnixStream::pair()?;
    let mut command = stage::command(Kind::Leader, program.palette)?;
    command.args(program.words);
    if is_direct {
        command.stdin(slave.try_clone()?);
    }
    command.stdout(slave).stderr(leader::as_stderr(theirs));
    let child = command.spawn()?;
    drop(command);
    let leader = Pid::from_child(&child);

    let initial = tcgetattr(&master)?;
    let console = Arc::new(Console {
        is_cooked: Arc::new(AtomicBool::new(true)),
        state: Mutex::new(State {
            orders: socket.try_clone()?,
            in_front: false,
            wants_keys: is_direct && keyboard.is_some(),
            is_stopped: false,
            initial: Some(initial),
        }),
        master: master.try_clone()?,
        has_keyboard: keyboard.is_some(),
        real,
    });
    let signals = Signals::new(&[Signal::CONT])?;
    let starts_in_front = console.start()?;
    leader::brief(&mut &socket, program.environment, starts_in_front)?;
    let front = Arc::clone(&console);
    let is_over = signals.pass(move |signal, sender| match signal {
        Signal::WINCH | Signal::CONT => front.tell_size(),
        signal => front.signal(signal, sender),
    });
    if let Some(keyboard) = keyboard {
        let (keys, front) = (master.try_clone()?, Arc::clone(&console));
        thread::spawn(move || {
            // Without the real terminal there is nothing to be typed on.
            let _ = typing(keyboard, keys, &front);
        });
    }
    let mut pumps = Pumps::new(program.palette)?;
    let output = Output::terminal(file(io::stdout().as_fd())?, Arc::clone(&console.is_cooked));
    pumps.start("the terminal", master, output, masker)?;
    let ended = thread::spawn(move || {
        loop {
            if let Some(status) = Status::new(wait(leader)?) {
                return Ok(status);
            }
        }
    });
    // Until the leader has ended.
    let mut stop = [0];
    while (&socket).read_exact(&mut stop).is_ok() {
        let signal = Signal::from_named_raw(stop[0].into());
        // The program has ended when this fails.
        let _ = console.stopped(signal.unwrap_or(Signal::TSTP));
    }
    let status: io::Result<Status> = ended
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("nobody waits for the program")));
    let status = status?;
    is_over.set();
    let outcome = pumps.finish(hidden);
    // Not before: what was still to be written was made for the terminal as it was.
    terminal::put_back()?;
    Ok((status, outcome))
}

/// Where keys come from: standard input, or the terminal that controls us where standard input is something else.
fn keyboard(real: &File, is_direct: bool) -> Option<File> {
    if is_direct {
        return file(io::stdin().as_fd()).ok();
    }
    let own = getsid(None).ok()?;
    if tcgetsid(real).ok()? != own {
        return None;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .ok()
}

/// A new terminal that is set as the real one is, and its other end.
fn pair(real: &File) -> io::Result<(File, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let slave = rustix::fs::open(
        name,
        OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    tcsetattr(&slave, OptionalActions::Now, &tcgetattr(real)?)?;
    tcsetwinsize(&slave, tcgetwinsize(real)?)?;
    Ok((File::from(master), slave))
}

/// The real terminal.
struct Console {
    real: File,
    /// Our end of the program's.
    master: File,
    has_keyboard: bool,
    /// Whether the real terminal does with output what a terminal does.
    is_cooked: Arc<AtomicBool>,
    state: Mutex<State>,
}

struct State {
    orders: UnixStream,
    /// Whether the program has the keys: it is in the foreground of its terminal, and we are in that of ours.
    in_front: bool,
    /// Whether it gets them when it can. In the middle of a pipeline it does when it asks for them, since another program may
    /// want them first.
    wants_keys: bool,
    is_stopped: bool,
    /// How the program's terminal was set at first, until the program has had the keys.
    initial: Option<Termios>,
}

impl Console {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the terminal does not control us, as after `setsid`, nothing keeps us from it.
    fn is_foreground(&self) -> bool {
        tcgetpgrp(&self.real).map_or(true, |group| group == getpgrp())
    }

    /// Takes the keys if the program starts with them. Tells whether it starts in the foreground: also where nobody has keys
    /// for it.
    fn start(&self) -> io::Result<bool> {
        let mut state = self.state();
        if state.wants_keys && self.is_foreground() {
            self.take()?;
            state.in_front = true;
            state.initial = None;
        }
        Ok(state.in_front || !self.has_keyboard)
    }

    /// Lets every key through to the program's terminal.
    fn take(&self) -> io::Result<()> {
        terminal::change(&self.real, OptionalActions::Drain, |modes| modes.make_raw())?;
        self.is_cooked.store(false, Ordering::Release);
        Ok(())
    }

    /// Gives the real terminal back to whoever has it.
    fn give_back(&self, state: &mut State) -> io::Result<()> {
        state.in_front = false;
        terminal::put_back()?;
        self.is_cooked.store(true, Ordering::Release);
        Ok(())
    }

    /// The program goes on with the keys.
    fn to_front(&self, state: &mut State) -> io::Result<()> {
        if let Some(initial) = state.initial.take() {
            // A shell edits its line with other settings than it leaves to a program in the foreground.
            let now = tcgetattr(&self.master)?;
            let modes = |one: &Termios| (one.input_modes, one.output_modes, one.local_modes);
            if modes(&now) == modes(&initial) {
                tcsetattr(&self.master, OptionalActions::Now, &tcgetattr(&self.real)?)?;
            }
        }
        self.take()?;
        state.in_front = true;
        state.wants_keys = true;
        Order::Foreground.send(&mut state.orders)
    }

    /// Handles a stopped program, on the first thread. If the program wants keys that it can have, it gets them. Otherwise we
    /// stop too, with the rest of our group, as the program alone would have been stopped, and continue when we are continued.
    fn stopped(&self, signal: Signal) -> io::Result<()> {
        let mut state = self.state();
        let wants_keys = signal == Signal::TTIN || signal == Signal::TTOU;
        if wants_keys && self.has_keyboard && self.is_foreground() {
            return self.to_front(&mut state);
        }
        self.give_back(&mut state)?;
        state.is_stopped = true;
        drop(state);
        // The first thread takes it, before the call returns; any other might run on for a while.
        kill_current_process_group(match wants_keys {
            true => signal,
            false => Signal::TSTP,
        })?;
        let mut state = self.state();
        state.is_stopped = false;
        if state.wants_keys && self.is_foreground() && self.to_front(&mut state).is_ok() {
            return Ok(());
        }
        Order::Background.send(&mut state.orders)
    }

    /// A shell that brings a job to the foreground that is running tells it nothing. Whether the program has the keys then.
    fn has_keys(&self) -> bool {
        let mut state = self.state();
        if state.in_front || state.is_stopped || !state.wants_keys || !self.is_foreground() {
            return state.in_front && self.is_foreground();
        }
        self.to_front(&mut state).is_ok()
    }

    fn signal(&self, signal: Signal, sender: Sender) {
        let order = match sender {
            // What the real terminal sends to a group is for all of the program's.
            Sender::Terminal => Order::Group(signal),
            Sender::Process => Order::Process(signal),
        };
        // The program may have ended.
        let _ = order.send(&mut self.state().orders);
    }

    fn tell_size(&self) {
        // If the size cannot be set, the program keeps the one it knows.
        let Ok(size) = tcgetwinsize(&self.real) else {
            return;
        };
        let _ = tcsetwinsize(&self.master, size);
        let mut state = self.state();
        if !state.in_front {
            // The terminal tells only the foreground.
            let _ = Order::Group(Signal::WINCH).send(&mut state.orders);
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // The terminal is gone when this fails.
        let _ = terminal::put_back();
    }
}

fn typing(mut keyboard: File, mut keys: File, console: &Console) -> io::Result<()> {
    const BACKGROUND: Duration = Duration::from_millis(50);
    let mut buffer = Zeroizing::new([0; 4096]);
    loop {
        if !console.has_keys() {
            // To read now would stop us.
            thread::sleep(BACKGROUND);
            continue;
        }
        if !is_ready(&keyboard, PollFlags::IN, None)? || !console.has_keys() {
            continue;
        }
        match keyboard.read(&mut buffer[..]) {
            Ok(0) => return Ok(()),
            Ok(count) => keys.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
