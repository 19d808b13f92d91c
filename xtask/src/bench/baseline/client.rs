//! A minimal client: keep-alive connections with one request at a time, and no JSON parser.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::api::Api;

/// A name with its variables and their fields.
type Wanted<'a> = (&'a str, Vec<(&'a str, &'a str)>);

struct Connection<'a> {
    api: Api,
    address: &'a str,
    token: &'a str,
    stream: BufReader<TcpStream>,
}

impl<'a> Connection<'a> {
    fn open(api: Api, address: &'a str, token: &'a str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            api,
            address,
            token,
            stream: BufReader::new(stream),
        })
    }

    /// The body of the response for these names.
    fn body(&mut self, names: &[&str]) -> Result<String, String> {
        self.ask(names).map_err(|error| error.to_string())?
    }

    fn ask(&mut self, names: &[&str]) -> std::io::Result<Result<String, String>> {
        let request = self.api.request(self.address, self.token, names);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((header, value)) = line.split_once(':') else {
                break;
            };
            if header.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(match String::from_utf8(body) {
            Ok(body) if status.contains(" 200 ") => Ok(body),
            _ => Err(format!("{}: {}", names.join(" "), status.trim_end())),
        })
    }
}

pub(crate) fn get(
    api: &str,
    address: &str,
    token: &str,
    name: &str,
    field: &str,
) -> Result<String, String> {
    let api = Api::parse(api)?;
    let body = Connection::open(api, address, token)?.body(&[name])?;
    api.value(&body, name, field)
}

/// Fetches each name once, with `in_flight` requests at a time, and becomes the program.
pub(crate) fn run(
    api: &str,
    address: &str,
    token: &str,
    in_flight: &str,
    names: &str,
    program: &[&str],
) -> Result<(), String> {
    let api = Api::parse(api)?;
    let text = fs::read_to_string(names).map_err(|error| format!("{names}: {error}"))?;
    let wanted = wanted(&text)?;
    let calls: Vec<&[Wanted<'_>]> = wanted.chunks(api.batch_size()).collect();
    let in_flight: usize = in_flight
        .parse()
        .map_err(|_| format!("not a number: {in_flight}"))?;
    let (first, rest) = program.split_first().ok_or("no program")?;
    let next = AtomicUsize::new(0);
    let variables: Vec<(String, String)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..in_flight.min(calls.len()))
            .map(|_| scope.spawn(|| fetch(Connection::open(api, address, token)?, &calls, &next)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| "a thread panicked".to_owned())?)
            .collect::<Result<Vec<_>, String>>()
            .map(|parts| parts.into_iter().flatten().collect())
    })?;
    let error = Command::new(first).args(rest).envs(variables).exec();
    Err(format!("{first}: {error}"))
}

fn fetch(
    mut connection: Connection<'_>,
    calls: &[&[Wanted<'_>]],
    next: &AtomicUsize,
) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
        let names: Vec<&str> = call.iter().map(|(name, _)| *name).collect();
        let body = connection.body(&names)?;
        for (name, variables) in *call {
            for (variable, field) in variables {
                let value = connection.api.value(&body, name, field)?;
                found.push(((*variable).to_owned(), value));
            }
        }
    }
    Ok(found)
}

/// Parses lines `VARIABLE NAME FIELD`. The lines of a name must be adjacent.
fn wanted(text: &str) -> Result<Vec<Wanted<'_>>, String> {
    let mut all: Vec<Wanted<'_>> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(variable), Some(name), Some(field)) = (words.next(), words.next(), words.next())
        else {
            return Err(format!("expected three words: {line}"));
        };
        match all.last_mut() {
            Some((last, variables)) if *last == name => variables.push((variable, field)),
            _ => all.push((name, vec![(variable, field)])),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_one_document_are_fetched_together() {
        let wanted = wanted("A app/doc1 k00\nB app/doc1 k01\nC app/s1 value\n").unwrap();
        assert_eq!(
            wanted,
            [
                ("app/doc1", vec![("A", "k00"), ("B", "k01")]),
                ("app/s1", vec![("C", "value")])
            ]
        );
        assert!(super::wanted("A b\n").is_err());
    }
}
