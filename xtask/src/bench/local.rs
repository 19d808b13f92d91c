//! One secret from the encrypted file.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use super::row::{Invocation, Limits, Row, Side, output};
use super::{Bench, commands, measured};
use crate::shell::{Result, described};

const ROUNDS: usize = 31;
const VALUE: &str = "value-of-db.password";

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("local")?;
    let own = store(
        bench,
        &folder,
        &[("db/password".to_owned(), VALUE.to_owned())],
    )?;
    let rows = vec![
        Row::new(
            "true",
            Side::Floor,
            Invocation::new("/bin/true", &[], &folder),
        ),
        Row::new(
            "secrets get, file store",
            Side::Ours,
            own.with_arguments(&["get", "db/password"]),
        )
        .printing(VALUE)
        .within(Limits {
            instructions: Some(8.0),
            wall: Some(8.0),
            ..Limits::default()
        }),
    ];
    Ok(measured(bench, rows, ROUNDS, None)?.broken)
}

/// Creates an encrypted store with `init` and `set`.
pub(super) fn store(
    bench: &Bench,
    folder: &Path,
    secrets: &[(String, String)],
) -> Result<Invocation> {
    let own = commands::command(bench, folder).without("SECRETS_CONFIG");
    output(&mut own.with_arguments(&["init", "--yes"]).command())?;
    for (name, value) in secrets {
        set(&own.with_arguments(&["set", name, "--stdin"]), value)?;
    }
    Ok(own)
}

fn set(invocation: &Invocation, value: &str) -> Result<()> {
    let mut command = invocation.command();
    let said = format!("cannot run {}", described(&command));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{said}: {error}"))?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(value.as_bytes())
            .map_err(|error| format!("{said}: {error}"))?;
    }
    let output = child
        .wait_with_output()
        .map_err(|error| format!("{said}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        let reason = String::from_utf8_lossy(&output.stderr);
        Err(format!("{said}: {}: {}", output.status, reason.trim_end()))
    }
}
