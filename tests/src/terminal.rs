//! A real terminal: tmux with its own server.

use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Home, secrets_command};

/// How long to wait for a text on the screen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A shell on a terminal of 100 columns. Dropping it stops the tmux server.
#[derive(Debug)]
pub struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Starts a shell in this home, with `secrets` on its PATH.
    ///
    /// # Panics
    /// If tmux is not installed.
    pub fn new(home: &Home) -> Self {
        let terminal = Self {
            socket: home.root().join("tmux"),
        };
        let folder = secrets_command().parent().expect("a folder").display();
        let path = format!("{folder}:/usr/local/bin:/usr/bin:/bin");
        let mut start = home.program("tmux");
        start
            .env("PATH", path)
            .arg("-f/dev/null")
            .arg("-S")
            .arg(&terminal.socket)
            .args(["new-session", "-d", "-x", "100", "-y", "50", "sh"]);
        let status = start.status().expect("tmux is installed");
        assert!(status.success(), "tmux does not start");
        terminal.wait_for("");
        // Set the prompt, which differs between shells. The typed command must not contain it.
        terminal.enter("PS1='rea''dy$ '");
        terminal.wait_for("ready$");
        terminal
    }

    /// Types a text and Enter.
    pub fn enter(&self, text: &str) {
        self.tmux(&["send-keys", "-l", "--", text]);
        self.tmux(&["send-keys", "Enter"]);
    }

    /// Presses a key by its tmux name, such as `C-c`.
    pub fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Resizes the terminal, in columns and rows.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// The text on the screen, without trailing empty lines.
    ///
    /// # Panics
    /// If tmux fails.
    pub fn screen(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p", "-S", "-200"]);
        output.trim_end().to_owned()
    }

    /// Waits until the screen contains this text and returns the screen.
    ///
    /// # Panics
    /// If the text does not appear.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if !screen.is_empty() && screen.contains(text) {
                return screen;
            }
            assert!(Instant::now() < end, "no {text:?} on the screen:\n{screen}");
            sleep(Duration::from_millis(20));
        }
    }

    /// Clears the screen and its history.
    pub fn clear(&self) {
        self.enter("clear");
        sleep(Duration::from_millis(200));
        self.tmux(&["clear-history"]);
    }

    fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .args(words)
            .output()
            .expect("tmux answers");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The server may have stopped with its shell.
        let _ = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .arg("kill-server")
            .output();
    }
}
