//! Stops servers when their owner ends, however it ends.
//!
//! A second process of this program reads from a pipe that only the owner holds. A panic, Ctrl-C or SIGKILL closes the
//! pipe, so the owner never leaves a server behind.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::Server;
use super::process::Process;
use super::state::State;
use crate::shell::{Result, at};

const RELEASE: &str = "release";

/// Owns servers and stops them on drop.
#[derive(Debug)]
pub(crate) struct Guard {
    state: State,
    watcher: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts the watcher, which stops the servers and then removes the folder.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let program = std::env::current_exe()
            .map_err(|error| format!("cannot find the xtask executable: {error}"))?;
        let mut watcher = Command::new(program)
            .args(["servers", "guard"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start the servers' guard: {error}"))?;
        let pipe = watcher.stdin.take();
        Ok(Self {
            state: State::default(),
            watcher,
            pipe,
        })
    }

    /// Starts a process that the guard stops.
    pub(super) fn spawn(
        &mut self,
        command: &mut Command,
        log: &Path,
        mark: &str,
    ) -> Result<Process> {
        let process = Process::spawn(command, log, mark)?;
        self.send(&format!("{} {}", process.pid, process.mark))?;
        Ok(process)
    }

    /// Adds a running server whose process this guard started.
    pub(super) fn add(&mut self, server: Server) {
        self.state.servers.push(server);
    }

    /// The variables for tests.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        self.state.variables()
    }

    /// Leaves the servers running and returns their state.
    pub(super) fn release(mut self) -> Result<State> {
        self.send(RELEASE)?;
        Ok(std::mem::take(&mut self.state))
    }

    fn send(&mut self, line: &str) -> Result<()> {
        let pipe = self.pipe.as_mut().ok_or("the guard has no pipe")?;
        writeln!(pipe, "{line}").map_err(|error| format!("the servers' guard died: {error}"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.pipe = None;
        let _ = self.watcher.wait();
    }
}

/// The second process: reads process IDs and stops the processes when the pipe closes.
pub(super) fn watch(folder: &str) -> Result<()> {
    let mut processes = Vec::new();
    for line in BufReader::new(std::io::stdin()).lines() {
        let Ok(line) = line else { break };
        if line == RELEASE {
            return Ok(());
        }
        let process = parse(&line).ok_or_else(|| format!("not a process: {line}"))?;
        processes.push(process);
    }
    for process in &processes {
        process.stop();
    }
    let folder = PathBuf::from(folder);
    at(&folder, std::fs::remove_dir_all(&folder))
}

fn parse(line: &str) -> Option<Process> {
    let (pid, mark) = line.split_once(' ')?;
    Some(Process {
        pid: pid.parse().ok()?,
        mark: mark.to_owned(),
    })
}
