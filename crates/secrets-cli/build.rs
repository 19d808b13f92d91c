//! Puts the functions that run at a start beside each other. The system maps a program in pieces around each function that
//! runs, so that half as much of it comes into memory; see "Size, and what of it is in memory" in docs/performance.md.
#![allow(clippy::print_stdout, reason = "cargo reads it")]

use std::env;
use std::path::Path;

/// Absent in the published package. The linker skips names that it does not find, so an old list costs memory and nothing else.
const ORDER: &str = "start-order.txt";
/// The file to write where each function came to lie, for `cargo xtask order`, which makes the list.
const MAP: &str = "POLYSECRETS_LINK_MAP";

fn main() {
    println!("cargo::rerun-if-changed={ORDER}");
    println!("cargo::rerun-if-env-changed={MAP}");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
    if is("PROFILE", "release") && is("TARGET", "x86_64-unknown-linux-gnu") && links_with_lld() {
        let list = Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join(ORDER);
        if list.is_file() {
            pass(&format!("--symbol-ordering-file={}", list.display()));
            pass("--no-warn-symbol-ordering");
        }
        if let Ok(map) = env::var(MAP) {
            pass(&format!("--Map={map}"));
            // The map has the names as the list needs them.
            pass("--no-demangle");
        }
    }
}

/// Two words, so that a folder may have a comma in its name.
fn pass(option: &str) {
    println!("cargo::rustc-link-arg-bins=-Xlinker");
    println!("cargo::rustc-link-arg-bins={option}");
}

/// Whether the linker is the one that Rust brings for this target. No other one knows the options.
fn links_with_lld() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_other = ["linker", "fuse-ld", "link-self-contained"]
        .iter()
        .any(|word| flags.contains(word));
    env::var_os("RUSTC_LINKER").is_none() && !is_other
}
