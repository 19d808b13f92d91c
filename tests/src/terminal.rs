//! A real terminal, by tmux, with a server of its own.

use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Home, secrets_command};

/// How long a screen may take to show what is expected.
const PATIENCE: Duration = Duration::from_secs(20);

/// A shell on a terminal of 100 columns. Its tmux server ends when it is dropped.
#[derive(Debug)]
pub struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// A shell in this home, with `secrets` in its PATH.
    ///
    /// # Panics
    /// If tmux is not there.
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
        // A prompt of our own, since that of a shell depends on who it is; what is typed must not look like it.
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

    /// Gives it another size, in columns and rows.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// What is on the screen, without empty lines at its end.
    ///
    /// # Panics
    /// If tmux does not tell.
    pub fn screen(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p", "-S", "-200"]);
        output.trim_end().to_owned()
    }

    /// Waits until the screen has this text, and gives the screen.
    ///
    /// # Panics
    /// If it does not come.
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
        // It may have ended with its shell.
        let _ = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .arg("kill-server")
            .output();
    }
}
