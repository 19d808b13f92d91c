//! Real servers for tests: one file per server, started on free ports of 127.0.0.1.

mod aws;
mod guard;
mod openbao;
mod openbao_cluster;
mod port;
mod process;
mod start;
mod state;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use crate::shell::{Result, at, say, target};
use crate::venv::Venv;
use process::Process;
use state::State;

pub(crate) use guard::Guard;

const USAGE: &str = "usage: cargo xtask servers up|down|status|env";

/// The Python environment with the servers.
const VENV: Venv = Venv { name: "servers" };

/// A kind of server. To add one, write a file and list it in [`KINDS`].
struct Kind {
    name: &'static str,
    /// Starts the server with its files in the folder and waits until it answers.
    start: fn(&Mutex<Guard>, &Path) -> Result<Server>,
    /// Fails if a running server is unhealthy.
    health: fn(&Server) -> Result<()>,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "openbao",
        start: openbao::start_http,
        health: openbao::health,
    },
    Kind {
        name: "openbao-tls",
        start: openbao::start_tls,
        health: openbao::health,
    },
    Kind {
        name: "openbao-cluster",
        start: openbao_cluster::start,
        health: openbao_cluster::health,
    },
    Kind {
        name: "ministack",
        start: aws::start_ministack,
        health: aws::ministack_health,
    },
    Kind {
        name: "moto",
        start: aws::start_moto,
        health: aws::moto_health,
    },
];

/// A started server: what it takes to use, check and stop it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    name: String,
    /// More than one for a cluster.
    processes: Vec<Process>,
    address: String,
    folder: PathBuf,
    /// The variables for tests.
    variables: Vec<(String, String)>,
}

pub(crate) fn command(words: &[&str]) -> Result<()> {
    match words {
        ["up"] => up(),
        ["down"] => down(),
        ["status"] => status(),
        ["env"] => env(),
        ["guard", folder] => guard::watch(folder),
        _ => Err(USAGE.to_owned()),
    }
}

/// The variables of the servers that `up` started, if all of them answer.
pub(crate) fn running() -> Result<Option<Vec<(String, String)>>> {
    let _lock = lock()?;
    let state = State::load(&state_file())?;
    Ok(complete(&state).then(|| state.variables()))
}

/// OpenBao's client, if the test servers are installed.
pub(crate) fn openbao() -> Option<PathBuf> {
    openbao::binary().ok().filter(|path| path.is_file())
}

/// Starts servers that stop with the guard or with this process, however it ends.
pub(crate) fn start_own() -> Result<Guard> {
    let _lock = lock()?;
    let folder = home().join(format!("own-{}", std::process::id()));
    start_guarded(&folder)
}

fn up() -> Result<()> {
    let _lock = lock()?;
    let state = State::load(&state_file())?;
    if complete(&state) {
        say("already running");
        print_status(&state);
        return Ok(());
    }
    stop_all(&state);
    let guard = start_guarded(&home().join("up"))?;
    let state = guard.release()?;
    state.save(&state_file())?;
    print_status(&state);
    Ok(())
}

fn down() -> Result<()> {
    let _lock = lock()?;
    let file = state_file();
    let state = State::load(&file)?;
    if state.servers.is_empty() {
        say("nothing to stop");
        return Ok(());
    }
    stop_all(&state);
    at(&file, fs::remove_file(&file))
}

fn status() -> Result<()> {
    let state = State::load(&state_file())?;
    if state.servers.is_empty() {
        return Err("no servers are running; start them with `cargo xtask servers up`".to_owned());
    }
    if print_status(&state) {
        Ok(())
    } else {
        Err("some servers do not answer; start them again with `cargo xtask servers up`".to_owned())
    }
}

fn env() -> Result<()> {
    let state = State::load(&state_file())?;
    if !complete(&state) {
        return Err("servers are not running; start them with `cargo xtask servers up`".to_owned());
    }
    for (name, value) in state.variables() {
        println!("export {name}='{}'", value.replace('\'', r"'\''"));
    }
    Ok(())
}

fn start_guarded(folder: &Path) -> Result<Guard> {
    VENV.prepare()?;
    if folder.exists() {
        at(folder, fs::remove_dir_all(folder))?;
    }
    at(folder, fs::create_dir_all(folder))?;
    let guard = Mutex::new(Guard::new(folder)?);
    let start = |kind: &'static Kind| {
        let place = folder.join(kind.name);
        at(&place, fs::create_dir_all(&place))?;
        let began = Instant::now();
        let server = (kind.start)(&guard, &place)?;
        say(&format!(
            "{} answers at {} after {:.1} s",
            server.name,
            server.address,
            began.elapsed().as_secs_f64()
        ));
        Ok(server)
    };
    // Each start mostly waits, so all of them together take as long as the slowest.
    let started: Vec<Result<Server>> = thread::scope(|scope| {
        let starts: Vec<_> = KINDS
            .iter()
            .map(|kind| scope.spawn(move || start(kind)))
            .collect();
        starts
            .into_iter()
            .map(|start| {
                start
                    .join()
                    .unwrap_or_else(|_| Err("a start panicked".to_owned()))
            })
            .collect()
    });
    let mut guard = guard.into_inner().map_err(|_| "a start panicked")?;
    for server in started {
        guard.add(server?);
    }
    Ok(guard)
}

fn stop_all(state: &State) {
    for server in &state.servers {
        for process in &server.processes {
            if process.stop() {
                say(&format!("stopped {} (pid {})", server.name, process.pid));
            }
        }
        // A leftover folder only costs space, and the next start removes it.
        let _ = fs::remove_dir_all(&server.folder);
    }
}

fn complete(state: &State) -> bool {
    KINDS.iter().all(|kind| {
        state
            .servers
            .iter()
            .any(|server| server.name == kind.name && health(server).is_ok())
    })
}

fn health(server: &Server) -> Result<()> {
    for process in &server.processes {
        if !process.is_alive() {
            return Err(format!("pid {} is gone", process.pid));
        }
    }
    let kind = KINDS
        .iter()
        .find(|kind| kind.name == server.name)
        .ok_or("unknown to this version of xtask")?;
    (kind.health)(server)
}

fn print_status(state: &State) -> bool {
    let mut well = true;
    for server in &state.servers {
        let verdict = match health(server) {
            Ok(()) => "healthy".to_owned(),
            Err(reason) => {
                well = false;
                reason
            }
        };
        println!(
            "{:<16} {:<28} pid {:<24} {verdict}",
            server.name,
            server.address,
            server
                .processes
                .iter()
                .map(|process| process.pid.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        );
    }
    well && complete(state)
}

fn home() -> PathBuf {
    target().join("servers")
}

fn state_file() -> PathBuf {
    home().join("state.json")
}

/// Serialises commands, which would otherwise start servers twice or install over each other.
fn lock() -> Result<File> {
    let folder = home();
    at(&folder, fs::create_dir_all(&folder))?;
    let path = folder.join("lock");
    let file = at(&path, File::create(&path))?;
    at(&path, file.lock())?;
    Ok(file)
}
