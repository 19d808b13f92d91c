//! The crate in the folder `rivals`: programs on other people's libraries, whose dependencies are not ours.

use std::path::PathBuf;

use super::Bench;
use crate::shell::{Result, cargo, root, run, say, target};

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
    let mut command = cargo(["build", "--release", "--quiet", "--locked"]);
    command
        .arg("--manifest-path")
        .arg(root().join("xtask/src/bench/rivals/Cargo.toml"))
        .arg("--target-dir")
        .arg(folder())
        .args(["--features", features]);
    run(&mut command)
}

fn folder() -> PathBuf {
    target().join("rivals")
}

fn program(name: &str) -> PathBuf {
    folder().join("release").join(name)
}
