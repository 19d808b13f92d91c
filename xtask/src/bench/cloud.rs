//! `get` and `run` of the baseline and of our command, from a counting server that speaks a cloud's API.

use std::path::{Path, PathBuf};

use super::commands::{self, TOKEN, Wanted};
use super::row::{Invocation, Limits, Row, Side};
use super::server::Upstream;
use super::{Bench, many, measured};
use crate::shell::Result;

/// A service and the settings for the counting server.
pub(super) struct Cloud {
    /// The API's name in `baseline`.
    pub(super) api: &'static str,
    /// The default of our provider.
    pub(super) in_flight: &'static str,
    /// Lines of the provider's configuration, without the endpoint.
    pub(super) settings: &'static str,
    pub(super) credentials: &'static [(&'static str, &'static str)],
}

/// A folder and a server for one table.
pub(super) struct Scene<'a> {
    bench: &'a Bench,
    cloud: &'a Cloud,
    folder: PathBuf,
    upstream: Upstream,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        bench: &'a Bench,
        cloud: &'a Cloud,
        name: &str,
        delay_ms: u64,
    ) -> Result<Self> {
        Ok(Self {
            bench,
            cloud,
            folder: bench.folder(name)?,
            upstream: Upstream::start(bench, delay_ms)?,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Host and port.
    pub(super) fn address(&self) -> &str {
        self.upstream.address()
    }

    /// Reads one secret.
    pub(super) fn get(&self, one: &Wanted, limits: Limits) -> Result<Vec<Row>> {
        let Wanted { name, field, .. } = one;
        let words = ["get", self.cloud.api, self.address(), TOKEN, name, field];
        let floor = Invocation::new(&self.bench.baseline, &words, &self.folder);
        let own = self
            .command(&[])?
            .with_arguments(&["get", &format!("main://{name}")]);
        let value = commands::value(one);
        Ok(vec![
            Row::new("floor get", Side::Floor, floor).printing(&value),
            Row::new("secrets get", Side::Ours, own)
                .printing(&value)
                .within(limits),
        ])
    }

    /// Runs a program with these secrets in its environment.
    pub(super) fn run(&self, wanted: &[Wanted], limits: Limits) -> Result<Vec<Row>> {
        let floor = many::Floor {
            api: self.cloud.api,
            address: self.address(),
            in_flight: self.cloud.in_flight,
        };
        let own = self.command(wanted)?;
        many::rows(self.bench, &self.folder, &floor, own, wanted, limits)
    }

    /// Returns the broken gates.
    pub(super) fn measured(mut self, rows: Vec<Row>, rounds: usize) -> Result<Vec<String>> {
        Ok(measured(self.bench, rows, rounds, Some(&mut self.upstream))?.broken)
    }

    fn command(&self, wanted: &[Wanted]) -> Result<Invocation> {
        let text = format!(
            "default = \"main\"\n\n[providers.main]\n{}\nendpoint = \"http://{}\"\n",
            self.cloud.settings,
            self.address()
        );
        let own = commands::declared(self.bench, &self.folder, text, wanted)?;
        let credentials = self.cloud.credentials.iter();
        Ok(credentials.fold(own, |own, (name, value)| own.with(name, *value)))
    }
}
