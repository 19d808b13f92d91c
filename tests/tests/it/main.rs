//! End-to-end tests of the command, one module per command or behaviour.
#![allow(clippy::unwrap_used, reason = "a test panics when it cannot continue")]

mod audit;
mod clouds;
mod explain;
mod files;
mod fuzz;
mod git;
mod hostile;
mod json;
mod leaks;
mod mask;
mod openbao;
mod paths;
mod policy;
mod run;
mod start;
mod stats;
mod terminal;
mod values;
mod writers;
mod wrong_input;
