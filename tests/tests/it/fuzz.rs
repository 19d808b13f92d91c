//! Runs the fuzz targets on their corpus. `cargo xtask test -p fuzz` runs them on generated inputs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a library to the fuzzers")]
mod targets;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// The files of a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_folder_of_the_corpus_belongs_to_a_target() {
    let names = files(&corpus()).into_iter();
    let folders: BTreeSet<String> = names
        .map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let targets = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned());
    assert_eq!(folders, targets.collect());
    let programs = files(&corpus().with_file_name("src").join("bin")).into_iter();
    let programs: BTreeSet<String> = programs
        .map(|program| program.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(programs, folders);
}

#[test]
fn every_target_accepts_its_corpus() {
    for (name, target) in targets::TARGETS {
        let seeds = files(&corpus().join(name));
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            // The test runner shows this only on failure.
            println!("{}", seed.display());
            target(&fs::read(&seed).unwrap());
        }
    }
}
