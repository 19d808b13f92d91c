//! The baseline of every comparison: a server of secrets that counts requests, and a minimal client without TLS,
//! configuration and helpful errors.
//!
//! Uses only the standard library, so no dependency can slow the baseline down.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "prints results to stdout and errors to stderr"
)]

mod api;
mod base64;
mod client;
mod document;
mod render;
mod upstream;

use std::process::ExitCode;

const USAGE: &str = "\
usage: baseline serve DELAY_MS
       baseline get API ADDRESS TOKEN NAME FIELD
       baseline run API ADDRESS TOKEN IN_FLIGHT NAMES -- PROGRAM [ARGUMENT]...
       baseline render VALUES FILE
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
            eprintln!("baseline: {message}");
            ExitCode::FAILURE
        }
    }
}
