//! Stops servers when their owner ends, however it ends.
//!
//! A second process of this program waits on a pipe that only the owner holds. A panic, Ctrl-C or
//! SIGKILL closes the pipe, so no way out of the owner leaves a server behind.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::Server;
use super::process::Process;
use super::state::State;
use crate::shell::{Result, at};

const RELEASE: &str = "release";

/// Owns servers: dropping it stops them.
#[derive(Debug)]
pub(crate) struct Guard {
    state: State,
    watcher: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts the watcher, which removes the folder after it stopped the servers.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let program = std::env::current_exe()
            .map_err(|error| format!("cannot tell where xtask itself is: {error}"))?;
        let mut watcher = Command::new(program)
            .args(["servers", "guard"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start the guard of the servers: {error}"))?;
        let pipe = watcher.stdin.take();
        Ok(Self {
            state: State::default(),
            watcher,
            pipe,
        })
    }

    /// Starts a process that ends with this guard, from its first moment on.
    pub(super) fn spawn(
        &mut self,
        command: &mut Command,
        log: &Path,
        mark: &str,
    ) -> Result<Process> {
        let process = Process::spawn(command, log, mark)?;
        self.tell(&format!("{} {}", process.pid, process.mark))?;
        Ok(process)
    }

    /// Counts a server whose process was spawned here as running.
    pub(super) fn add(&mut self, server: Server) {
        self.state.servers.push(server);
    }

    /// What the tests read to find the servers.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        self.state.variables()
    }

    /// Lets the servers live on, and hands over what is known about them.
    pub(super) fn release(mut self) -> Result<State> {
        self.tell(RELEASE)?;
        Ok(std::mem::take(&mut self.state))
    }

    fn tell(&mut self, line: &str) -> Result<()> {
        let pipe = self.pipe.as_mut().ok_or("the guard has no pipe")?;
        writeln!(pipe, "{line}").map_err(|error| format!("the guard of the servers died: {error}"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.pipe = None;
        let _ = self.watcher.wait();
    }
}

/// The second process: reads which processes there are, and stops them at the end of the pipe.
pub(super) fn watch(folder: &str) -> Result<()> {
    let mut processes = Vec::new();
    for line in BufReader::new(std::io::stdin()).lines() {
        let Ok(line) = line else { break };
        if line == RELEASE {
            return Ok(());
        }
        let process = parse(&line).ok_or_else(|| format!("not a process of ours: {line}"))?;
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
