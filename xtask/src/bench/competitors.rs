//! Builds the crate in the folder `competitors`: programs that use other libraries, outside our dependencies.

use std::path::PathBuf;

use super::Bench;
use crate::shell::{Result, cargo_outside, run, say, target};

/// The subfolder of the target folder.
const NAME: &str = "competitors";

/// Builds the crate, with AWS's SDK only on request, and returns the program that compares caches.
pub(super) fn caches(bench: &Bench) -> Result<PathBuf> {
    build(bench.aws_sdk)?;
    Ok(program("competitors"))
}

/// The program that uses only AWS's SDK. Builds it on request, and otherwise uses an earlier build.
pub(super) fn bare_sdk(bench: &Bench) -> Result<Option<PathBuf>> {
    if bench.aws_sdk {
        build(true)?;
    }
    let path = program("bare-sdk");
    if path.is_file() {
        return Ok(Some(path));
    }
    println!("  skipped the bare SDK: pass --aws-sdk to build it");
    Ok(None)
}

fn build(aws_sdk: bool) -> Result<()> {
    say("building the competitors");
    let features = if aws_sdk { "aws" } else { "" };
    let words = ["build", "--release", "--quiet", "--locked"];
    let mut command = cargo_outside(&words, "xtask/src/bench/competitors", NAME);
    run(command.args(["--features", features]))
}

fn program(name: &str) -> PathBuf {
    target().join(NAME).join("release").join(name)
}
