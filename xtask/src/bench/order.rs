//! Lists the functions that typical commands run, for the linker to place together.
//!
//! The release program has no symbols. valgrind reports the addresses that ran, and the linker's map of the same program
//! maps them to functions.

mod calls;
mod map;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::cloud::{Cloud, Scene};
use super::commands::{self, Server};
use super::row::{Invocation, Limits, Row, Side};
use super::server::Upstream;
use super::{Bench, aws, azure, build, building, google, local, vault};
use crate::shell::{Result, at, cargo, described, has_tool, root, run, say, target};
use crate::workspace::relative;
use map::LinkMap;

const USAGE: &str = "usage: cargo xtask order";

/// Makes the command's build script ask the linker for a map.
const MAP: &str = "POLYSECRETS_LINK_MAP";
const LIST: &str = "crates/secrets-cli/start-order.txt";
/// A comment for readers; the linker ignores it.
const HEAD: &str =
    "# Made by `cargo xtask order`: functions that typical commands run, the most common first.\n";
/// The exit code of `run` if the program cannot be executed.
const NOT_EXECUTED: i32 = 126;
/// Secrets for a `run`.
const MANY: usize = 3;

pub(crate) fn command(words: &[&str]) -> Result<()> {
    if !words.is_empty() {
        return Err(USAGE.to_owned());
    }
    if !has_tool("valgrind") {
        return Err("valgrind is not installed; it finds the functions that run".to_owned());
    }
    let mut bench = Bench::new(false)?;
    let map = built(&mut bench)?;
    let mut profile = Profile::new(&bench, &map)?;
    stored(&bench, &mut profile)?;
    key_value(&bench, &mut profile)?;
    cloud(&bench, &aws::AWS, &mut profile)?;
    cloud(&bench, &google::GOOGLE, &mut profile)?;
    over_tls(&bench, &mut profile)?;
    let list = ordered(&profile.runs);
    if list.is_empty() {
        return Err(format!("no function of {} ran", map.display()));
    }
    let path = root().join(LIST);
    at(
        &path,
        fs::write(&path, format!("{HEAD}{}\n", list.join("\n"))),
    )?;
    println!(
        "{LIST}: {} functions from {} commands",
        list.len(),
        profile.runs.len()
    );
    Ok(())
}

/// Builds the programs and returns the linker's map of the release program.
fn built(bench: &mut Bench) -> Result<PathBuf> {
    let map = bench.folder.join("link-map.txt");
    run(building("polysecrets-cli", "secrets", &[]).env(MAP, &map))?;
    if !map.exists() {
        return Err(format!(
            "{}: the linker wrote no map; only Rust's linker for x86-64 Linux does. If the program was already linked, \
             touch crates/secrets-cli/build.rs",
            relative(&map)
        ));
    }
    build("xtask", "baseline", &[])?;
    // A debug build suffices, since it is not measured, and saves minutes.
    bench.fakes = target().join("debug/polysecrets-fakes");
    let words = ["build", "--quiet", "--package", "polysecrets-testkit"];
    let features = ["--bin", "polysecrets-fakes", "--features", "fakes"];
    run(cargo(words).args(features))?;
    Ok(map)
}

/// Commands with an encrypted file.
fn stored(bench: &Bench, profile: &mut Profile) -> Result<()> {
    let folder = bench.folder("order-file")?;
    let secret = ("db/password".to_owned(), "value-of-db.password".to_owned());
    let own = local::store(bench, &folder, &[secret])?;
    let path = folder.join("secrets.toml");
    let mut text = at(&path, fs::read_to_string(&path))?;
    text.push_str("\n[secrets.DB_PASSWORD]\nreference = \"db/password\"\n");
    commands::write(&path, &text)?;
    commands::write(
        &folder.join("config.yaml"),
        "db:\n  password: ${secret:db/password}\n",
    )?;
    for words in [
        &["get", "db/password"][..],
        &["list"],
        &["check"],
        &["render", "config.yaml"],
    ] {
        profile.follow(&own.with_arguments(words), 0)?;
    }
    profile.follow_run(&own)
}

fn key_value(bench: &Bench, profile: &mut Profile) -> Result<()> {
    let folder = bench.folder("order-vault")?;
    let upstream = Upstream::start(bench, 0)?;
    let server = Server::counting(upstream.address());
    profile.prove_and_follow(vault::single(bench, &folder, &server, false)?)?;
    let wanted = commands::separate(MANY);
    let rows = vault::running(bench, &folder, &upstream, &wanted, Limits::default())?;
    profile.prove_and_follow_run(rows)
}

fn cloud(bench: &Bench, cloud: &Cloud, profile: &mut Profile) -> Result<()> {
    let scene = Scene::new(bench, cloud, &format!("order-{}", cloud.api), 0)?;
    let wanted = commands::flat(MANY);
    profile.prove_and_follow(scene.get(&wanted[0], Limits::default())?)?;
    profile.prove_and_follow_run(scene.run(&wanted, Limits::default())?)
}

/// A service over TLS, which the counting server does not speak.
fn over_tls(bench: &Bench, profile: &mut Profile) -> Result<()> {
    let folder = bench.folder("order-azure")?;
    let fake = azure::Fake::start(bench)?;
    let wanted = commands::flat(1);
    let own = fake.command(bench, &folder, &wanted)?;
    azure::set(&own, &wanted[0])?;
    let reference = format!("main://{}", wanted[0].name);
    profile.follow(&own.with_arguments(&["get", &reference]), 0)
}

/// The functions that each command ran.
struct Profile {
    /// The path that valgrind reports.
    program: String,
    map: LinkMap,
    output: PathBuf,
    /// A path that cannot be executed.
    folder: PathBuf,
    runs: Vec<BTreeSet<String>>,
}

impl Profile {
    fn new(bench: &Bench, map: &Path) -> Result<Self> {
        let program = at(&bench.secrets, fs::canonicalize(&bench.secrets))?;
        let head = at(&program, fs::read(&program))?;
        let text = at(map, fs::read_to_string(map))?;
        let map = LinkMap::parse(&text)
            .filter(|map| map.describes(&head))
            .ok_or_else(|| {
                format!(
                    "{} is not the map of {}; remove it and touch crates/secrets-cli/build.rs",
                    relative(map),
                    relative(&program)
                )
            })?;
        Ok(Self {
            program: program.display().to_string(),
            map,
            output: bench.folder.join("callgrind.out"),
            folder: bench.folder.clone(),
            runs: Vec::new(),
        })
    }

    fn prove_and_follow(&mut self, rows: Vec<Row>) -> Result<()> {
        for row in verified_ours(rows)? {
            self.follow(&row.invocation, 0)?;
        }
        Ok(())
    }

    fn prove_and_follow_run(&mut self, rows: Vec<Row>) -> Result<()> {
        for row in verified_ours(rows)? {
            self.follow_run(&row.invocation)?;
        }
        Ok(())
    }

    /// Runs a `run` that cannot execute its program, since valgrind reports nothing once the command becomes another one.
    fn follow_run(&mut self, invocation: &Invocation) -> Result<()> {
        let folder = self.folder.display().to_string();
        self.follow(
            &invocation.with_arguments(&["run", "--", &folder]),
            NOT_EXECUTED,
        )
    }

    fn follow(&mut self, invocation: &Invocation, exit: i32) -> Result<()> {
        let options = [
            "--quiet",
            "--tool=callgrind",
            "--trace-children=no",
            "--dump-instr=yes",
            "--compress-strings=no",
            "--compress-pos=no",
            &format!("--callgrind-out-file={}", self.output.display()),
        ];
        let mut command = invocation.under("valgrind", &options);
        say(&described(&invocation.command()));
        let output = command
            .output()
            .map_err(|error| format!("cannot start {}: {error}", described(&command)))?;
        if output.status.code() != Some(exit) {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(format!(
                "{}: {}, not {exit}: {}",
                described(&command),
                output.status,
                reason.trim_end()
            ));
        }
        let text = at(&self.output, fs::read_to_string(&self.output))?;
        let functions = calls::executed(&text, &self.program)
            .into_iter()
            .filter_map(|address| self.map.function(address))
            .map(str::to_owned)
            .collect();
        self.runs.push(functions);
        Ok(())
    }
}

/// Our rows, each verified.
fn verified_ours(rows: Vec<Row>) -> Result<Vec<Row>> {
    rows.into_iter()
        .filter(|row| row.side == Side::Ours)
        .map(|row| row.prove().map(|()| row))
        .collect()
}

/// Sorts functions by the number of commands that run them, then by these commands, then by name.
fn ordered(runs: &[BTreeSet<String>]) -> Vec<&str> {
    let mut users: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, functions) in runs.iter().enumerate() {
        for function in functions {
            users.entry(function).or_default().push(number);
        }
    }
    let mut list: Vec<(&str, Vec<usize>)> = users.into_iter().collect();
    list.sort_by_cached_key(|(_, runs)| (Reverse(runs.len()), runs.clone()));
    list.into_iter().map(|(function, _)| function).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_sorted_by_their_commands() {
        let run = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let runs = [
            run(&["zeta", "main", "get", "parse"]),
            run(&["main", "list", "parse"]),
            run(&["main", "alpha", "get"]),
        ];
        let list = ["main", "parse", "get", "zeta", "list", "alpha"];
        assert_eq!(ordered(&runs), list);
        let mut turned: Vec<&str> = ordered(&runs[..1]);
        turned.dedup();
        assert_eq!(turned, ["get", "main", "parse", "zeta"]);
    }
}
