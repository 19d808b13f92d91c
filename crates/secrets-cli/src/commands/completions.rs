//! `secrets completions`.

use clap::CommandFactory;

use crate::cli::{Cli, Completions};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output;

pub(crate) fn run(command: &Completions) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Cli::command(), "secrets", &mut script);
    output::data(&script)?;
    Ok(Exit::Ok)
}
