//! What our command costs beside the smallest thing that could do the same and beside the peers that are
//! installed, as counts and ratios.
//!
//! A group is a file with a function that prepares its rows; another group is one more line in [`GROUPS`].

mod aws;
mod azure;
mod cache;
mod cloud;
mod crashes;
mod first;
mod google;
mod local;
mod many;
mod mask;
mod measure;
mod order;
mod ours;
mod peers;
mod render;
mod report;
mod rivals;
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

/// Rows that are measured in turns, so that a noisy moment meets all of them.
struct Group {
    name: &'static str,
    /// Prints what it measured, and gives the gates that are broken.
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
        name: "first",
        run: first::run,
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

/// What every group finds ready.
pub(crate) struct Bench {
    /// The release build of the command.
    secrets: PathBuf,
    /// The same without cloud services, where it was built.
    lean: PathBuf,
    /// The floor and the counting server.
    yardstick: PathBuf,
    /// Stand-ins for services that cannot be run here.
    fakes: PathBuf,
    /// To build what stands on AWS's SDK and is not ours, which takes minutes.
    aws_sdk: bool,
    peers: Peers,
    tools: Tools,
    /// Where groups make their files.
    folder: PathBuf,
}

impl Bench {
    fn new(aws_sdk: bool) -> Result<Self> {
        let folder = target().join("bench");
        at(&folder, std::fs::create_dir_all(&folder))?;
        Ok(Self {
            secrets: target().join("release/secrets"),
            lean: folder.join("secrets-lean"),
            yardstick: target().join("release/yardstick"),
            fakes: target().join("release/polysecrets-fakes"),
            aws_sdk,
            peers: Peers::find(),
            tools: Tools::find(),
            folder,
        })
    }

    /// An empty folder for a group.
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
    // Whoever measures two builds against each other builds them; cargo would undo it.
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
                "no group is called {word}; there are {}\n{USAGE}",
                known.join(", ")
            ));
        }
    }
    let is_chosen = |name: &str| chosen.is_empty() || chosen.contains(&name);
    let bench = Bench::new(words.contains(&AWS_SDK))?;
    if !built {
        if is_chosen("size") {
            // Before the whole one, whose place it takes.
            build("polysecrets-cli", "secrets", size::LEAN)?;
            at(&bench.lean, std::fs::copy(&bench.secrets, &bench.lean))?;
        }
        if is_chosen("azure") {
            let features = ["--features", "fakes"];
            build("polysecrets-testkit", "polysecrets-fakes", &features)?;
        }
        build("polysecrets-cli", "secrets", &[])?;
        build("xtask", "yardstick", &[])?;
    }
    bench.peers.tell();
    let mut broken = Vec::new();
    for group in GROUPS {
        if is_chosen(group.name) {
            println!("\n{}", group.name);
            // One group that cannot be measured must not hide the others.
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
            "{} broken\nxtask: {}",
            broken.len(),
            broken.join("\nxtask: ")
        ))
    }
}

fn build(package: &str, program: &str, features: &[&str]) -> Result<()> {
    run(&mut building(package, program, features))
}

/// Cargo, about to build a release program.
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

/// What came of a table.
struct Measured {
    costs: Vec<(Row, Cost)>,
    /// The gates that are broken.
    broken: Vec<String>,
}

/// Proves, measures and prints rows, and judges their limits.
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

/// The rows that do their work. A peer that does not is told and left out.
fn proved(rows: Vec<Row>) -> Result<Vec<Row>> {
    let mut kept = Vec::new();
    for row in rows {
        match row.prove() {
            Ok(()) => kept.push(row),
            Err(reason) if row.side == Side::Peer => {
                println!("  {} is left out: {reason}", row.name);
            }
            Err(reason) => return Err(format!("{}: {reason}", row.name)),
        }
    }
    Ok(kept)
}
