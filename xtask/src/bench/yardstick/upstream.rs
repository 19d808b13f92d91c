//! A key/value server, version 2, that answers every name and counts requests, connections and how
//! many were in flight at once.
//!
//! A thread a connection, so that the delay is the only thing that requests wait for.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::document;

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    connections: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
}

impl Counts {
    fn reset(&self) {
        self.requests.store(0, SeqCst);
        self.connections.store(0, SeqCst);
        self.most_in_flight.store(0, SeqCst);
    }

    fn enter(&self) {
        self.requests.fetch_add(1, SeqCst);
        let now = self.in_flight.fetch_add(1, SeqCst) + 1;
        self.most_in_flight.fetch_max(now, SeqCst);
    }

    /// Before the answer is sent: its reader's next request must not count as a second one in flight.
    fn leave(&self) {
        self.in_flight.fetch_sub(1, SeqCst);
    }
}

/// Serves until standard input ends. The first line printed is the address; then each line read is a
/// question, `counts` or `reset`, and each line printed its answer.
pub(crate) fn serve(delay: &str) -> Result<(), String> {
    let delay = delay
        .parse()
        .map(Duration::from_millis)
        .map_err(|_| format!("not a number of milliseconds: {delay}"))?;
    let counts = Arc::new(Counts::default());
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    println!(
        "{}",
        listener.local_addr().map_err(|error| error.to_string())?
    );
    let shared = Arc::clone(&counts);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            shared.connections.fetch_add(1, SeqCst);
            let shared = Arc::clone(&shared);
            thread::spawn(move || connection(&stream, delay, &shared));
        }
    });
    for line in std::io::stdin().lines() {
        match line.map_err(|error| error.to_string())?.as_str() {
            "counts" => println!(
                "{} {} {}",
                counts.requests.load(SeqCst),
                counts.connections.load(SeqCst),
                counts.most_in_flight.load(SeqCst)
            ),
            "reset" => {
                counts.reset();
                println!("reset");
            }
            other => return Err(format!("not a question: {other}")),
        }
    }
    Ok(())
}

/// Answers requests without a body until the client goes away.
fn connection(stream: &TcpStream, delay: Duration, counts: &Counts) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let target = line.split(' ').nth(1)?.to_owned();
        loop {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim_end().is_empty() {
                break;
            }
        }
        counts.enter();
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let reply = reply(&target);
        counts.leave();
        writer.write_all(reply.as_bytes()).ok()?;
    }
}

fn reply(target: &str) -> String {
    let path = target.split('?').next().unwrap_or(target);
    let (status, body) = if let Some(name) = path.strip_prefix("/v1/secret/data/") {
        ("200 OK", document::answer(name))
    } else if path.starts_with("/v1/sys/internal/ui/mounts/secret") {
        ("200 OK", document::MOUNT.to_owned())
    } else {
        ("404 Not Found", "{\"errors\":[]}".to_owned())
    };
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_an_answer_and_nothing_else_has() {
        assert!(reply("/v1/secret/data/a/b?version=1").contains("value-of-a.b"));
        assert!(reply("/v1/sys/internal/ui/mounts/secret/a").contains("\"version\":\"2\""));
        assert!(reply("/v1/auth/token/lookup-self").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn the_most_in_flight_is_kept() {
        let counts = Counts::default();
        counts.enter();
        counts.enter();
        counts.leave();
        counts.enter();
        assert_eq!(counts.requests.load(SeqCst), 3);
        assert_eq!(counts.most_in_flight.load(SeqCst), 2);
    }
}
