//! How the command ends on a panic, without leaving values behind.
//!
//! The message of a panic may quote a value, as slicing a string in the middle of a character does. Only its place is reported.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::cli::ColorChoice;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Palette};
use crate::terminal;

static EXIT: AtomicU8 = AtomicU8::new(Exit::Other as u8);

/// Keeps memory out of core dumps and away from other processes of the same user, and installs the panic hook.
pub(crate) fn prepare() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // Every supported kernel has this, and a program that we execute resets it.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
    std::panic::set_hook(Box::new(|panic| {
        terminal::put_back_at_once();
        let place = panic.location().map(ToString::to_string);
        let failure = Failure::other(format!(
            "internal error at {}",
            place.as_deref().unwrap_or("an unknown place")
        ))
        .with_hint("please report this line and the command that you ran; it contains no value");
        if let Failure::Reported(report) = failure {
            output::report(Palette::new(ColorChoice::Auto), &report);
        }
        std::process::exit(EXIT.load(Ordering::Relaxed).into());
    }));
}

/// Sets the exit code of a panic.
pub(crate) fn exits_with(exit: Exit) {
    EXIT.store(exit as u8, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const CRASH: &str = "POLYSECRETS_TEST_CRASH";

    #[test]
    fn a_panic_says_where_and_never_what() {
        if std::env::var_os(CRASH).is_some() {
            prepare();
            #[cfg(target_os = "linux")]
            assert_eq!(
                rustix::process::dumpable_behavior().unwrap(),
                rustix::process::DumpableBehavior::NotDumpable
            );
            exits_with(Exit::RunFailed);
            let value = String::from("hünter2");
            let _ = &value[..2];
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::tests::a_panic_says_where_and_never_what"])
            .arg("--nocapture")
            .env(CRASH, "1")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{said}");
        assert!(said.contains("internal error at ") && said.contains("crash.rs:"));
        assert!(!said.contains("nter2"), "{said}");
    }
}
