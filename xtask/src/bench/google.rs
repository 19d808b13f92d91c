//! Google Secret Manager: one secret, and 100 of them; counted.

use std::path::Path;

use super::ours::{self, TOKEN, Wanted};
use super::row::{Invocation, Limits, Row, Side};
use super::server::Upstream;
use super::{Bench, many, measured};
use crate::shell::Result;

/// As many as our own default.
const IN_FLIGHT: &str = "32";
const ONE: &str = "app-s0000";
const ONE_VALUE: &str = "value-of-app-s0000";

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let mut broken = one(bench)?;
    println!();
    broken.extend(many(bench)?);
    Ok(broken)
}

/// One secret, at once.
fn one(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("gcp")?;
    let mut upstream = Upstream::start(bench, 0)?;
    let words = ["get", "google", upstream.address(), TOKEN, ONE, "value"];
    let floor = Invocation::new(&bench.yardstick, &words, &folder);
    let own = command(bench, &folder, upstream.address(), &[])?;
    let limits = Limits {
        requests: Some(1),
        instructions: Some(8.0),
        peak: Some(12.0),
        wall: Some(8.0),
        ..Limits::default()
    };
    let rows = vec![
        Row::new("floor get", Side::Floor, floor).printing(ONE_VALUE),
        Row::new(
            "secrets get",
            Side::Ours,
            own.asked(&["get", &format!("main://{ONE}")]),
        )
        .printing(ONE_VALUE)
        .within(limits),
    ];
    Ok(measured(bench, rows, 31, Some(&mut upstream))?.broken)
}

/// 100 secrets, 5 ms away.
fn many(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("gcp-run")?;
    let mut upstream = Upstream::start(bench, 5)?;
    let wanted = ours::flat(100);
    let own = command(bench, &folder, upstream.address(), &wanted)?;
    let floor = many::Floor {
        api: "google",
        address: upstream.address(),
        in_flight: IN_FLIGHT,
    };
    let limits = Limits {
        requests: Some(100),
        in_flight: Some(24),
        gated_ratio: Some(1.5),
        ..Limits::default()
    };
    let rows = many::rows(bench, &folder, &floor, own, &wanted, limits)?;
    Ok(measured(bench, rows, 15, Some(&mut upstream))?.broken)
}

/// The access token is in the environment.
fn command(bench: &Bench, folder: &Path, address: &str, wanted: &[Wanted]) -> Result<Invocation> {
    let text = format!(
        "default = \"main\"\n\n[providers.main]\ntype = \"gcp-sm\"\nproject_id = \"bench\"\n\
         endpoint = \"http://{address}\"\n"
    );
    let own = ours::declared(bench, folder, text, wanted)?;
    Ok(own.with("CLOUDSDK_AUTH_ACCESS_TOKEN", TOKEN))
}
