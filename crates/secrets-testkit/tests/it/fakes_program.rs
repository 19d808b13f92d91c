//! The program that starts the fakes says where they are, and ends when it should.
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// It runs and has printed where the fakes are.
fn started(words: &[&str]) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_polysecrets-fakes"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

fn answers(fake: &Value) -> bool {
    let url = fake["url"].as_str().unwrap();
    let port = url.rsplit(':').next().unwrap();
    TcpStream::connect(format!("127.0.0.1:{port}")).is_ok()
}

#[test]
fn all_fakes_run_until_input_ends() {
    let (mut child, reported) = started(&[]);
    let fakes = reported.as_object().unwrap();
    assert_eq!(
        fakes.keys().collect::<Vec<_>>(),
        ["azure", "gcp", "infisical"]
    );
    for fake in fakes.values() {
        assert!(answers(fake), "{fake}");
        assert!(!fake["environment"].as_object().unwrap().is_empty());
    }
    let files: Vec<PathBuf> = [
        &reported["azure"]["ca_file"],
        &reported["gcp"]["environment"]["GOOGLE_APPLICATION_CREDENTIALS"],
    ]
    .map(|path| Path::new(path.as_str().unwrap()).to_owned())
    .to_vec();
    assert!(files.iter().all(|path| path.is_file()));

    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!files.iter().any(|path| path.exists()));
}

#[test]
fn one_fake_stays_until_a_signal_comes() {
    let (mut child, reported) = started(&["--stay", "infisical"]);
    assert_eq!(reported.as_object().unwrap().len(), 1);
    drop(child.stdin.take());
    assert!(answers(&reported["infisical"]));
    assert_eq!(child.try_wait().unwrap(), None);
    let kill = Command::new("kill")
        .args(["-s", "TERM", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = Command::new(env!("CARGO_BIN_EXE_polysecrets-fakes"))
        .arg(format!("gcp={port}"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: cannot start gcp: "), "{said}");
}
