//! Time from the start of the command to the first byte of its first request, with credentials in the environment.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::Bench;
use super::commands::{self, TOKEN};
use super::report::{Verdict, judge};
use super::row::Invocation;
use crate::shell::{Result, described};

/// A target, not a gate, in milliseconds.
const LIMIT: f64 = 10.0;
const ROUNDS: usize = 21;
/// How long to wait for the request.
const PATIENCE: Duration = Duration::from_secs(10);

/// A provider and its settings for the listener.
struct Subject {
    name: &'static str,
    /// Lines of the provider's configuration.
    settings: &'static str,
    /// `{}` stands for the address of the listener.
    variables: &'static [(&'static str, &'static str)],
}

const SUBJECTS: &[Subject] = &[
    Subject {
        name: "vault",
        settings: "type = \"vault\"",
        variables: &[("VAULT_ADDR", "http://{}"), ("VAULT_TOKEN", TOKEN)],
    },
    Subject {
        name: "aws-sm",
        settings: "type = \"aws-sm\"",
        variables: &[
            ("AWS_ENDPOINT_URL", "http://{}"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", TOKEN),
        ],
    },
    Subject {
        name: "azure-kv, TLS",
        settings: "type = \"azure-kv\"",
        variables: &[
            ("AZURE_KEYVAULT_URL", "https://{}"),
            ("AZURE_AUTHORITY_HOST", "https://{}"),
            ("AZURE_TENANT_ID", "00000000-0000-4000-8000-000000000000"),
            ("AZURE_CLIENT_ID", "00000000-0000-4000-8000-000000000001"),
            ("AZURE_CLIENT_SECRET", TOKEN),
        ],
    },
    Subject {
        name: "gcp-sm",
        settings: "type = \"gcp-sm\"\nproject_id = \"bench\"",
        variables: &[
            (
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER",
                "http://{}/",
            ),
            ("CLOUDSDK_AUTH_ACCESS_TOKEN", TOKEN),
        ],
    },
    Subject {
        name: "infisical",
        settings: "type = \"infisical\"",
        variables: &[
            ("INFISICAL_API_URL", "http://{}"),
            ("INFISICAL_TOKEN", TOKEN),
            (
                "INFISICAL_PROJECT_ID",
                "00000000-0000-4000-8000-000000000000",
            ),
            ("INFISICAL_ENVIRONMENT", "dev"),
        ],
    },
];

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let said = |error: std::io::Error| format!("cannot listen: {error}");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(said)?;
    let address = listener.local_addr().map_err(said)?.to_string();
    let calls = calls(listener);
    let mut commands = Vec::new();
    for subject in SUBJECTS {
        let folder = bench.folder(&format!("first-byte-{}", &subject.name[..5]))?;
        commands.push(command(bench, &folder, subject, &address)?);
    }
    let mut times = vec![Vec::new(); SUBJECTS.len()];
    for _ in 0..ROUNDS {
        for (command, times) in commands.iter().zip(&mut times) {
            times.push(first_call(command, &calls)?);
        }
    }
    let verdicts: Vec<Verdict> = SUBJECTS
        .iter()
        .zip(&mut times)
        .map(|(subject, times)| {
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            Verdict {
                gate: false,
                kept: median <= LIMIT,
                text: format!(
                    "{}: first byte after {median:.2} ms (limit <= {LIMIT})",
                    subject.name
                ),
            }
        })
        .collect();
    Ok(judge(&verdicts))
}

fn command(bench: &Bench, folder: &Path, subject: &Subject, address: &str) -> Result<Invocation> {
    let text = format!(
        "default = \"main\"\n\n[providers.main]\n{}\n",
        subject.settings
    );
    let mut own = commands::declared(bench, folder, text, &[])?;
    for (name, value) in subject.variables {
        own = own.with(name, value.replace("{}", address));
    }
    Ok(own.with_arguments(&["get", "main://name"]))
}

/// Sends the time of each connection's first byte, then closes the connection.
fn calls(listener: TcpListener) -> Receiver<Instant> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            if let Some(at) = first_byte(&mut stream)
                && sender.send(at).is_err()
            {
                return;
            }
        }
    });
    receiver
}

fn first_byte(stream: &mut TcpStream) -> Option<Instant> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.read_exact(&mut [0]).ok()?;
    Some(Instant::now())
}

/// In milliseconds.
fn first_call(command: &Invocation, calls: &Receiver<Instant>) -> Result<f64> {
    let mut process = command.command();
    process.stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = process
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", described(&process)))?;
    let called = calls.recv_timeout(PATIENCE);
    // A retry would count for the next round.
    let _ = child.kill();
    let _ = child.wait();
    let called = called.map_err(|_| format!("{} sent no request", described(&process)))?;
    thread::sleep(Duration::from_millis(5));
    while calls.try_recv().is_ok() {}
    Ok(called.duration_since(start).as_secs_f64() * 1e3)
}
