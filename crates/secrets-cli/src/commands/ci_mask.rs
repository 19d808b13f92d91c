//! `secrets ci-mask`.

use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

use secrets::SecretValue;
use secrets::mask::spellings;
use zeroize::Zeroizing;

use super::values;
use crate::ci::Ci;
use crate::cli::{CiMask, MaskWith, Masking};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};
use crate::output;
use crate::settings::Settings;

pub(crate) fn run(command: &CiMask, settings: &Settings) -> Outcome {
    let Some(ci) = command.r#for.or_else(Ci::detect) else {
        return Err(Failure::usage("no CI server is known to run this")
            .with_hint("name it: --for github, azure or buildkite"));
    };
    match ci {
        Ci::Github => print(command, settings, github)?,
        Ci::Azure => print(command, settings, azure)?,
        Ci::Buildkite => buildkite(command, settings)?,
        Ci::Gitlab => {
            return Err(unable(
                "GitLab masks only variables that are masked in its settings, from the start of a job",
            ));
        }
        Ci::Teamcity => {
            return Err(unable(
                "TeamCity masks only parameters of the type password, from the start of a build",
            ));
        }
    }
    Ok(Exit::Ok)
}

fn unable(message: &str) -> Failure {
    Failure::other(message).with_hint(
        "mask the output instead: `secrets run --mask always -- PROGRAM`, or `PROGRAM 2>&1 | secrets mask`",
    )
}

/// Writes a command of the server for each value.
fn print(
    command: &CiMask,
    settings: &Settings,
    line: fn(&[u8], &mut Zeroizing<Vec<u8>>),
) -> Outcome<()> {
    if io::stdout().is_terminal() {
        return Err(Failure::usage("the values would be shown on a terminal")
            .with_hint("run it in a job of the CI server, which takes them out of its log"));
    }
    for part in parts(command, settings)? {
        // A byte becomes six at most, so the buffer never moves and leaves nothing behind.
        let mut text = Zeroizing::new(Vec::with_capacity(64 + 6 * part.len()));
        line(part.expose_bytes(), &mut text);
        text.push(b'\n');
        output::data(&text)?;
    }
    Ok(())
}

/// What a server that masks by exact texts is to look for.
fn parts(command: &CiMask, settings: &Settings) -> Outcome<Vec<SecretValue>> {
    let masking = Masking {
        mask_min: command.mask_min,
        mask_with: MaskWith::Stars,
    };
    let values = values::to_hide(settings, &masking, &command.value_from)?;
    Ok(values
        .iter()
        .flat_map(|(_, value)| spellings(value, usize::from(command.mask_min)))
        .collect())
}

fn github(value: &[u8], text: &mut Zeroizing<Vec<u8>>) {
    text.extend_from_slice(b"::add-mask::");
    escaped(value, b"%25", text);
}

fn azure(value: &[u8], text: &mut Zeroizing<Vec<u8>>) {
    text.extend_from_slice(b"##vso[task.setsecret]");
    escaped(value, b"%AZP25", text);
}

fn escaped(value: &[u8], percent: &[u8], text: &mut Zeroizing<Vec<u8>>) {
    for byte in value {
        match byte {
            b'%' => text.extend_from_slice(percent),
            b'\r' => text.extend_from_slice(b"%0D"),
            b'\n' => text.extend_from_slice(b"%0A"),
            byte => text.push(*byte),
        }
    }
}

/// Hands the values to Buildkite's agent, which redacts them from then on.
fn buildkite(command: &CiMask, settings: &Settings) -> Outcome<()> {
    const AGENT: &str = "buildkite-agent";

    let parts = parts(command, settings)?;
    let mut object = Zeroizing::new(Vec::with_capacity(
        parts.iter().map(|part| 6 * part.len() + 32).sum::<usize>() + 2,
    ));
    object.push(b'{');
    for (at, part) in parts.iter().enumerate() {
        // What is not text is in no log either.
        let Ok(text) = part.expose_str() else {
            continue;
        };
        if object.len() > 1 {
            object.push(b',');
        }
        let written = write!(*object, "\"{at}\":").map_err(|_| ());
        let written =
            written.and_then(|()| serde_json::to_writer(&mut *object, text).map_err(|_| ()));
        if written.is_err() {
            return Err(Failure::other("cannot write the values as JSON"));
        }
    }
    object.push(b'}');
    let reported = |error: io::Error| {
        Failure::other(format!("cannot run {AGENT}: {}", reason(&error)))
            .with_hint("it is in the PATH of every job of Buildkite")
    };
    let mut agent = Command::new(AGENT)
        .args(["redactor", "add", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(io::stderr())
        .spawn()
        .map_err(reported)?;
    let written = match agent.stdin.take() {
        Some(mut input) => input.write_all(&object),
        None => Ok(()),
    };
    let status = agent.wait().map_err(reported)?;
    if !status.success() {
        return Err(
            Failure::other(format!("{AGENT} refuses the values: {status}"))
                .with_hint("it must run inside of a job, and be version 3.67 or later"),
        );
    }
    written.map_err(reported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stay_on_a_line() {
        let line = |write: fn(&[u8], &mut Zeroizing<Vec<u8>>)| {
            let mut text = Zeroizing::new(Vec::new());
            write(b"50%\r\n;]", &mut text);
            String::from_utf8(text.to_vec()).unwrap()
        };
        assert_eq!(line(github), "::add-mask::50%25%0D%0A;]");
        assert_eq!(line(azure), "##vso[task.setsecret]50%AZP25%0D%0A;]");
    }
}
