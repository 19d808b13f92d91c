//! Links the functions that run at startup next to each other, which halves the pages that the system has to map; see
//! "Size, and what of it is in memory" in docs/performance.md.
#![allow(clippy::print_stdout, reason = "cargo reads it")]

use std::env;
use std::path::Path;

/// Not part of the published package. The linker skips names that it does not find, so an outdated list only costs memory.
const ORDER: &str = "start-order.txt";
/// Names the file for the linker's map, from which `cargo xtask order` makes the list.
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
            // The list needs mangled names.
            pass("--no-demangle");
        }
    }
}

/// As two arguments, because `-Wl,` would split a path at its commas.
fn pass(option: &str) {
    println!("cargo::rustc-link-arg-bins=-Xlinker");
    println!("cargo::rustc-link-arg-bins={option}");
}

/// Whether the linker is the one that ships with Rust. Others do not know these options.
fn links_with_lld() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_other = ["linker", "fuse-ld", "link-self-contained"]
        .iter()
        .any(|word| flags.contains(word));
    env::var_os("RUSTC_LINKER").is_none() && !is_other
}
