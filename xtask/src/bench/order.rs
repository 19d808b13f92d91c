//! The list by which the linker puts the functions of a start beside each other, made from what typical commands run.
//!
//! The program is the one that people install, whose names are stripped: valgrind tells the addresses that ran, and the
//! linker's map, written as that very program was linked, the function that each belongs to.

mod calls;
mod map;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::cloud::{Cloud, Scene};
use super::ours::{self, Server};
use super::row::{Invocation, Limits, Row, Side};
use super::server::Upstream;
use super::{Bench, aws, azure, build, building, google, local, vault};
use crate::shell::{Result, at, cargo, described, has_tool, root, run, say, target};
use crate::workspace::relative;
use map::LinkMap;

const USAGE: &str = "usage: cargo xtask order";

/// By which the build script of the command is told to have a map written.
const MAP: &str = "POLYSECRETS_LINK_MAP";
const LIST: &str = "crates/secrets-cli/start-order.txt";
/// A line for whoever opens the list; the linker passes over it.
const HEAD: &str = "# Made by `cargo xtask order`: functions that run in typical commands, those of most commands first.\n";
/// Of `run`, when the program cannot be executed.
const NOT_EXECUTED: i32 = 126;
/// So many secrets for a `run`.
const MANY: usize = 3;

pub(crate) fn command(words: &[&str]) -> Result<()> {
    if !words.is_empty() {
        return Err(USAGE.to_owned());
    }
    if !has_tool("valgrind") {
        return Err("valgrind is not installed, which tells what functions run".to_owned());
    }
    let mut bench = Bench::new(false)?;
    let map = built(&mut bench)?;
    let mut profile = Profile::of(&bench, &map)?;
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
        "{LIST}: {} functions of {} commands",
        list.len(),
        profile.runs.len()
    );
    Ok(())
}

/// Builds what runs, and gives the map of the release program.
fn built(bench: &mut Bench) -> Result<PathBuf> {
    let map = bench.folder.join("link-map.txt");
    run(building("polysecrets-cli", "secrets", &[]).env(MAP, &map))?;
    if !map.exists() {
        return Err(format!(
            "the linker wrote no {}: only the one that Rust brings for x86-64 Linux does, whenever it links; if this program \
             was linked before, touch crates/secrets-cli/build.rs",
            relative(&map)
        ));
    }
    build("xtask", "yardstick", &[])?;
    // Nobody measures it here, and a release of it would take minutes.
    bench.fakes = target().join("debug/polysecrets-fakes");
    let words = ["build", "--quiet", "--package", "polysecrets-testkit"];
    let features = ["--bin", "polysecrets-fakes", "--features", "fakes"];
    run(cargo(words).args(features))?;
    Ok(map)
}

/// What a person does with secrets in a project's encrypted file.
fn stored(bench: &Bench, profile: &mut Profile) -> Result<()> {
    let folder = bench.folder("order-file")?;
    let secret = ("db/password".to_owned(), "value-of-db.password".to_owned());
    let own = local::store(bench, &folder, &[secret])?;
    let path = folder.join("secrets.toml");
    let mut text = at(&path, fs::read_to_string(&path))?;
    text.push_str("\n[secrets.DB_PASSWORD]\nreference = \"db/password\"\n");
    ours::write(&path, &text)?;
    ours::write(
        &folder.join("config.yaml"),
        "db:\n  password: ${secret:db/password}\n",
    )?;
    for words in [
        &["get", "db/password"][..],
        &["list"],
        &["check"],
        &["render", "config.yaml"],
    ] {
        profile.follow(&own.asked(words), 0)?;
    }
    profile.follow_run(&own)
}

fn key_value(bench: &Bench, profile: &mut Profile) -> Result<()> {
    let folder = bench.folder("order-vault")?;
    let upstream = Upstream::start(bench, 0)?;
    let server = Server::counting(upstream.address());
    profile.prove_and_follow(vault::single(bench, &folder, &server, false)?)?;
    let wanted = ours::separate(MANY);
    let rows = vault::running(bench, &folder, &upstream, &wanted, Limits::default())?;
    profile.prove_and_follow_run(rows)
}

fn cloud(bench: &Bench, cloud: &Cloud, profile: &mut Profile) -> Result<()> {
    let scene = Scene::new(bench, cloud, &format!("order-{}", cloud.api), 0)?;
    let wanted = ours::flat(MANY);
    profile.prove_and_follow(scene.get(&wanted[0], Limits::default())?)?;
    profile.prove_and_follow_run(scene.run(&wanted, Limits::default())?)
}

/// As all services speak it; the counting server does not.
fn over_tls(bench: &Bench, profile: &mut Profile) -> Result<()> {
    let folder = bench.folder("order-azure")?;
    let fake = azure::Fake::start(bench)?;
    let wanted = ours::flat(1);
    let own = fake.command(bench, &folder, &wanted)?;
    azure::set(&own, &wanted[0])?;
    let reference = format!("main://{}", wanted[0].name);
    profile.follow(&own.asked(&["get", &reference]), 0)
}

/// Which functions each command ran.
struct Profile {
    /// As valgrind calls it.
    program: String,
    map: LinkMap,
    output: PathBuf,
    /// Not a program.
    folder: PathBuf,
    runs: Vec<BTreeSet<String>>,
}

impl Profile {
    fn of(bench: &Bench, map: &Path) -> Result<Self> {
        let program = at(&bench.secrets, fs::canonicalize(&bench.secrets))?;
        let head = at(&program, fs::read(&program))?;
        let text = at(map, fs::read_to_string(map))?;
        let map = LinkMap::parse(&text)
            .filter(|known| known.is_of(&head))
            .ok_or_else(|| {
                format!(
                    "{} is not the map of {}: remove it, and touch crates/secrets-cli/build.rs",
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
        for row in of_ours(rows)? {
            self.follow(&row.invocation, 0)?;
        }
        Ok(())
    }

    fn prove_and_follow_run(&mut self, rows: Vec<Row>) -> Result<()> {
        for row in of_ours(rows)? {
            self.follow_run(&row.invocation)?;
        }
        Ok(())
    }

    /// A `run` becomes the program that it is given, and valgrind tells nothing then: it is given none.
    fn follow_run(&mut self, invocation: &Invocation) -> Result<()> {
        let folder = self.folder.display().to_string();
        self.follow(&invocation.asked(&["run", "--", &folder]), NOT_EXECUTED)
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

/// Our rows, of which each does its work.
fn of_ours(rows: Vec<Row>) -> Result<Vec<Row>> {
    rows.into_iter()
        .filter(|row| row.side == Side::Ours)
        .map(|row| row.prove().map(|()| row))
        .collect()
}

/// Those of most commands first, those of the same commands together, and by their names where nothing else tells.
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
    fn those_of_most_commands_are_first_and_those_of_the_same_ones_together() {
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
