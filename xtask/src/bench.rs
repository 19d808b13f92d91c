//! Measures the command beside a minimal baseline and the peers that are installed, in counts and ratios.
//!
//! A group is a file with a function that prepares its rows. List new groups in [`GROUPS`].

mod aws;
mod azure;
mod cache;
mod cloud;
mod commands;
mod competitors;
mod crashes;
mod first_byte;
mod google;
mod local;
mod many;
mod mask;
mod measure;
mod order;
mod peers;
mod render;
mod report;
mod row;
mod server;
mod size;
mod startup;
mod vault;

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{Result, at, cargo, run, say, target};
use measure::{Cost, Tools};
pub(crate) use order::command as order;
use peers::Peers;
use row::{Row, Side};
use server::Upstream;

const USAGE: &str = "usage: cargo xtask bench [--built] [--aws-sdk] [GROUP...]";

const BUILT: &str = "--built";
const AWS_SDK: &str = "--aws-sdk";

/// Rows that are measured in turns, so noise affects all of them.
struct Group {
    name: &'static str,
    /// Prints the measurements and returns the broken gates.
    run: fn(&Bench) -> Result<Vec<String>>,
}

const GROUPS: &[Group] = &[
    Group {
        name: "size",
        run: size::run,
    },
    Group {
        name: "startup",
        run: startup::run,
    },
    Group {
        name: "local",
        run: local::run,
    },
    Group {
        name: "vault",
        run: vault::one,
    },
    Group {
        name: "openbao",
        run: vault::real,
    },
    Group {
        name: "run",
        run: vault::many,
    },
    Group {
        name: "dedup",
        run: vault::documents,
    },
    Group {
        name: "aws",
        run: aws::run,
    },
    Group {
        name: "gcp",
        run: google::run,
    },
    Group {
        name: "azure",
        run: azure::run,
    },
    Group {
        name: "first_byte",
        run: first_byte::run,
    },
    Group {
        name: "render",
        run: render::run,
    },
    Group {
        name: "cache",
        run: cache::run,
    },
    Group {
        name: "mask",
        run: mask::run,
    },
    Group {
        name: "crashes",
        run: crashes::run,
    },
];

/// Shared by all groups.
pub(crate) struct Bench {
    /// The release build of the command.
    secrets: PathBuf,
    /// The command without cloud services, if it was built.
    lean: PathBuf,
    /// The baseline and counting server.
    baseline: PathBuf,
    /// Fakes of services that cannot run locally.
    fakes: PathBuf,
    /// Whether to build the competitors that use AWS's SDK, which takes minutes.
    aws_sdk: bool,
    peers: Peers,
    tools: Tools,
    /// The folder for the files of the groups.
    folder: PathBuf,
}

impl Bench {
    fn new(aws_sdk: bool) -> Result<Self> {
        let folder = target().join("bench");
        at(&folder, std::fs::create_dir_all(&folder))?;
        Ok(Self {
            secrets: target().join("release/secrets"),
            lean: folder.join("secrets-lean"),
            baseline: target().join("release/baseline"),
            fakes: target().join("release/polysecrets-fakes"),
            aws_sdk,
            peers: Peers::find(),
            tools: Tools::find(),
            folder,
        })
    }

    /// Creates an empty folder for a group.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            at(&folder, std::fs::remove_dir_all(&folder))?;
        }
        at(&folder, std::fs::create_dir_all(&folder))?;
        Ok(folder)
    }
}

pub(crate) fn command(words: &[&str]) -> Result<()> {
    // When comparing two builds, the user builds them; cargo would replace them.
    let built = words.contains(&BUILT);
    let chosen: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| ![BUILT, AWS_SDK].contains(word))
        .collect();
    for word in &chosen {
        if !GROUPS.iter().any(|group| group.name == *word) {
            let known: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
            return Err(format!(
                "unknown group: {word}; expected one of {}\n{USAGE}",
                known.join(", ")
            ));
        }
    }
    let is_chosen = |name: &str| chosen.is_empty() || chosen.contains(&name);
    let bench = Bench::new(words.contains(&AWS_SDK))?;
    if !built {
        if is_chosen("size") {
            // Build it first, since both use the same path.
            build("polysecrets-cli", "secrets", size::LEAN)?;
            at(&bench.lean, std::fs::copy(&bench.secrets, &bench.lean))?;
        }
        if is_chosen("azure") {
            let features = ["--features", "fakes"];
            build("polysecrets-testkit", "polysecrets-fakes", &features)?;
        }
        build("polysecrets-cli", "secrets", &[])?;
        build("xtask", "baseline", &[])?;
    }
    bench.peers.print();
    let mut broken = Vec::new();
    for group in GROUPS {
        if is_chosen(group.name) {
            println!("\n{}", group.name);
            // A failing group must not hide the others.
            match (group.run)(&bench) {
                Ok(gates) => broken.extend(gates),
                Err(reason) => {
                    println!("  FAILED {reason}");
                    broken.push(format!("{}: {reason}", group.name));
                }
            }
        }
    }
    if broken.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "{} broken gates\nxtask: {}",
            broken.len(),
            broken.join("\nxtask: ")
        ))
    }
}

fn build(package: &str, program: &str, features: &[&str]) -> Result<()> {
    run(&mut building(package, program, features))
}

/// The cargo command that builds a release program.
fn building(package: &str, program: &str, features: &[&str]) -> Command {
    say(&format!(
        "building the release program {program} {}",
        features.join(" ")
    ));
    let words = [
        "build",
        "--release",
        "--quiet",
        "--package",
        package,
        "--bin",
        program,
    ];
    let mut command = cargo(words);
    command.args(features);
    command
}

/// The results of a table.
struct Measured {
    costs: Vec<(Row, Cost)>,
    /// The broken gates.
    broken: Vec<String>,
}

/// Verifies, measures and prints rows, and checks their limits.
fn measured(
    bench: &Bench,
    rows: Vec<Row>,
    rounds: usize,
    upstream: Option<&mut Upstream>,
) -> Result<Measured> {
    let rows = proved(rows)?;
    let costs = measure::all(&rows, rounds, upstream, bench.tools)?;
    print!("{}", report::table(&rows, &costs));
    let verdicts: Vec<_> = rows
        .iter()
        .zip(&costs)
        .flat_map(|(row, cost)| report::verdicts(&row.name, &row.limits, cost))
        .collect();
    let broken = report::judge(&verdicts);
    Ok(Measured {
        costs: rows.into_iter().zip(costs).collect(),
        broken,
    })
}

/// The rows that print the expected output. Reports and leaves out a peer that does not.
fn proved(rows: Vec<Row>) -> Result<Vec<Row>> {
    let mut kept = Vec::new();
    for row in rows {
        match row.prove() {
            Ok(()) => kept.push(row),
            Err(reason) if row.side == Side::Peer => {
                println!("  skipped {}: {reason}", row.name);
            }
            Err(reason) => return Err(format!("{}: {reason}", row.name)),
        }
    }
    Ok(kept)
}
