//! Google Secret Manager: one secret and 100 secrets.

use super::Bench;
use super::cloud::{Cloud, Scene};
use super::commands::{self, TOKEN};
use super::row::Limits;
use crate::shell::Result;

/// The access token, as an environment variable.
pub(super) const GOOGLE: Cloud = Cloud {
    api: "google",
    in_flight: "32",
    settings: "type = \"gcp-sm\"\nproject_id = \"bench\"",
    credentials: &[("CLOUDSDK_AUTH_ACCESS_TOKEN", TOKEN)],
};

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let mut broken = one(bench)?;
    println!();
    broken.extend(many(bench)?);
    Ok(broken)
}

/// One secret from a server without delay.
fn one(bench: &Bench) -> Result<Vec<String>> {
    let scene = Scene::new(bench, &GOOGLE, "gcp", 0)?;
    let limits = Limits {
        requests: Some(1),
        instructions: Some(8.0),
        peak: Some(12.0),
        wall: Some(8.0),
        ..Limits::default()
    };
    let rows = scene.get(&commands::flat(1)[0], limits)?;
    scene.measured(rows, 31)
}

/// 100 secrets with 5 ms delay.
fn many(bench: &Bench) -> Result<Vec<String>> {
    let scene = Scene::new(bench, &GOOGLE, "gcp-run", 5)?;
    let limits = Limits {
        requests: Some(100),
        in_flight: Some(24),
        gated_ratio: Some(1.5),
        ..Limits::default()
    };
    let rows = scene.run(&commands::flat(100), limits)?;
    scene.measured(rows, 15)
}
