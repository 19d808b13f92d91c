//! Work in another process: this test binary, started again with an order.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use polysecrets_local::file::{FileConfig, open};
use secrets_core::{PutOptions, SecretProvider, SecretValue};

use crate::support::{Room, context, get, name};

const ORDER: &str = "POLYSECRETS_TEST_ORDER";
const THIS_TEST: &str = "child::does_what_it_is_told";

/// A child that reports each finished write with a line `done N`.
pub(crate) struct Writer {
    pub(crate) process: Child,
    pub(crate) reports: BufReader<ChildStdout>,
}

/// How a child names its secrets, how many it writes, and of which size.
pub(crate) struct Order<'a> {
    pub(crate) prefix: &'a str,
    /// Whether every write goes to the same secret.
    pub(crate) same: bool,
    pub(crate) count: usize,
    pub(crate) padding: usize,
}

impl Writer {
    pub(crate) fn start(user: &Path, order: &Order<'_>) -> Self {
        Self::start_with(Command::new(std::env::current_exe().unwrap()), user, order)
    }

    pub(crate) fn start_with(mut command: Command, user: &Path, order: &Order<'_>) -> Self {
        let Order {
            prefix,
            same,
            count,
            padding,
        } = order;
        let text = format!("{}\n{prefix}\n{same}\n{count}\n{padding}", user.display());
        let mut process = command
            .args([THIS_TEST, "--exact", "--nocapture", "--test-threads=1"])
            .env(ORDER, text)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let reports = BufReader::new(process.stdout.take().unwrap());
        Self { process, reports }
    }

    /// The next finished write; `None` once the child has ended.
    pub(crate) fn next(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            // What a killed process left half written is no report.
            if self.reports.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
                return None;
            }
            // The harness of the child writes into the same stream.
            if let Some(at) = line.find("report:") {
                return Some(line[at + 7..].trim().to_owned());
            }
        }
    }

    pub(crate) fn finish(mut self) -> Vec<String> {
        let reports = std::iter::from_fn(|| self.next()).collect();
        assert!(self.process.wait().unwrap().success());
        reports
    }
}

async fn obey(order: &str) {
    let lines: Vec<&str> = order.split('\n').collect();
    let [user, prefix, same, count, padding] = lines[..] else {
        panic!("an order has five lines");
    };
    let user = Path::new(user);
    let provider = open(FileConfig::default(), context(&user.join("project"), user))
        .await
        .unwrap();
    let padding = "x".repeat(padding.parse().unwrap());
    for number in 0..count.parse::<usize>().unwrap() {
        let key = match same {
            "true" => prefix.to_owned(),
            _ => format!("{prefix}{number}"),
        };
        let value = SecretValue::from(format!("{number}:{padding}"));
        let result = provider
            .put(&name(&key), &value, &PutOptions::default())
            .await;
        let report = match result {
            Ok(_) => format!("done {number}"),
            Err(error) => format!("{:?} {error}", error.kind()),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "report:{report}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn does_what_it_is_told() {
    if let Ok(order) = std::env::var(ORDER) {
        return obey(&order).await;
    }
    let room = Room::new();
    let order = Order {
        prefix: "k",
        same: false,
        count: 2,
        padding: 0,
    };
    let reports = Writer::start(room.folder.path(), &order).finish();
    assert_eq!(reports, ["done 0", "done 1"]);
    assert_eq!(get(&room.provider().await, "k1").await.unwrap(), "1:");
}
