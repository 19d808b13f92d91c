//! Signals that are sent to us and meant for the program.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::Signal;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::emulate_default_handler;

use crate::terminal;

/// What is passed on. The signals by which a shell stops and continues jobs go to all of a group, so to the program too.
pub(super) const PASSED: &[Signal] = &[
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::IO,
    Signal::XCPU,
    Signal::XFSZ,
    #[cfg(target_os = "linux")]
    Signal::POWER,
    Signal::WINCH,
];

/// Signals that are kept until somebody takes them.
pub(super) struct Signals(SignalsInfo<WithOrigin>);

/// Says that the program has ended, so that signals are for us.
#[derive(Debug, Clone, Default)]
pub(super) struct Over(Arc<AtomicBool>);

impl Over {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Whose signal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// A process, which sent it to us or to our group.
    Process,
    /// The terminal, which sends to all of the group in its foreground.
    Terminal,
}

impl Signals {
    /// From now on, also what we were started to ignore, as by `nohup` or by a shell's `&`: the program may have decided
    /// otherwise.
    ///
    /// A process that is started after this would not ignore it any more. So the program's is started before.
    pub(super) fn new(more: &[Signal]) -> io::Result<Self> {
        let wanted = PASSED.iter().chain(more).map(|signal| signal.as_raw());
        Ok(Self(SignalsInfo::new(wanted)?))
    }

    /// Hands each over, on a thread of its own. Once the program has ended, each does to us what it does by default.
    pub(super) fn pass(mut self, mut to: impl FnMut(Signal, Sender) + Send + 'static) -> Over {
        let over = Over::default();
        let is_over = over.clone();
        thread::spawn(move || {
            for origin in self.0.forever() {
                if is_over.0.load(Ordering::Acquire) {
                    terminal::put_back_at_once();
                    // It fails only for a signal that cannot be caught.
                    let _ = emulate_default_handler(origin.signal);
                    continue;
                }
                let sender = match origin.process {
                    Some(_) => Sender::Process,
                    None => Sender::Terminal,
                };
                if let Some(signal) = Signal::from_named_raw(origin.signal) {
                    to(signal, sender);
                }
            }
        });
        over
    }
}
