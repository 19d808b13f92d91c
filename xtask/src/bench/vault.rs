//! Secrets from a key/value server: one, many, and many in few documents, from the counting server and from OpenBao.

use std::path::Path;
use std::process::Command;

use super::commands::{self, Server, TOKEN, Wanted};
use super::row::{Invocation, Limits, Row, Side, output};
use super::server::Upstream;
use super::{Bench, many, measured, peers};
use crate::servers;
use crate::shell::Result;

/// The default of our provider.
const IN_FLIGHT: &str = "16";
const ONE: &str = "app/s0000";
const ONE_VALUE: &str = "value-of-app.s0000";

/// One secret from a server without delay.
pub(super) fn one(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("vault")?;
    let mut upstream = Upstream::start(bench, 0)?;
    let server = Server::counting(upstream.address());
    let mut rows = single(bench, &folder, &server, true)?;
    rows.extend(peers_one(bench, &folder, &server)?);
    Ok(measured(bench, rows, 31, Some(&mut upstream))?.broken)
}

/// One secret from OpenBao, over HTTP and TLS.
pub(super) fn real(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("openbao")?;
    let running = servers::running()?;
    let own = if running.is_none() {
        Some(servers::start_own()?)
    } else {
        None
    };
    let variables = running
        .or_else(|| own.as_ref().map(servers::Guard::variables))
        .unwrap_or_default();
    let read = |name: &str| {
        variables
            .iter()
            .find(|(variable, _)| variable == name)
            .map(|(_, value)| value.clone())
            .ok_or_else(|| format!("the test servers do not set {name}"))
    };
    let server = Server {
        address: read("POLYSECRETS_TEST_BAO_ADDR")?,
        token: read("POLYSECRETS_TEST_BAO_TOKEN")?,
        ca: None,
    };
    let encrypted = Server {
        address: read("POLYSECRETS_TEST_BAO_TLS_ADDR")?,
        token: read("POLYSECRETS_TEST_BAO_TLS_TOKEN")?,
        ca: Some(read("POLYSECRETS_TEST_BAO_TLS_CA")?),
    };
    let bao = read("POLYSECRETS_TEST_BAO_BIN")?;
    seed(&bao, &folder, &server)?;
    seed(&bao, &folder, &encrypted)?;
    let mut rows = single(bench, &folder, &server, false)?;
    let place = bench.folder("openbao-tls")?;
    let own = commands::vault(bench, &place, &encrypted, &[])?;
    rows.push(
        Row::new(
            "secrets get, TLS",
            Side::Ours,
            own.with_arguments(&["get", &reference()]),
        )
        .printing(ONE_VALUE),
    );
    rows.extend(peers_one(bench, &folder, &server)?);
    Ok(measured(bench, rows, 31, None)?.broken)
}

/// 500 secrets in 500 documents, with 5 ms delay.
pub(super) fn many(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("run")?;
    let mut upstream = Upstream::start(bench, 5)?;
    let wanted = commands::separate(500);
    let limits = Limits {
        requests: Some(500),
        in_flight: Some(8),
        peak: Some(20.0),
        cpu: Some(60.0),
        ratio: Some(1.1),
        ..Limits::default()
    };
    let mut rows = running(bench, &folder, &upstream, &wanted, limits)?;
    rows.extend(peers_many(bench, &folder, &upstream, &wanted)?);
    Ok(measured(bench, rows, 15, Some(&mut upstream))?.broken)
}

/// 100 variables from 5 documents, with 5 ms delay.
pub(super) fn documents(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("dedup")?;
    let mut upstream = Upstream::start(bench, 5)?;
    let limits = Limits {
        requests: Some(5),
        ..Limits::default()
    };
    let rows = running(
        bench,
        &folder,
        &upstream,
        &commands::together(5, 20),
        limits,
    )?;
    Ok(measured(bench, rows, 15, Some(&mut upstream))?.broken)
}

/// `get` of the baseline and of our command.
pub(super) fn single(
    bench: &Bench,
    folder: &Path,
    server: &Server,
    counted: bool,
) -> Result<Vec<Row>> {
    let address = server.address.trim_start_matches("http://");
    let words = ["get", "vault", address, &server.token, ONE, "value"];
    let floor = Invocation::new(&bench.baseline, &words, folder);
    let own = commands::vault(bench, folder, server, &[])?.with_arguments(&["get", &reference()]);
    let limits = Limits {
        requests: counted.then_some(1),
        instructions: Some(8.0),
        peak: Some(10.0),
        wall: Some(7.0),
        ..Limits::default()
    };
    Ok(vec![
        Row::new("floor get", Side::Floor, floor).printing(ONE_VALUE),
        Row::new("secrets get", Side::Ours, own)
            .printing(ONE_VALUE)
            .within(limits),
    ])
}

fn reference() -> String {
    format!("main://{ONE}")
}

/// `run` of the baseline and of our command.
pub(super) fn running(
    bench: &Bench,
    folder: &Path,
    upstream: &Upstream,
    wanted: &[Wanted],
    limits: Limits,
) -> Result<Vec<Row>> {
    let address = upstream.address();
    let own = commands::vault(bench, folder, &Server::counting(address), wanted)?;
    let floor = many::Floor {
        api: "vault",
        address,
        in_flight: IN_FLIGHT,
    };
    many::rows(bench, folder, &floor, own, wanted, limits)
}

fn seed(bao: &str, folder: &Path, server: &Server) -> Result<()> {
    let pairs = [
        (ONE, ONE_VALUE),
        (
            "secretspec/bench/default/S0000",
            "value-of-secretspec.bench.default.S0000",
        ),
    ];
    for (name, value) in pairs {
        let mut command = Command::new(bao);
        command
            .args([
                "kv",
                "put",
                "-mount=secret",
                name,
                &format!("value={value}"),
            ])
            .env("HOME", folder)
            .env("BAO_ADDR", &server.address)
            .env("BAO_TOKEN", &server.token);
        if let Some(ca) = &server.ca {
            command.env("BAO_CACERT", ca);
        }
        output(&mut command)?;
    }
    Ok(())
}

fn peers_one(bench: &Bench, folder: &Path, server: &Server) -> Result<Vec<Row>> {
    let (server, token) = (server.address.as_str(), server.token.as_str());
    let mut rows = Vec::new();
    let host = server.trim_start_matches("http://");
    let known = |invocation: Invocation| {
        invocation
            .with("VAULT_ADDR", server)
            .with("VAULT_TOKEN", token)
    };
    if let Some(path) = bench.peers.path("secretspec") {
        peers::declare_for_secretspec(folder, &commands::separate(1))?;
        let provider = format!("vault://{host}/secret?tls=false");
        let words = ["get", "S0000", "--provider", &provider];
        let invocation = known(Invocation::new(path, &words, folder));
        rows.push(
            Row::new("secretspec get", Side::Peer, invocation)
                .printing("value-of-secretspec.bench.default.S0000"),
        );
    }
    if let Some(path) = bench.peers.path("teller") {
        declare_for_teller(folder, &commands::separate(1))?;
        let invocation = known(Invocation::new(path, &["env"], folder));
        rows.push(Row::new("teller env", Side::Peer, invocation));
    }
    if let Some(path) = bench.peers.path("fnox") {
        let text = format!(
            "[providers]\nv = {{ type = \"vault\", address = \"{server}\", path = \"secret/app\" }}\n\n\
             [secrets]\nS0000 = {{ provider = \"v\", value = \"s0000/value\" }}\n"
        );
        commands::write(&folder.join("fnox.toml"), &text)?;
        let invocation = known(Invocation::new(path, &["get", "S0000"], folder));
        rows.push(Row::new("fnox get", Side::Peer, invocation).printing(ONE_VALUE));
    }
    if let Some(path) = bench.peers.path("bao") {
        let words = ["kv", "get", "-mount=secret", "-field=value", ONE];
        let invocation = Invocation::new(path, &words, folder)
            .with("BAO_ADDR", server)
            .with("BAO_TOKEN", token);
        // callgrind would take two seconds per run and add nothing.
        rows.push(
            Row::new("bao kv get", Side::Peer, invocation)
                .printing(ONE_VALUE)
                .uncounted(),
        );
    }
    Ok(rows)
}

/// Without fnox and bao, which start a process for each secret and would take minutes.
fn peers_many(
    bench: &Bench,
    folder: &Path,
    upstream: &Upstream,
    wanted: &[Wanted],
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let server = format!("http://{}", upstream.address());
    let known = |invocation: Invocation| {
        invocation
            .with("VAULT_ADDR", &server)
            .with("VAULT_TOKEN", TOKEN)
    };
    if let Some(path) = bench.peers.path("secretspec") {
        peers::declare_for_secretspec(folder, wanted)?;
        let provider = format!("vault://{}/secret?tls=false", upstream.address());
        let words = ["run", "--provider", &provider, "--", "/bin/true"];
        let invocation = known(Invocation::new(path, &words, folder));
        rows.push(Row::new("secretspec run", Side::Peer, invocation).uncounted());
    }
    if let Some(path) = bench.peers.path("teller") {
        declare_for_teller(folder, wanted)?;
        let words = ["run", "--", "/usr/bin/true"];
        let invocation = known(Invocation::new(path, &words, folder));
        rows.push(Row::new("teller run", Side::Peer, invocation).uncounted());
    }
    Ok(rows)
}

fn declare_for_teller(folder: &Path, wanted: &[Wanted]) -> Result<()> {
    let maps: Vec<String> = wanted
        .iter()
        .map(|one| {
            format!(
                "      - id: {}\n        path: secret/{}\n        keys:\n          {}: {}\n",
                one.variable, one.name, one.field, one.variable
            )
        })
        .collect();
    let text = format!(
        "providers:\n  v:\n    kind: hashicorp\n    maps:\n{}",
        maps.concat()
    );
    commands::write(&folder.join(".teller.yml"), &text).map(drop)
}
