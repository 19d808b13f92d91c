//! What cargo cannot do alone: test servers, tests, benchmarks, tidiness.
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
                   tests, doc tests and examples against real servers, its own
                   ones unless some are up, and the vendors' SDKs against them
                   and our fakes (-p judges: these alone; -p fuzz: the fuzzers,
                   which else run with --deep); the last line tells the totals
  tidy [--fix]     rules that no compiler checks; writes the tables made from code
  bench [--built] [--aws-sdk] [GROUP...]
                   what the command costs, beside the smallest thing possible and
                   the peers that are installed; fails on counts, never on times
  order            makes the list by which a release build lays the functions of a
                   start beside each other, from a release program under valgrind
  servers up       start the test servers and leave them running
  servers down     stop what `up` started
  servers status   each server with its address and health
  servers env      export lines for a shell: eval \"$(cargo xtask servers env)\"
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
