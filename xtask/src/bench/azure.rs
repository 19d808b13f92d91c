//! Azure Key Vault: 100 secrets from the fake, over TLS, beside `curl`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::commands::{self, Wanted};
use super::report::{Verdict, judge};
use super::row::{Invocation, Limits, Row, Side, output};
use super::{Bench, many, measured};
use crate::shell::Result;

const COUNT: usize = 100;
/// Requests for a token.
const LOGINS: usize = 1;

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("azure")?;
    let fake = Fake::start(bench)?;
    let wanted = commands::flat(COUNT);
    let own = fake.command(bench, &folder, &wanted)?;
    for one in &wanted {
        set(&own, one)?;
    }
    fake.admin(
        "faults",
        Some(&json!({ "fault": "slow", "milliseconds": 5, "times": "always" })),
    )?;
    let limits = Limits {
        gated_ratio: Some(1.5),
        ..Limits::default()
    };
    let script = many::script(&folder, &wanted)?;
    let ours = many::secrets_run(own.clone(), &script, &many::values(&wanted), limits);
    let rows = vec![fake.floor(&folder, &wanted)?, ours];
    let mut broken = measured(bench, rows, 15, None)?.broken;
    broken.extend(judge(&[fake.requests(&own)?]));
    Ok(broken)
}

/// Writes the value that the counting server would return.
pub(super) fn set(own: &Invocation, wanted: &Wanted) -> Result<()> {
    let file = commands::write(&own.folder().join("value"), &commands::value(wanted))?;
    let file = file.display().to_string();
    let reference = format!("main://{}", wanted.name);
    let set = own.with_arguments(&["set", &reference, "--from-file", &file]);
    output(&mut set.command()).map(drop)
}

/// A running fake. It stops when its standard input closes.
pub(super) struct Fake {
    child: Child,
    url: String,
    ca: String,
    variables: Vec<(String, String)>,
}

impl Fake {
    pub(super) fn start(bench: &Bench) -> Result<Self> {
        let said =
            |error: std::io::Error| format!("cannot start {}: {error}", bench.fakes.display());
        let mut child = Command::new(&bench.fakes)
            .arg("azure")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(said)?;
        let mut line = String::new();
        if let Some(pipe) = child.stdout.take() {
            BufReader::new(pipe).read_line(&mut line).map_err(said)?;
        }
        let started: Value =
            serde_json::from_str(&line).map_err(|_| "the fake printed no address".to_owned())?;
        let azure = &started["azure"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let variables = azure["environment"].as_object().into_iter().flatten();
        Ok(Self {
            child,
            url: text(&azure["url"]),
            ca: text(&azure["ca_file"]),
            variables: variables
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
        })
    }

    /// Our command; its environment has the credentials.
    pub(super) fn command(
        &self,
        bench: &Bench,
        folder: &Path,
        wanted: &[Wanted],
    ) -> Result<Invocation> {
        let text = format!(
            "default = \"main\"\n\n[providers.main]\ntype = \"azure-kv\"\n\
             resource = \"https://vault.azure.net\"\nca_cert = \"{}\"\n",
            self.ca
        );
        let mut own = commands::declared(bench, folder, text, wanted)?;
        for (name, value) in &self.variables {
            own = own.with(name, value.as_str());
        }
        Ok(own)
    }

    /// A login, then all secrets over one connection, 32 at a time.
    fn floor(&self, folder: &Path, wanted: &[Wanted]) -> Result<Row> {
        let urls: Vec<String> = wanted
            .iter()
            .map(|one| {
                format!(
                    "url = \"{}/secrets/{}?api-version=2025-07-01\"\n",
                    self.url, one.name
                )
            })
            .collect();
        commands::write(&folder.join("urls"), &urls.concat())?;
        let script = "token=$(curl --silent --fail --cacert \"$CA\" \
            --data grant_type=client_credentials --data-urlencode scope=https://vault.azure.net/.default \
            --data-urlencode \"client_id=$AZURE_CLIENT_ID\" --data-urlencode \"client_secret=$AZURE_CLIENT_SECRET\" \
            \"$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token\" \
            | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/') && \
            exec curl --silent --fail --cacert \"$CA\" --parallel --parallel-max 32 --http2 \
            --header \"Authorization: Bearer $token\" --config urls 2>/dev/null\n";
        let path = commands::write(&folder.join("floor.sh"), script)?;
        let path = path.display().to_string();
        let mut invocation =
            Invocation::new("/bin/sh", &[&path], folder).with("CA", self.ca.as_str());
        for (name, value) in &self.variables {
            invocation = invocation.with(name, value.as_str());
        }
        let answered = output(&mut invocation.command())?.stdout;
        let values = String::from_utf8_lossy(&answered)
            .matches("\"value\"")
            .count();
        if values != wanted.len() {
            return Err(format!("curl got {values} of {} values", wanted.len()));
        }
        Ok(Row::new("curl, 32 in flight", Side::Floor, invocation).uncounted())
    }

    /// Checks the number of requests of a `run`.
    fn requests(&self, own: &Invocation) -> Result<Verdict> {
        self.forget()?;
        output(&mut own.with_arguments(&["run", "--", "/bin/true"]).command())?;
        let requests = self.admin("asked", None)?;
        let requests = requests.as_array().map_or(0, Vec::len);
        let limit = COUNT + LOGINS;
        Ok(Verdict {
            gate: true,
            kept: requests <= limit,
            text: format!("secrets run: requests {requests} (limit <= {limit})"),
        })
    }

    fn forget(&self) -> Result<()> {
        let mut command = self.curl("asked");
        output(command.args(["--request", "DELETE"])).map(drop)
    }

    fn admin(&self, what: &str, body: Option<&Value>) -> Result<Value> {
        let mut command = self.curl(what);
        if let Some(body) = body {
            command
                .args(["--header", "Content-Type: application/json", "--data"])
                .arg(body.to_string());
        }
        let answer = output(&mut command)?.stdout;
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }

    fn curl(&self, what: &str) -> Command {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--fail", "--cacert", &self.ca])
            .arg(format!("{}/_fake/{what}", self.url));
        command
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
