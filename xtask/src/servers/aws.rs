//! Two emulators of AWS with different gaps: ministack checks signatures and policies, moto implements the versions of
//! secrets better.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::{Guard, Server, VENV, port, start};
use crate::shell::{Result, at, read};

const MINISTACK_HEALTH: &str = "/_ministack/health";
const MOTO_HEALTH: &str = "/moto-api/data.json";

/// Runs moto's server with its own arguments.
const MOTO: &str = include_str!("aws_moto.py");

/// Creates a user with all permissions for secrets and prints its access key.
const MAKE_USER: &str = include_str!("aws_user.py");

pub(super) fn start_ministack(guard: &Mutex<Guard>, folder: &Path) -> Result<Server> {
    start::retried("ministack", || {
        let listen = format!("127.0.0.1:{}", port::free(1)?);
        let port = port_of(&listen);
        let mut command = python(folder)?;
        // ministack's own command listens on every interface and has no arguments to identify its process by.
        command
            .args(["-m", "hypercorn", "ministack.app:app", "--workers", "0"])
            .args(["--bind", &listen, "--keep-alive", "75"])
            .envs([("BIND_HOST", "127.0.0.1"), ("MINISTACK_HOST", "127.0.0.1")])
            .envs([("GATEWAY_PORT", port), ("AUTH", "true")])
            // Otherwise it opens port 8883 as well.
            .env("IOT_MTLS_ENABLED", "0");
        let mark = format!("--bind {listen}");
        let mut server = launched(
            guard,
            "ministack",
            command,
            folder,
            &listen,
            &mark,
            MINISTACK_HEALTH,
        )?;
        match user(folder, &server.address) {
            Ok((id, key)) => {
                server.variables = vec![
                    variable("POLYSECRETS_TEST_MINISTACK_URL", &server.address),
                    variable("POLYSECRETS_TEST_MINISTACK_ACCESS_KEY_ID", &id),
                    variable("POLYSECRETS_TEST_MINISTACK_SECRET_ACCESS_KEY", &key),
                ];
                Ok(server)
            }
            Err(reason) => {
                server.processes.iter().for_each(|process| {
                    process.stop();
                });
                Err(reason)
            }
        }
    })
}

pub(super) fn start_moto(guard: &Mutex<Guard>, folder: &Path) -> Result<Server> {
    start::retried("moto", || {
        let listen = format!("127.0.0.1:{}", port::free(1)?);
        let port = port_of(&listen);
        let mut command = python(folder)?;
        command.args(["-c", MOTO, "-H", "127.0.0.1", "-p", port]);
        let mark = format!("-H 127.0.0.1 -p {port}");
        let mut server = launched(guard, "moto", command, folder, &listen, &mark, MOTO_HEALTH)?;
        server.variables = vec![variable("POLYSECRETS_TEST_MOTO_URL", &server.address)];
        Ok(server)
    })
}

pub(super) fn ministack_health(server: &Server) -> Result<()> {
    start::answers(&server.address, MINISTACK_HEALTH)
}

pub(super) fn moto_health(server: &Server) -> Result<()> {
    start::answers(&server.address, MOTO_HEALTH)
}

fn launched(
    guard: &Mutex<Guard>,
    name: &str,
    mut command: Command,
    folder: &Path,
    listen: &str,
    mark: &str,
    health: &str,
) -> Result<Server> {
    let log = folder.join("server.log");
    let process = start::spawn(guard, &mut command, &log, mark)?;
    let address = format!("http://{listen}");
    if let Err(reason) = start::eventually(&process, || start::answers(&address, health)) {
        process.stop();
        return Err(format!("{reason}; its output is in {}", log.display()));
    }
    Ok(Server {
        name: name.to_owned(),
        processes: vec![process],
        address,
        folder: folder.to_owned(),
        variables: Vec::new(),
    })
}

/// The environment's Python without the developer's accounts, proxies and certificates.
fn python(folder: &Path) -> Result<Command> {
    let program = VENV.python();
    at(&program, program.metadata())?;
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs([("HOME", folder), ("TMPDIR", folder)])
        .current_dir(folder)
        .stdin(Stdio::null());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    Ok(command)
}

/// Creates a user and returns the ID and secret of its access key.
fn user(folder: &Path, address: &str) -> Result<(String, String)> {
    let mut command = python(folder)?;
    command.args(["-c", MAKE_USER, address]);
    let printed = read(&mut command).map_err(|reason| {
        // The first line of the message is the whole program.
        let reason = reason.lines().last().unwrap_or_default();
        format!("cannot create a user: {reason}")
    })?;
    match printed.split_whitespace().collect::<Vec<_>>()[..] {
        [id, key] => Ok((id.to_owned(), key.to_owned())),
        _ => Err("cannot create a user: no key was printed".to_owned()),
    }
}

fn port_of(listen: &str) -> &str {
    listen.rsplit(':').next().unwrap_or_default()
}

fn variable(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
