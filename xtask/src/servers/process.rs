//! A process that can outlive the command that started it, and is stopped by its ID.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::shell::{Result, at, described};

/// The slowest known server needs five seconds to close its connections.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// A part of its command line, to recognise another process that got the same ID later.
    pub(super) mark: String,
}

impl Process {
    /// Starts the process in its own process group, so Ctrl-C does not reach it.
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
        // The new command line appears shortly after the spawn.
        while child.try_wait().is_ok_and(|ended| ended.is_none()) && !process.is_alive() {
            sleep(Duration::from_millis(1));
        }
        Ok(process)
    }

    pub(super) fn is_alive(&self) -> bool {
        self.reap();
        command_line(self.pid).is_some_and(|line| line.contains(&self.mark))
    }

    /// Sends SIGTERM, then SIGKILL. `false` if the process was already gone.
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
            // Fails only if the process ended meanwhile.
            let _ = kill_process(pid, signal);
        }
    }

    /// Reaps the process if it is our child and has ended.
    fn reap(&self) {
        if let Some(pid) = self.id() {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }
}

/// The command line of a process; `None` if it does not exist or is a zombie.
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
    fn another_process_with_the_same_id_is_left_alone() {
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
