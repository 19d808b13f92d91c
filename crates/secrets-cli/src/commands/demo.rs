//! `secrets demo`: runs the main commands in a temporary folder.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use crate::cli::Demo;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};
use crate::output::{self, Palette};
use crate::settings::Settings;

const DECLARED: &str = r#"
[secrets.DATABASE_PASSWORD]
reference = "db/password"

[secrets.API_KEY]
reference = "api/key"
"#;

const FILE: &str = "\
# app.yaml: safe to commit, since it only has references
database:
  user: app
  password: ${secret:db/password}   # comments stay
api:
  header: \"Bearer ${secret:api/key}\"
";

/// Proves that the program received a value without showing it: prints its length and checksum.
const PROOF: &str = r#"printf 'DATABASE_PASSWORD: %s characters, checksum %s\n' "${#DATABASE_PASSWORD}" "$(printf %s "$DATABASE_PASSWORD" | cksum | cut -d' ' -f1)""#;

pub(crate) fn run(command: &Demo, settings: &Settings) -> Outcome {
    let started = Instant::now();
    let stage = Stage::new(settings.palette)?;
    let outcome = show(&stage);
    let seconds = started.elapsed().as_secs_f32();
    if !command.keep {
        stage.remove()?;
    }
    outcome?;
    let folder = match command.keep {
        true => format!("kept {}", stage.folder.display()),
        false => "removed the folder".to_owned(),
    };
    stage.step(&format!("done in {seconds:.1} s; {folder}"))?;
    Ok(Exit::Ok)
}

fn show(stage: &Stage) -> Outcome<()> {
    stage.step(
        "1. Create a configuration and an encrypted store. Your key stays outside the project.",
    )?;
    stage.secrets(&["init", "--yes"])?;

    stage.step("2. Generate secrets. Their values are never printed or passed as arguments.")?;
    stage.secrets(&["set", "db/password", "--generate", "alnum:32"])?;
    stage.secrets(&["set", "api/key", "--generate", "hex:40"])?;
    stage.secrets(&["list"])?;
    stage.secrets(&["get", "db/password", "--hint"])?;

    stage
        .step("3. Declare what the program needs. A changed configuration needs a new approval.")?;
    stage.append("secrets.toml", DECLARED)?;
    stage.shown(DECLARED)?;
    stage.secrets(&["trust"])?;
    stage.secrets(&["status"])?;

    stage.step("4. Render a file with references. Only its owner can read the result.")?;
    stage.append("app.yaml", FILE)?;
    stage.shown(FILE)?;
    stage.secrets(&["check", "app.yaml"])?;
    stage.secrets(&["render", "app.yaml", "--out", "app.rendered.yaml"])?;
    stage.proves_rendered()?;

    stage.step(
        "5. Run a program with the secrets in its environment. It prints a checksum as proof.",
    )?;
    let before = stage.secrets(&["run", "--", "sh", "-c", PROOF])?;

    stage.step("6. Write a new version, then roll back to the first.")?;
    stage.secrets(&["set", "db/password", "--generate", "alnum:32"])?;
    let changed = stage.secrets(&["run", "--", "sh", "-c", PROOF])?;
    stage.secrets(&["versions", "db/password"])?;
    stage.secrets(&["rollback", "db/password", "1"])?;
    let after = stage.secrets(&["run", "--", "sh", "-c", PROOF])?;
    if before == changed || before != after {
        return Err(Failure::other("the demo did not restore the first value"));
    }
    stage.say("the checksum is that of the first value again")?;
    Ok(())
}

/// A temporary folder with a project and a home folder.
struct Stage {
    folder: PathBuf,
    palette: Palette,
}

impl Stage {
    fn new(palette: Palette) -> Outcome<Self> {
        let mut random = [0_u8; 8];
        getrandom::getrandom(&mut random)
            .map_err(|_| Failure::other("cannot get random bytes from the system"))?;
        let name = format!("polysecrets-demo-{:016x}", u64::from_ne_bytes(random));
        let folder = std::env::temp_dir().join(name);
        let stage = Self { folder, palette };
        for folder in [
            stage.folder.clone(),
            stage.folder.join("home"),
            stage.project(),
        ] {
            DirBuilder::new()
                .mode(0o700)
                .create(&folder)
                .map_err(|error| Failure::file("create", &folder, &error))?;
        }
        Ok(stage)
    }

    fn project(&self) -> PathBuf {
        self.folder.join("project")
    }

    fn remove(&self) -> Outcome<()> {
        fs::remove_dir_all(&self.folder)
            .map_err(|error| Failure::file("remove", &self.folder, &error))
    }

    fn append(&self, name: &str, text: &str) -> Outcome<()> {
        let path = self.project().join(name);
        let mut whole = fs::read_to_string(&path).unwrap_or_default();
        whole.push_str(text);
        fs::write(&path, whole).map_err(|error| Failure::file("write", &path, &error))
    }

    /// Runs `secrets` as a person would, prints the command line and its output, and returns standard output.
    fn secrets(&self, words: &[&str]) -> Outcome<Vec<u8>> {
        let line: Vec<&str> = words
            .iter()
            .map(|word| if *word == PROOF { "'…'" } else { word })
            .collect();
        self.say(
            &self
                .palette
                .strong(&format!("$ secrets {}", line.join(" "))),
        )?;
        let Output {
            status,
            stdout,
            stderr,
        } = self
            .command(words)?
            .output()
            .map_err(|error| Failure::other(format!("cannot run `secrets`: {}", reason(&error))))?;
        for text in [&stdout, &stderr] {
            for line in String::from_utf8_lossy(text).lines() {
                self.say(&output::printable(line))?;
            }
        }
        if status.success() {
            return Ok(stdout);
        }
        Err(Failure::other(format!(
            "`secrets {}` failed: {status}",
            line.join(" ")
        )))
    }

    fn command(&self, words: &[&str]) -> Outcome<Command> {
        let program = std::env::current_exe().map_err(|error| {
            Failure::other(format!(
                "cannot find the `secrets` executable: {}",
                reason(&error)
            ))
        })?;
        let home = self.folder.join("home");
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(self.project())
            .stdin(Stdio::null())
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| is_neutral(name)))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env("HOME", home);
        Ok(command)
    }

    fn proves_rendered(&self) -> Outcome<()> {
        let path = self.project().join("app.rendered.yaml");
        let text =
            fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, &error))?;
        let kept = text.contains("# comments stay") && !text.contains("${secret:");
        if !kept {
            return Err(Failure::other("unexpected content in the rendered file"));
        }
        self.say(&format!(
            "app.rendered.yaml: {} bytes, {} references left, comments kept, mode {}",
            text.len(),
            text.matches("${secret:").count(),
            mode(&path)?
        ))
    }

    fn step(&self, text: &str) -> Outcome<()> {
        output::data(format!("\n{}\n", self.palette.strong(text)).as_bytes())
    }

    fn say(&self, line: &str) -> Outcome<()> {
        output::data(format!("   {line}\n").as_bytes())
    }

    fn shown(&self, text: &str) -> Outcome<()> {
        let mut lines = text.trim_matches('\n').lines();
        lines.try_for_each(|line| self.say(&format!("| {line}")))
    }
}

/// Variables that the commands of the demo inherit. None of them leads to real secrets.
fn is_neutral(name: &OsStr) -> bool {
    ["PATH", "TERM", "LANG", "TMPDIR"]
        .iter()
        .any(|neutral| name == *neutral)
}

fn mode(path: &Path) -> Outcome<String> {
    use std::os::unix::fs::PermissionsExt;

    let metadata = fs::metadata(path).map_err(|error| Failure::file("read", path, &error))?;
    Ok(format!("{:o}", metadata.permissions().mode() & 0o777))
}
