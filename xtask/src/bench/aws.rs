//! AWS Secrets Manager: one secret, 500 secrets, and 100 fields of five secrets, beside AWS's SDK and the peers.

use std::path::Path;

use super::cloud::{Cloud, Scene};
use super::commands::{self, TOKEN, Wanted};
use super::row::{Invocation, Limits, Row, Side};
use super::{Bench, competitors, many, peers};
use crate::shell::Result;

const REGION: &str = "us-east-1";
/// Access key and region, as environment variables.
const CREDENTIALS: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", TOKEN),
    ("AWS_REGION", REGION),
];
pub(super) const AWS: Cloud = Cloud {
    api: "aws",
    in_flight: "8",
    settings: "type = \"aws-sm\"",
    credentials: CREDENTIALS,
};

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let sdk = competitors::bare_sdk(bench)?;
    let others = Others {
        sdk: sdk.as_deref(),
        fnox: bench.peers.path("fnox"),
        secretspec: bench.peers.path("secretspec"),
    };
    let mut broken = one(bench, &others)?;
    println!();
    broken.extend(many(bench, &others)?);
    println!();
    broken.extend(documents(bench)?);
    Ok(broken)
}

/// One secret from a server without delay.
fn one(bench: &Bench, others: &Others<'_>) -> Result<Vec<String>> {
    let scene = Scene::new(bench, &AWS, "aws", 0)?;
    let limits = Limits {
        requests: Some(1),
        instructions: Some(8.0),
        peak: Some(12.0),
        wall: Some(8.0),
        cpu: Some(8.0),
        ..Limits::default()
    };
    let wanted = commands::separate(1);
    let mut rows = scene.get(&wanted[0], limits)?;
    rows.extend(others.get(&scene, &wanted)?);
    scene.measured(rows, 31)
}

/// 500 secrets, 20 per request, with 5 ms delay.
fn many(bench: &Bench, others: &Others<'_>) -> Result<Vec<String>> {
    let scene = Scene::new(bench, &AWS, "aws-run", 5)?;
    let limits = Limits {
        requests: Some(25),
        in_flight: Some(4),
        wall: Some(70.0),
        cpu: Some(25.0),
        ..Limits::default()
    };
    let wanted = commands::separate(500);
    let mut rows = scene.run(&wanted, limits)?;
    rows.extend(others.run(&scene, &wanted)?);
    scene.measured(rows, 15)
}

/// 100 variables from 5 secrets, which fit in one request.
fn documents(bench: &Bench) -> Result<Vec<String>> {
    let scene = Scene::new(bench, &AWS, "aws-dedup", 5)?;
    let limits = Limits {
        requests: Some(1),
        ..Limits::default()
    };
    let rows = scene.run(&commands::together(5, 20), limits)?;
    scene.measured(rows, 15)
}

/// Other programs that read from AWS, if installed.
struct Others<'a> {
    sdk: Option<&'a Path>,
    fnox: Option<&'a Path>,
    secretspec: Option<&'a Path>,
}

impl Others<'_> {
    fn get(&self, scene: &Scene<'_>, wanted: &[Wanted]) -> Result<Vec<Row>> {
        let one = &wanted[0];
        let mut rows = Vec::new();
        let mut add = |name: &str, path: &Path, words: &[&str], value: String| {
            rows.push(Row::new(name, Side::Peer, asking(scene, path, words)).printing(value));
        };
        if let Some(path) = self.sdk {
            add(
                "bare SDK get",
                path,
                &["get", &one.name],
                commands::value(one),
            );
        }
        if let Some(path) = self.fnox {
            declare_for_fnox(scene.folder(), wanted)?;
            add(
                "fnox get",
                path,
                &["get", &one.variable],
                commands::value(one),
            );
        }
        if let Some(path) = self.secretspec {
            peers::declare_for_secretspec(scene.folder(), wanted)?;
            let words = ["get", &one.variable, "--provider", &secretspec()];
            add("secretspec get", path, &words, peers::secretspec_value(one));
        }
        Ok(rows)
    }

    fn run(&self, scene: &Scene<'_>, wanted: &[Wanted]) -> Result<Vec<Row>> {
        let folder = scene.folder();
        let script = many::script(folder, wanted)?;
        let mut rows = Vec::new();
        let mut add = |name: &str, path: &Path, words: &[&str], values: String| {
            let row = Row::new(
                name,
                Side::Peer,
                asking(scene, path, &[words, &["/bin/true"]].concat()),
            );
            let proof = [words, &["/bin/sh", &script]].concat();
            rows.push(row.proved_by(&proof, values).uncounted());
        };
        if let Some(path) = self.sdk {
            let names = commands::names_file(folder, wanted)?.display().to_string();
            let words = ["run", &names, "--"];
            add("bare SDK run", path, &words, many::values(wanted));
        }
        if let Some(path) = self.fnox {
            declare_for_fnox(folder, wanted)?;
            add("fnox exec", path, &["exec", "--"], many::values(wanted));
        }
        if let Some(path) = self.secretspec {
            peers::declare_for_secretspec(folder, wanted)?;
            let values: Vec<String> = wanted.iter().map(peers::secretspec_value).collect();
            let words = ["run", "--provider", &secretspec(), "--"];
            add("secretspec run", path, &words, values.join("\n"));
        }
        Ok(rows)
    }
}

/// Another program, with the variables that AWS's SDK reads.
fn asking(scene: &Scene<'_>, path: &Path, words: &[&str]) -> Invocation {
    let endpoint = format!("http://{}", scene.address());
    let invocation =
        Invocation::new(path, words, scene.folder()).with("AWS_ENDPOINT_URL", endpoint);
    let credentials = CREDENTIALS.iter();
    credentials.fold(invocation, |invocation, (name, value)| {
        invocation.with(name, *value)
    })
}

fn secretspec() -> String {
    format!("awssm://{REGION}")
}

fn declare_for_fnox(folder: &Path, wanted: &[Wanted]) -> Result<()> {
    let lines: Vec<String> = wanted
        .iter()
        .map(|one| {
            format!(
                "{} = {{ provider = \"a\", value = \"{}\" }}\n",
                one.variable, one.name
            )
        })
        .collect();
    let text = format!(
        "[providers]\na = {{ type = \"aws-sm\", region = \"{REGION}\" }}\n\n[secrets]\n{}",
        lines.concat()
    );
    commands::write(&folder.join("fnox.toml"), &text).map(drop)
}
