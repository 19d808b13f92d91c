//! How the command ends when it finds itself wrong, and what it leaves behind then: nothing.
//!
//! A panic's own message may quote a value: that of a string that was cut in the wrong place does. So only the place is told.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::cli::ColorChoice;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Palette};
use crate::terminal;

static EXIT: AtomicU8 = AtomicU8::new(Exit::Other as u8);

/// Keeps memory out of core dumps and from other programs of the same user, and decides what a panic says and does.
pub(crate) fn prepare() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // Every kernel that we run on has it; a program that is started by us is its own again.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
    std::panic::set_hook(Box::new(|panic| {
        terminal::put_back_at_once();
        let place = panic.location().map(ToString::to_string);
        let failure = Failure::other(format!(
            "the command found an error of its own at {}",
            place.as_deref().unwrap_or("an unknown place")
        ))
        .with_hint(
            "please report this line with the command that you used; there is no value in it",
        );
        if let Failure::Told(told) = failure {
            output::report(Palette::new(ColorChoice::Auto), &told);
        }
        std::process::exit(EXIT.load(Ordering::Relaxed).into());
    }));
}

/// What a panic exits with from here on.
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
        assert!(said.contains("an error of its own at ") && said.contains("crash.rs:"));
        assert!(!said.contains("nter2"), "{said}");
    }
}
