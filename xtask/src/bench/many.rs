//! `run` with many secrets, of the baseline and of our command.

use std::path::Path;

use super::Bench;
use super::commands::{self, TOKEN, Wanted};
use super::row::{Invocation, Limits, Row, Side};
use crate::shell::Result;

/// How the baseline connects.
pub(super) struct Floor<'a> {
    /// The API's name in `baseline`.
    pub(super) api: &'a str,
    pub(super) address: &'a str,
    pub(super) in_flight: &'a str,
}

/// Two rows. Each is verified by the variables of its child.
pub(super) fn rows(
    bench: &Bench,
    folder: &Path,
    floor: &Floor<'_>,
    own: Invocation,
    wanted: &[Wanted],
    limits: Limits,
) -> Result<Vec<Row>> {
    let names = commands::names_file(folder, wanted)?.display().to_string();
    let Floor {
        api,
        address,
        in_flight,
    } = floor;
    let prefix = ["run", api, address, TOKEN, in_flight, &names, "--"];
    let script = script(folder, wanted)?;
    let values = values(wanted);
    let tail = ["/bin/sh", &script];
    let invocation = Invocation::new(
        &bench.baseline,
        &[&prefix[..], &["/bin/true"]].concat(),
        folder,
    );
    Ok(vec![
        Row::new("floor run", Side::Floor, invocation)
            .proved_by(&[&prefix[..], &tail[..]].concat(), &values)
            .uncounted(),
        secrets_run(own, &script, &values, limits),
    ])
}

/// `secrets run` with these secrets declared.
pub(super) fn secrets_run(own: Invocation, script: &str, values: &str, limits: Limits) -> Row {
    Row::new(
        "secrets run",
        Side::Ours,
        own.with_arguments(&["run", "--", "/bin/true"]),
    )
    .proved_by(&["run", "--", "/bin/sh", script], values)
    .uncounted()
    .within(limits)
}

/// A script that prints every variable, to reveal missing or wrong values.
pub(super) fn script(folder: &Path, wanted: &[Wanted]) -> Result<String> {
    let words: Vec<String> = wanted
        .iter()
        .map(|one| format!("\"${}\"", one.variable))
        .collect();
    let text = format!("printf '%s\\n' {}\n", words.join(" "));
    let path = commands::write(&folder.join("print.sh"), &text)?;
    Ok(path.display().to_string())
}

pub(super) fn values(wanted: &[Wanted]) -> String {
    let values: Vec<String> = wanted.iter().map(commands::value).collect();
    values.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_has_every_variable() {
        let wanted = commands::separate(2);
        assert_eq!(values(&wanted), "value-of-app.s0000\nvalue-of-app.s0001");
    }
}
