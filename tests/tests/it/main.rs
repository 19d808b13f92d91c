//! The command end to end, one module a command or a behaviour.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

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
mod wrong_input;
