//! A process that outlives the command that started it, and is stopped by exactly its id.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::shell::{Result, at, described};

/// Five seconds is what the slowest known server needs to close its connections.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// A part of its command line that tells it from a stranger who got the same id later.
    pub(super) mark: String,
}

impl Process {
    /// Starts it in a process group of its own, so that Ctrl-C at the terminal does not reach it.
    pub(super) fn spawn(command: &mut Command, log: &Path, mark: &str) -> Result<Self> {
        let file = at(log, File::create(log))?;
        let copy = at(log, file.try_clone())?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", described(command)))?;
        let process = Self {
            pid: child.id(),
            mark: mark.to_owned(),
        };
        // The new program's arguments show a moment after the spawn returns.
        while child.try_wait().is_ok_and(|ended| ended.is_none()) && !process.is_alive() {
            sleep(Duration::from_millis(1));
        }
        Ok(process)
    }

    pub(super) fn is_alive(&self) -> bool {
        self.reap();
        command_line(self.pid).is_some_and(|line| line.contains(&self.mark))
    }

    /// Asks it to end, then ends it. False when it was gone already.
    pub(super) fn stop(&self) -> bool {
        if !self.is_alive() {
            return false;
        }
        self.signal(Signal::TERM);
        let end = Instant::now() + GRACE;
        while self.is_alive() {
            if Instant::now() > end {
                self.signal(Signal::KILL);
                break;
            }
            sleep(Duration::from_millis(20));
        }
        true
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.id() {
            // The only failure is that it ended in between, which is what we want.
            let _ = kill_process(pid, signal);
        }
    }

    /// A child of ours that ended stays in the table until somebody asks for its status.
    fn reap(&self) {
        if let Some(pid) = self.id() {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }
}

/// The arguments of a process, or nothing when there is no such process (or only its remains).
fn command_line(pid: u32) -> Option<String> {
    let line = if Path::new("/proc/self/cmdline").exists() {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    } else {
        let output = Command::new("ps")
            .args(["-o", "command=", "-p", &pid.to_string()])
            .output()
            .ok()?;
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(log: &Path) -> Process {
        Process::spawn(Command::new("sleep").arg("61"), log, "sleep 61").unwrap()
    }

    #[test]
    fn a_stopped_process_is_gone() {
        let log = std::env::temp_dir().join(format!("xtask-process-{}.log", std::process::id()));
        let process = sleeper(&log);
        assert!(process.is_alive());
        assert!(process.stop());
        assert!(!process.is_alive());
        assert!(!process.stop());
        fs::remove_file(&log).unwrap();
    }

    #[test]
    fn a_stranger_with_the_same_id_is_left_alone() {
        let log = std::env::temp_dir().join(format!("xtask-stranger-{}.log", std::process::id()));
        let process = sleeper(&log);
        let stranger = Process {
            pid: process.pid,
            mark: "bao server".to_owned(),
        };
        assert!(!stranger.stop());
        assert!(process.stop());
        fs::remove_file(&log).unwrap();
    }
}
