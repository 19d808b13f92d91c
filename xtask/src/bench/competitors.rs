//! The crate in the folder `rivals`: programs on other people's libraries, whose dependencies are not ours.

use std::path::PathBuf;

use super::Bench;
use crate::shell::{Result, cargo_outside, run, say, target};

/// The folder under the target folder in which they are built.
const NAME: &str = "rivals";

/// Builds its programs, those on AWS's SDK only where they are asked for, and gives the one that compares caches.
pub(super) fn caches(bench: &Bench) -> Result<PathBuf> {
    build(bench.aws_sdk)?;
    Ok(program("rivals"))
}

/// The program that is AWS's SDK and little else: built where it is asked for, and else the one that is here.
pub(super) fn bare_sdk(bench: &Bench) -> Result<Option<PathBuf>> {
    if bench.aws_sdk {
        build(true)?;
    }
    let path = program("bare-sdk");
    if path.is_file() {
        return Ok(Some(path));
    }
    println!("  the bare SDK is left out: --aws-sdk builds it");
    Ok(None)
}

fn build(aws_sdk: bool) -> Result<()> {
    say("building the rivals");
    let features = if aws_sdk { "aws" } else { "" };
    let words = ["build", "--release", "--quiet", "--locked"];
    let mut command = cargo_outside(&words, "xtask/src/bench/rivals", NAME);
    run(command.args(["--features", features]))
}

fn program(name: &str) -> PathBuf {
    target().join(NAME).join("release").join(name)
}
