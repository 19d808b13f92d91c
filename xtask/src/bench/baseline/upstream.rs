//! A server of secrets that has every name in every API, and counts requests, connections and the most requests in flight.
//!
//! Each connection has its own thread, so requests wait only for the delay.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::api;

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

    /// Call this before sending the response, so the client's next request does not count as a second one in flight.
    fn leave(&self) {
        self.in_flight.fetch_sub(1, SeqCst);
    }
}

/// Serves until standard input ends. Prints its address, then answers each line of input, `counts` or `reset`, with a
/// line.
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
            other => return Err(format!("unknown command: {other}")),
        }
    }
    Ok(())
}

/// Answers requests until the client disconnects.
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
        let (mut action, mut length) = (String::new(), 0);
        loop {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let Some((header, value)) = line.split_once(':') else {
                break;
            };
            match header.to_ascii_lowercase().as_str() {
                "x-amz-target" => value.trim().clone_into(&mut action),
                "content-length" => length = value.trim().parse().ok()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        counts.enter();
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let reply = reply(&target, &action, &String::from_utf8_lossy(&body));
        counts.leave();
        writer.write_all(reply.as_bytes()).ok()?;
    }
}

fn reply(target: &str, action: &str, body: &str) -> String {
    let (status, body) = api::answer(target, action, body);
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_its_length() {
        let reply = reply("/v1/secret/data/a/b?version=1", "", "");
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(body.contains("value-of-a.b"), "{body}");
        assert!(head.ends_with(&format!("content-length: {}", body.len())));
    }

    #[test]
    fn the_most_in_flight_is_recorded() {
        let counts = Counts::default();
        counts.enter();
        counts.enter();
        counts.leave();
        counts.enter();
        assert_eq!(counts.requests.load(SeqCst), 3);
        assert_eq!(counts.most_in_flight.load(SeqCst), 2);
    }
}
