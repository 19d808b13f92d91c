//! The settings of a terminal while we have changed them.
//!
//! One place keeps what they were, so that [`crash`](crate::crash) can put them back too.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

static CHANGED: Mutex<Option<Changed>> = Mutex::new(None);

struct Changed {
    terminal: OwnedFd,
    before: Termios,
}

/// Changes the settings, if they are not changed already.
pub(crate) fn change(
    terminal: impl AsFd,
    when: OptionalActions,
    change: impl FnOnce(&mut Termios),
) -> io::Result<()> {
    let mut changed = CHANGED.lock().unwrap_or_else(PoisonError::into_inner);
    if changed.is_none() {
        let before = tcgetattr(&terminal)?;
        let mut modes = before.clone();
        change(&mut modes);
        let ours = terminal.as_fd().try_clone_to_owned()?;
        tcsetattr(&terminal, when, &modes)?;
        *changed = Some(Changed {
            terminal: ours,
            before,
        });
    }
    Ok(())
}

/// Puts back what was changed, if anything was.
pub(crate) fn put_back() -> io::Result<()> {
    restore(CHANGED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The same at the end of a program that may have stopped in the middle of a change.
pub(crate) fn put_back_at_once() {
    if let Ok(changed) = CHANGED.try_lock() {
        // There is nothing more to be done about it.
        let _ = restore(changed);
    }
}

fn restore(mut changed: MutexGuard<'_, Option<Changed>>) -> io::Result<()> {
    if let Some(was) = changed.take() {
        tcsetattr(was.terminal, OptionalActions::Drain, &was.before)?;
    }
    Ok(())
}
