//! Helpers to start any server.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::process::Process;
use super::{Guard, Server};
use crate::shell::{Result, say};

const START_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Another process can take a port between our check and the server's bind.
const ATTEMPTS: usize = 5;

/// Tries up to [`ATTEMPTS`] times.
pub(super) fn retried(name: &str, mut attempt: impl FnMut() -> Result<Server>) -> Result<Server> {
    let mut reason = String::new();
    for _ in 0..ATTEMPTS {
        match attempt() {
            Ok(server) => return Ok(server),
            Err(message) => {
                say(&format!("{name} did not start: {message}"));
                reason = message;
            }
        }
    }
    Err(format!(
        "{name} did not start in {ATTEMPTS} attempts: {reason}"
    ))
}

/// Starts a process that ends with the guard.
pub(super) fn spawn(
    guard: &Mutex<Guard>,
    command: &mut Command,
    log: &Path,
    mark: &str,
) -> Result<Process> {
    let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
    guard.spawn(command, log, mark)
}

/// Repeats a step until it succeeds, while the process that it needs lives.
pub(super) fn eventually<T>(process: &Process, step: impl Fn() -> Result<T>) -> Result<T> {
    let end = Instant::now() + START_LIMIT;
    loop {
        if !process.is_alive() {
            return Err("exited immediately".to_owned());
        }
        match step() {
            Ok(done) => return Ok(done),
            Err(reason) if Instant::now() > end => return Err(reason),
            Err(_) => sleep(Duration::from_millis(50)),
        }
    }
}

/// Fails unless a server at `http://127.0.0.1:PORT` answers a path with 200.
pub(super) fn answers(address: &str, path: &str) -> Result<()> {
    let silent = |_| "does not answer".to_owned();
    let listen = address.strip_prefix("http://").unwrap_or(address);
    let socket: SocketAddr = listen
        .parse()
        .map_err(|_| format!("not a socket address: {address}"))?;
    let mut stream = TcpStream::connect_timeout(&socket, ANSWER_LIMIT).map_err(silent)?;
    stream
        .set_read_timeout(Some(ANSWER_LIMIT))
        .map_err(silent)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {listen}\r\nconnection: close\r\n\r\n"
    )
    .map_err(silent)?;
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .map_err(silent)?;
    match line.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some(status) => Err(format!("answers with status {status}")),
        None => Err("does not answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn checked(answer: &'static str) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            request.read_line(&mut line).unwrap();
            while line != "\r\n" {
                line.clear();
                request.read_line(&mut line).unwrap();
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let outcome = answers(&address, "/health");
        server.join().unwrap();
        outcome
    }

    #[test]
    fn only_200_is_healthy() {
        assert_eq!(checked("HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
        let status = Err("answers with status 503".to_owned());
        assert_eq!(checked("HTTP/1.1 503 Busy\r\n\r\n"), status);
        assert_eq!(checked(""), Err("does not answer".to_owned()));
        assert!(answers("http://127.0.0.1:1", "/").is_err());
    }
}
