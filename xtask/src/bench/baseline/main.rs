//! The other side of every comparison: a server of secrets that counts what it is asked, and the least
//! client that could do the same work, with neither TLS nor configuration nor errors that help.
//!
//! It uses the standard library alone, so that no dependency of ours can slow the floor down.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program: results go to stdout, failures to stderr"
)]

mod api;
mod base64;
mod client;
mod document;
mod render;
mod upstream;

use std::process::ExitCode;

const USAGE: &str = "\
usage: yardstick serve DELAY_MS
       yardstick get API ADDRESS TOKEN NAME FIELD
       yardstick run API ADDRESS TOKEN IN_FLIGHT NAMES -- PROGRAM [ARGUMENT]...
       yardstick render VALUES FILE
API is vault, aws or google. NAMES is a file with a line `VARIABLE NAME FIELD` for each variable.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["serve", delay] => upstream::serve(delay),
        ["get", api, address, token, name, field] => {
            client::get(api, address, token, name, field).map(|value| println!("{value}"))
        }
        [
            "run",
            api,
            address,
            token,
            in_flight,
            names,
            "--",
            program @ ..,
        ] => client::run(api, address, token, in_flight, names, program),
        ["render", values, file] => render::render(values, file),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("yardstick: {message}");
            ExitCode::FAILURE
        }
    }
}
