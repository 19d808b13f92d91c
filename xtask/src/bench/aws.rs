//! AWS Secrets Manager: one secret, 500 of them, and 100 fields of five; counted.

use std::path::Path;

use super::ours::{self, TOKEN, Wanted};
use super::row::{Invocation, Limits, Row, Side};
use super::server::Upstream;
use super::{Bench, many, measured};
use crate::shell::Result;

/// As many as our own default.
const IN_FLIGHT: &str = "8";
const ONE: &str = "app/s0000";
const ONE_VALUE: &str = "value-of-app.s0000";

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let mut broken = one(bench)?;
    println!();
    broken.extend(many(bench)?);
    println!();
    broken.extend(documents(bench)?);
    Ok(broken)
}

/// One secret, at once.
fn one(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("aws")?;
    let mut upstream = Upstream::start(bench, 0)?;
    let words = ["get", "aws", upstream.address(), TOKEN, ONE, "value"];
    let floor = Invocation::new(&bench.yardstick, &words, &folder);
    let own = command(bench, &folder, upstream.address(), &[])?;
    let limits = Limits {
        requests: Some(1),
        instructions: Some(8.0),
        peak: Some(12.0),
        wall: Some(8.0),
        cpu: Some(8.0),
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

/// 500 secrets, 5 ms away, 20 a request.
fn many(bench: &Bench) -> Result<Vec<String>> {
    let limits = Limits {
        requests: Some(25),
        in_flight: Some(4),
        wall: Some(70.0),
        cpu: Some(25.0),
        ..Limits::default()
    };
    running(bench, "aws-run", &ours::separate(500), limits)
}

/// 100 variables out of 5 secrets, which fit into one request.
fn documents(bench: &Bench) -> Result<Vec<String>> {
    let limits = Limits {
        requests: Some(1),
        ..Limits::default()
    };
    running(bench, "aws-dedup", &ours::together(5, 20), limits)
}

fn running(bench: &Bench, name: &str, wanted: &[Wanted], limits: Limits) -> Result<Vec<String>> {
    let folder = bench.folder(name)?;
    let mut upstream = Upstream::start(bench, 5)?;
    let own = command(bench, &folder, upstream.address(), wanted)?;
    let floor = many::Floor {
        api: "aws",
        address: upstream.address(),
        in_flight: IN_FLIGHT,
    };
    let rows = many::rows(bench, &folder, &floor, own, wanted, limits)?;
    Ok(measured(bench, rows, 15, Some(&mut upstream))?.broken)
}

/// The access key and the region are in the environment.
fn command(bench: &Bench, folder: &Path, address: &str, wanted: &[Wanted]) -> Result<Invocation> {
    let text = format!(
        "default = \"main\"\n\n[providers.main]\ntype = \"aws-sm\"\nendpoint = \"http://{address}\"\n"
    );
    let own = ours::declared(bench, folder, text, wanted)?;
    Ok(own
        .with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", TOKEN)
        .with("AWS_REGION", "us-east-1"))
}
