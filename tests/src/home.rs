//! A user with their own folders and an empty environment.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::secrets_command;

/// A new home folder with a working folder and the user's folders, removed on drop.
#[derive(Debug)]
pub struct Home {
    root: TempDir,
}

/// The result of a finished command.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output, byte for byte.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Home {
    /// An empty home.
    ///
    /// # Panics
    /// If a folder cannot be created.
    #[expect(clippy::new_without_default, reason = "creates folders")]
    pub fn new() -> Self {
        let root = TempDir::with_prefix("polysecrets-").expect("a temporary folder");
        for folder in ["home", "work", "config", "state", "tmp"] {
            fs::create_dir(root.path().join(folder)).expect("a folder");
        }
        Self { root }
    }

    /// A home after `secrets init`: with an encrypted store, its key and an approved configuration.
    ///
    /// # Panics
    /// If `init` fails.
    pub fn initialised() -> Self {
        let home = Self::new();
        home.run(&["init", "--yes"]).ok();
        home
    }

    /// A path in the working folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("work").join(name)
    }

    /// The folder that contains all others.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Writes a file in the working folder.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        fs::write(&path, text).expect("the file is written");
        path
    }

    /// Appends lines to the configuration and approves it.
    ///
    /// # Panics
    /// If `secrets trust` fails.
    pub fn configure(&self, lines: &str) {
        let text = [&self.read("secrets.toml"), lines.as_bytes()].concat();
        self.write("secrets.toml", text);
        self.run(&["trust"]).ok();
    }

    /// Reads a file in the working folder.
    ///
    /// # Panics
    /// If the file cannot be read.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("the file is read")
    }

    /// A program that sees nothing but this home.
    pub fn program(&self, name: impl AsRef<std::ffi::OsStr>) -> Command {
        let folder = |name: &str| self.root.path().join(name);
        let mut command = Command::new(name);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", folder("home"))
            .env("XDG_CONFIG_HOME", folder("config"))
            .env("XDG_STATE_HOME", folder("state"))
            .env("TMPDIR", folder("tmp"))
            .env("LANG", "C.UTF-8")
            .current_dir(folder("work"))
            .stdin(Stdio::null());
        command
    }

    /// `secrets` with these arguments.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.program(secrets_command());
        command.args(words);
        command
    }

    /// Runs `secrets` with these arguments and no input.
    ///
    /// # Panics
    /// If the command cannot be started.
    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.command(words))
    }

    /// Runs `secrets` with these arguments and this input.
    ///
    /// # Panics
    /// If the command cannot be started.
    pub fn run_with_input(&self, words: &[&str], input: &[u8]) -> Ran {
        Ran::with_input(&mut self.command(words), input)
    }

    /// Writes a secret.
    ///
    /// # Panics
    /// If `secrets set` fails.
    pub fn set(&self, name: &str, value: &[u8]) {
        self.run_with_input(&["set", name, "--stdin"], value).ok();
    }

    /// Reads a secret.
    ///
    /// # Panics
    /// If `secrets get` fails.
    pub fn get(&self, name: &str) -> Vec<u8> {
        self.run(&["get", name]).ok().stdout
    }
}

/// Whether a line of standard error is an error in JSON, as with `--json`.
pub fn is_json_error(line: &str) -> bool {
    let report = serde_json::from_str::<Value>(line).unwrap_or_default();
    report["schema"] == 1 && report["error"]["message"].is_string()
}

impl Ran {
    /// Runs a command and waits for it.
    ///
    /// # Panics
    /// If the command cannot be started.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the command starts");
        Self {
            status: output.status,
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command with this input and waits for it.
    ///
    /// # Panics
    /// If the command cannot be started.
    pub fn with_input(command: &mut Command, input: &[u8]) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A command that refuses its arguments does not read its input.
            let _ = pipe.write_all(&input);
        });
        let output = child.wait_with_output().expect("the command ends");
        writer.join().expect("the input is written");
        Self {
            status: output.status,
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The exit code; `None` after a signal.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("standard output is text")
    }

    /// Standard output as JSON with our schema version.
    ///
    /// # Panics
    /// If it is anything else.
    pub fn json(&self) -> Value {
        let value: Value = serde_json::from_slice(&self.stdout).expect("standard output is JSON");
        assert_eq!(value["schema"], 1, "{value}");
        value
    }

    /// Requires success.
    ///
    /// # Panics
    /// If the command failed.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.ended(0)
    }

    /// Requires this exit code.
    ///
    /// # Panics
    /// If the command exited differently.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            Some(code),
            "stdout: {}\nstderr: {}",
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
        self
    }

    /// Requires a well-formed error: this exit code, nothing on standard output, and one `error: …` line or one line of
    /// JSON.
    ///
    /// # Panics
    /// If the command exited or reported differently.
    #[track_caller]
    pub fn refused(self, code: i32) -> Self {
        let ran = self.ended(code);
        assert!(
            ran.stdout.is_empty(),
            "stdout: {}",
            String::from_utf8_lossy(&ran.stdout)
        );
        let lines: Vec<&str> = ran.stderr.lines().collect();
        let errors = lines
            .iter()
            .filter(|line| line.starts_with("error: ") || is_json_error(line))
            .count();
        assert_eq!(errors, 1, "{}", ran.stderr);
        assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
        ran
    }

    /// Requires this text on standard error.
    ///
    /// # Panics
    /// If the text is missing.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "no {text:?} in: {}",
            self.stderr
        );
        self
    }

    /// Requires that neither stream contains this text.
    ///
    /// # Panics
    /// If one does.
    #[track_caller]
    pub fn keeps(self, text: &str) -> Self {
        let stdout = String::from_utf8_lossy(&self.stdout);
        assert!(!stdout.contains(text), "{text:?} in: {stdout}");
        assert!(!self.stderr.contains(text), "{text:?} in: {}", self.stderr);
        self
    }
}
