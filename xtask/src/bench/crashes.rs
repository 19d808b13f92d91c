//! Checks that `run` never dies of a signal when its child exits immediately. A peer does in one of a hundred runs.

use std::os::unix::process::ExitStatusExt;

use super::Bench;
use super::commands::{self, Server};
use super::report::{Verdict, judge};
use super::row::output;
use super::server::Upstream;
use crate::shell::{Result, described};

const RUNS: usize = 1_000;
/// The peer died with twenty secrets, never with one.
const SECRETS: usize = 20;

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("crashes")?;
    let upstream = Upstream::start(bench, 0)?;
    let server = Server::counting(upstream.address());
    let invocation = commands::vault(bench, &folder, &server, &commands::separate(SECRETS))?
        .with_arguments(&["run", "--", "/bin/true"]);
    output(&mut invocation.command())?;
    let (mut killed, mut failed) = (0, 0);
    for _ in 0..RUNS {
        let mut command = invocation.command();
        let status = command
            .status()
            .map_err(|error| format!("cannot start {}: {error}", described(&command)))?;
        if status.signal().is_some() {
            killed += 1;
        } else if !status.success() {
            failed += 1;
        }
    }
    let verdict = |what: &str, count: usize| Verdict {
        gate: true,
        kept: count == 0,
        text: format!(
            "secrets run -- true, {RUNS} times with {SECRETS} secrets: {what} {count} (limit <= 0)"
        ),
    };
    Ok(judge(&[
        verdict("deaths by a signal", killed),
        verdict("other failures", failed),
    ]))
}
