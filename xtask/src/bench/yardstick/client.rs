//! The least client: keep-alive connections, one request at a time on each, fields cut out of the text.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A name with the variables that want its fields.
type Wanted<'a> = (&'a str, Vec<(&'a str, &'a str)>);

struct Connection {
    stream: BufReader<TcpStream>,
    head: String,
}

impl Connection {
    fn open(address: &str, token: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            stream: BufReader::new(stream),
            head: format!("HTTP/1.1\r\nHost: {address}\r\nX-Vault-Token: {token}\r\n\r\n"),
        })
    }

    /// The body of a document's answer.
    fn document(&mut self, name: &str) -> Result<String, String> {
        self.ask(name).map_err(|error| error.to_string())?
    }

    fn ask(&mut self, name: &str) -> std::io::Result<Result<String, String>> {
        let request = format!("GET /v1/secret/data/{name} {}", self.head);
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
            _ => Err(format!("{name}: {}", status.trim_end())),
        })
    }
}

pub(crate) fn get(address: &str, token: &str, name: &str, field: &str) -> Result<String, String> {
    let body = Connection::open(address, token)?.document(name)?;
    cut(&body, field).map(str::to_owned)
}

/// Fetches each name once, so many at a time, and becomes the program.
pub(crate) fn run(
    address: &str,
    token: &str,
    in_flight: &str,
    names: &str,
    program: &[&str],
) -> Result<(), String> {
    let text = fs::read_to_string(names).map_err(|error| format!("{names}: {error}"))?;
    let wanted = wanted(&text)?;
    let in_flight: usize = in_flight
        .parse()
        .map_err(|_| format!("not a number: {in_flight}"))?;
    let (first, rest) = program.split_first().ok_or("no program")?;
    let next = AtomicUsize::new(0);
    let variables: Vec<(String, String)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..in_flight.min(wanted.len()))
            .map(|_| scope.spawn(|| fetch(address, token, &wanted, &next)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| "a thread died".to_owned())?)
            .collect::<Result<Vec<_>, String>>()
            .map(|parts| parts.into_iter().flatten().collect())
    })?;
    let error = Command::new(first).args(rest).envs(variables).exec();
    Err(format!("{first}: {error}"))
}

fn fetch(
    address: &str,
    token: &str,
    wanted: &[Wanted<'_>],
    next: &AtomicUsize,
) -> Result<Vec<(String, String)>, String> {
    let mut connection = Connection::open(address, token)?;
    let mut found = Vec::new();
    while let Some((name, variables)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
        let body = connection.document(name)?;
        for (variable, field) in variables {
            found.push(((*variable).to_owned(), cut(&body, field)?.to_owned()));
        }
    }
    Ok(found)
}

/// Lines `VARIABLE NAME FIELD`; those of one name follow each other.
fn wanted(text: &str) -> Result<Vec<Wanted<'_>>, String> {
    let mut all: Vec<Wanted<'_>> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(variable), Some(name), Some(field)) = (words.next(), words.next(), words.next())
        else {
            return Err(format!("not three words: {line}"));
        };
        match all.last_mut() {
            Some((last, variables)) if *last == name => variables.push((variable, field)),
            _ => all.push((name, vec![(variable, field)])),
        }
    }
    Ok(all)
}

/// The text of a field that has no escapes in it, as the values of the comparison have none.
fn cut<'a>(body: &'a str, field: &str) -> Result<&'a str, String> {
    let start = format!("\"{field}\":\"");
    body.split_once(&start)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(value, _)| value)
        .ok_or_else(|| format!("no field {field}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    #[test]
    fn a_field_is_cut_out_of_the_answer() {
        let body = document::answer("app/doc1");
        assert_eq!(cut(&body, "k07"), Ok("k07-of-app.doc1"));
        assert!(cut(&body, "k77").is_err());
    }

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
