//! Tasks beyond cargo: test servers, tests, benchmarks and rules for the workspace.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's command line: results go to stdout, progress to stderr"
)]

mod bench;
mod servers;
mod shell;
mod test;
mod tidy;
mod venv;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  test [--deep] [--fresh] [-p CRATE]... [-- FILTER...]
                   run tests, doc tests and examples against real servers, and
                   the vendors' SDKs against the servers and our fakes; starts
                   servers unless some are up. -p sdk_interop runs only the SDKs,
                   -p models only the model checkers, -p fuzz only the fuzzers,
                   which otherwise run with --deep. The last line has the totals
  tidy [--fix]     check rules that the compiler does not; --fix writes the texts
                   that are generated from code
  bench [--built] [--aws-sdk] [GROUP...]
                   measure the command beside a minimal baseline and the peers
                   that are installed; fails on counts and ratios, never on times
  order            list the functions that run at startup, by running a release
                   build under valgrind, so the linker can place them together
  servers up       start the test servers and leave them running
  servers down     stop the servers that `up` started
  servers status   print the address and health of each server
  servers env      print exports for a shell: eval \"$(cargo xtask servers env)\"
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test", rest @ ..] => test::command(rest),
        ["tidy", rest @ ..] => tidy::command(rest).map(|()| ExitCode::SUCCESS),
        ["bench", rest @ ..] => bench::command(rest).map(|()| ExitCode::SUCCESS),
        ["order", rest @ ..] => bench::order(rest).map(|()| ExitCode::SUCCESS),
        ["servers", rest @ ..] => servers::command(rest).map(|()| ExitCode::SUCCESS),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        [other, ..] => Err(format!("unknown command: {other}\n\n{USAGE}")),
    };
    outcome.unwrap_or_else(|message| {
        eprintln!("xtask: {message}");
        ExitCode::FAILURE
    })
}
