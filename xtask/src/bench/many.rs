//! The floor's and our `run` of many secrets.

use std::path::Path;

use super::Bench;
use super::ours::{self, TOKEN, Wanted};
use super::row::{Invocation, Limits, Row, Side};
use crate::shell::Result;

/// How the floor is to ask.
pub(super) struct Floor<'a> {
    /// A word that `yardstick` knows.
    pub(super) api: &'a str,
    pub(super) address: &'a str,
    pub(super) in_flight: &'a str,
}

/// Two rows, with the variables read back out of the child for proof.
pub(super) fn rows(
    bench: &Bench,
    folder: &Path,
    floor: &Floor<'_>,
    own: Invocation,
    wanted: &[Wanted],
    limits: Limits,
) -> Result<Vec<Row>> {
    let names = ours::names_file(folder, wanted)?.display().to_string();
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
        &bench.yardstick,
        &[&prefix[..], &["/bin/true"]].concat(),
        folder,
    );
    Ok(vec![
        Row::new("floor run", Side::Floor, invocation)
            .proved_by(&[&prefix[..], &tail[..]].concat(), &values)
            .uncounted(),
        ours(own, &script, &values, limits),
    ])
}

/// Our `run` of a configuration with these secrets declared.
pub(super) fn ours(own: Invocation, script: &str, values: &str, limits: Limits) -> Row {
    Row::new(
        "secrets run",
        Side::Ours,
        own.asked(&["run", "--", "/bin/true"]),
    )
    .proved_by(&["run", "--", "/bin/sh", script], values)
    .uncounted()
    .within(limits)
}

/// A program that prints every variable, so that one that is missing or wrong is seen.
pub(super) fn script(folder: &Path, wanted: &[Wanted]) -> Result<String> {
    let words: Vec<String> = wanted
        .iter()
        .map(|one| format!("\"${}\"", one.variable))
        .collect();
    let text = format!("printf '%s\\n' {}\n", words.join(" "));
    let path = ours::write(&folder.join("print.sh"), &text)?;
    Ok(path.display().to_string())
}

pub(super) fn values(wanted: &[Wanted]) -> String {
    let values: Vec<String> = wanted.iter().map(ours::value).collect();
    values.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_wants_each_variable() {
        let wanted = ours::separate(2);
        assert_eq!(values(&wanted), "value-of-app.s0000\nvalue-of-app.s0001");
    }
}
