//! Starts the fakes, and tells on one line where they are.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stderr,
    reason = "a command line: stdout is for the one line of JSON"
)]

use std::any::Any;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use polysecrets_testkit::fakes::azure::{AzureFake, AzureOptions};
use polysecrets_testkit::fakes::gcp::{GcpFake, GcpOptions};
use polysecrets_testkit::fakes::infisical::{InfisicalFake, InfisicalOptions};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

const HELP: &str = "\
Starts stand-ins for cloud services on 127.0.0.1, for tests without a network or an account.

usage: polysecrets-fakes [--stay] [FAKE[=PORT]]...

  FAKE    azure, gcp or infisical; all of them if none is named
  PORT    where it listens; a free port if none is named
  --stay  run until a signal comes, and not only until standard input ends

Standard output gets one line, a JSON object: for each fake its `url`, the `environment`
in which the vendor's SDK and `secrets` find it, and `ca_file`, the certificate of
the CA to trust, if it speaks TLS. State is in memory, and ends with the program.
";

const FAKES: &[&str] = &["azure", "gcp", "infisical"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return printed(HELP);
    }
    let outcome = wanted(&words).and_then(|wanted| {
        tokio::runtime::Runtime::new()
            .and_then(|runtime| runtime.block_on(run(&wanted)))
            .map_err(|error| error.to_string())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    stay: bool,
    /// Names and ports; 0 is a free one.
    fakes: Vec<(String, u16)>,
}

fn wanted(words: &[String]) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    for word in words {
        if word == "--stay" {
            wanted.stay = true;
            continue;
        }
        let (name, port) = match word.split_once('=') {
            Some((name, port)) => (name, port.parse().ok().filter(|port| *port != 0)),
            None => (word.as_str(), Some(0)),
        };
        let port = port.ok_or_else(|| format!("`{word}`: a port is a number from 1 to 65535"))?;
        if !FAKES.contains(&name) {
            let known = FAKES.join(", ");
            return Err(format!("there is no fake `{name}`; there are {known}"));
        }
        if wanted.fakes.iter().any(|(other, _)| other == name) {
            return Err(format!("`{name}` is named twice"));
        }
        wanted.fakes.push((name.to_owned(), port));
    }
    if wanted.fakes.is_empty() {
        wanted.fakes = FAKES.iter().map(|name| ((*name).to_owned(), 0)).collect();
    }
    Ok(wanted)
}

async fn run(wanted: &Wanted) -> io::Result<()> {
    // For certificates, which are no secrets.
    let folder = TempDir::with_prefix("polysecrets-fakes-")?;
    // Before the line is written: whoever reads it may send one at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut line = Map::new();
    let mut running = Vec::new();
    for (name, port) in &wanted.fakes {
        let fake = start(name, *port).await.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {name}: {error}"))
        })?;
        line.insert(name.clone(), fake.described(name, folder.path())?);
        running.push(fake.running);
    }
    if printed(&format!("{}\n", Value::Object(line))) == ExitCode::FAILURE {
        return Ok(());
    }
    let stay = wanted.stay;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = end_of_input(), if !stay => {}
    }
    Ok(())
}

/// A fake that runs, and how to use it.
struct Started {
    url: String,
    environment: Vec<(String, String)>,
    ca_pem: Option<String>,
    /// Dropping it ends it.
    running: Box<dyn Any>,
}

async fn start(name: &str, port: u16) -> io::Result<Started> {
    match name {
        "azure" => {
            let fake = AzureFake::start(AzureOptions::default().with_port(port)).await?;
            Ok(Started {
                url: fake.url(),
                environment: fake.environment(),
                ca_pem: Some(fake.ca_pem().to_owned()),
                running: Box::new(fake),
            })
        }
        "gcp" => {
            let fake = GcpFake::start(GcpOptions::default().with_port(port)).await?;
            Ok(Started {
                url: fake.url(),
                environment: fake.environment(),
                ca_pem: fake.ca_pem().map(str::to_owned),
                running: Box::new(fake),
            })
        }
        "infisical" => {
            let fake = InfisicalFake::start(InfisicalOptions::default().with_port(port)).await?;
            Ok(Started {
                url: fake.url(),
                environment: fake.environment(),
                ca_pem: None,
                running: Box::new(fake),
            })
        }
        other => Err(io::Error::other(format!("there is no fake `{other}`"))),
    }
}

impl Started {
    fn described(&self, name: &str, folder: &Path) -> io::Result<Value> {
        let environment: Map<String, Value> = self
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        let mut entry = json!({ "url": self.url, "environment": environment });
        if let Some(pem) = &self.ca_pem {
            let path = folder.join(format!("{name}-ca.pem"));
            fs::write(&path, pem)?;
            entry["ca_file"] = path.display().to_string().into();
        }
        Ok(entry)
    }
}

/// Read by a thread of its own: a runtime would wait for its end.
async fn end_of_input() {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut piece = [0; 256];
        while matches!(input.read(&mut piece), Ok(1..)) {}
        sender.send(())
    });
    // The sender is dropped in no other way than by a panic, which is an end too.
    let _ = receiver.await;
}

fn printed(text: &str) -> ExitCode {
    let mut output = io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Wanted, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        wanted(&words)
    }

    #[test]
    fn all_fakes_are_started_unless_some_are_named() {
        let all = words("--stay").unwrap();
        assert!(all.stay);
        assert_eq!(all.fakes.len(), FAKES.len());
        let one = words("azure=8443").unwrap();
        assert_eq!(one.fakes, [("azure".to_owned(), 8443)]);
        assert!(!one.stay);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, says) in [
            ("azur", "there is no fake `azur`; there are "),
            ("azure=0", "`azure=0`: a port is a number from 1 to 65535"),
            ("azure=65536", "`azure=65536`: a port"),
            ("azure azure=1", "`azure` is named twice"),
            ("--stya", "there is no fake `--stya`"),
        ] {
            let message = words(text).unwrap_err();
            assert!(message.starts_with(says), "{message}");
        }
    }
}
