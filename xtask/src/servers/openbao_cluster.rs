//! A cluster of three OpenBao nodes with raft storage: an active one and two standbys that serve reads.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;

use serde_json::Value;

use super::process::Process;
use super::{Guard, Server, openbao, port, start};
use crate::shell::{Result, at, read};

const NODES: u16 = 3;
/// Returns 200 for standbys too.
const HEALTH: &str = "/v1/sys/health?standbyok=true&perfstandbyok=true";
const KEY_BYTES: usize = 32;

pub(super) fn start(guard: &Mutex<Guard>, folder: &Path) -> Result<Server> {
    start::retried("openbao-cluster", || {
        let mut processes = Vec::new();
        let started = attempt(guard, folder, &mut processes);
        if started.is_err() {
            processes.iter().for_each(|process| {
                process.stop();
            });
        }
        let (addresses, token) = started?;
        let variables = [
            ("POLYSECRETS_TEST_BAO_CLUSTER_ADDRS", addresses.join(",")),
            ("POLYSECRETS_TEST_BAO_CLUSTER_TOKEN", token),
        ];
        Ok(Server {
            name: "openbao-cluster".to_owned(),
            processes,
            address: addresses.join(","),
            folder: folder.to_owned(),
            variables: variables
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        })
    })
}

pub(super) fn health(server: &Server) -> Result<()> {
    let mut nodes = server.address.split(',');
    nodes.try_for_each(|address| start::answers(address, HEALTH))
}

/// The addresses of the nodes and their administrator's token.
fn attempt(
    guard: &Mutex<Guard>,
    folder: &Path,
    processes: &mut Vec<Process>,
) -> Result<(Vec<String>, String)> {
    // Each node has a second port for the other nodes.
    let first = port::free(2 * NODES)?;
    let ports: Vec<u16> = (0..NODES).map(|number| first + 2 * number).collect();
    let addresses: Vec<String> = ports
        .iter()
        .map(|port| format!("http://127.0.0.1:{port}"))
        .collect();
    let key = folder.join("seal.key");
    at(&key, fs::write(&key, random_bytes()?))?;
    let mut token = None;
    for (number, port) in ports.iter().enumerate() {
        let node = folder.join(format!("node{number}"));
        if node.exists() {
            at(&node, fs::remove_dir_all(&node))?;
        }
        at(&node, fs::create_dir_all(node.join("data")))?;
        let config = node.join("openbao.hcl");
        let leader = (number > 0).then_some(&*addresses[0]);
        at(
            &config,
            fs::write(&config, configuration(*port, &node, &key, leader)),
        )?;
        let argument = format!("-config={}", config.display());
        let mut command = openbao::client(&node)?;
        command.arg("server").arg(&argument);
        let log = node.join("server.log");
        let process = start::spawn(guard, &mut command, &log, &argument)?;
        processes.push(process.clone());
        // The others can only join an existing cluster.
        if number == 0 {
            let initialised = || initialise(&addresses[0], folder);
            token = Some(start::eventually(&process, initialised)?);
        }
    }
    for (process, address) in processes.iter().zip(&addresses) {
        start::eventually(process, || start::answers(address, HEALTH)).map_err(|reason| {
            format!("{address} {reason}; its output is in {}", folder.display())
        })?;
    }
    let token = token.ok_or("there are no nodes")?;
    Ok((addresses, token))
}

fn configuration(port: u16, node: &Path, key: &Path, leader: Option<&str>) -> String {
    let join = leader
        .map(|leader| format!("  retry_join {{ leader_api_addr = \"{leader}\" }}\n"))
        .unwrap_or_default();
    format!(
        "api_addr = \"http://127.0.0.1:{port}\"\n\
         cluster_addr = \"https://127.0.0.1:{}\"\n\
         listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  tls_disable = true\n}}\n\
         storage \"raft\" {{\n  path = \"{}\"\n  node_id = \"{port}\"\n  performance_multiplier = 1\n{join}}}\n\
         seal \"static\" {{\n  current_key_id = \"1\"\n  current_key = \"file://{}\"\n}}\n",
        port + 1,
        node.join("data").display(),
        key.display(),
    )
}

/// The root token of a new cluster.
fn initialise(address: &str, folder: &Path) -> Result<String> {
    let mut command = openbao::client(folder)?;
    command
        .args(["operator", "init", "-format=json"])
        .arg(format!("-address={address}"))
        .args(["-recovery-shares=1", "-recovery-threshold=1"])
        .stdin(Stdio::null());
    let printed: Value = serde_json::from_str(&read(&mut command)?)
        .map_err(|_| "it printed no JSON when it was initialised")?;
    let token = printed.get("root_token").and_then(Value::as_str);
    token
        .map(str::to_owned)
        .ok_or_else(|| "it printed no root token".to_owned())
}

fn random_bytes() -> Result<[u8; KEY_BYTES]> {
    let mut bytes = [0; KEY_BYTES];
    let source = Path::new("/dev/urandom");
    let mut file = at(source, File::open(source))?;
    at(source, file.read_exact(&mut bytes))?;
    Ok(bytes)
}
