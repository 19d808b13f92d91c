//! Signals that are sent to us and meant for the program.

use std::io;
use std::thread;

use rustix::process::Signal;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;

/// What is passed on. The signals by which a shell stops and continues jobs go to all of a group, so to the program too.
const PASSED: &[Signal] = &[
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::WINCH,
];

/// Signals that are kept until somebody takes them.
pub(super) struct Signals(SignalsInfo<WithOrigin>);

/// Whose signal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// A process, which sent it to us or to our group.
    Process,
    /// The terminal, which sends to all of the group in its foreground.
    Terminal,
}

impl Signals {
    /// From now on. What we were told to ignore, as by `nohup`, we still ignore, and so will the program.
    pub(super) fn new(more: &[Signal]) -> io::Result<Self> {
        let ignored = ignored();
        let wanted = PASSED.iter().chain(more).map(|signal| signal.as_raw());
        Ok(Self(SignalsInfo::new(
            wanted.filter(|signal| ignored & (1_u64 << (signal - 1)) == 0),
        )?))
    }

    /// Hands each over, on a thread of its own.
    pub(super) fn pass(mut self, mut to: impl FnMut(Signal, Sender) + Send + 'static) {
        thread::spawn(move || {
            for origin in self.0.forever() {
                let sender = match origin.process {
                    Some(_) => Sender::Process,
                    None => Sender::Terminal,
                };
                if let Some(signal) = Signal::from_named_raw(origin.signal) {
                    to(signal, sender);
                }
            }
        });
    }
}

/// The signals that this process was started with as ignored, as a mask. Nobody tells where there is no `/proc`.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or_default()
}
