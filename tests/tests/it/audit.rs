//! `secrets audit`: who used which secret.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use polysecrets_tests::{Home, Ran, secrets_command};
use serde_json::Value;

/// An encrypted store with an audit log in `audit.jsonl`, whose key is in the store.
fn recorded() -> Home {
    let home = Home::initialised();
    home.configure("\n[audit]\npath = \"audit.jsonl\"\nkey = \"local://audit-key\"\n");
    home
}

fn records(home: &Home, words: &[&str]) -> Vec<Value> {
    let all = [&["audit", "show", "--json"], words].concat();
    let shown = home.run(&all).ok().json();
    shown["records"].as_array().unwrap().clone()
}

fn lines(records: &[Value]) -> Vec<String> {
    let word = |record: &Value, key: &str| record[key].as_str().unwrap_or("-").to_owned();
    records
        .iter()
        .map(|record| {
            let words = ["event", "operation", "name", "outcome"].map(|key| word(record, key));
            words.join(" ")
        })
        .collect()
}

#[test]
fn without_its_key_every_use_fails_and_with_it_every_use_is_recorded() {
    let home = recorded();
    home.run(&["set", "db/password", "--generate"])
        .refused(6)
        .says("secrets audit init");
    home.run(&["audit", "init"]).ok();
    let again = home.run(&["audit", "init"]).ok();
    assert!(
        again.stderr.contains("key already exists"),
        "{}",
        again.stderr
    );

    home.set("db/password", b"hunter2-value");
    home.run(&["get", "db/password", "--reason", "ticket 7"])
        .ok();
    home.run(&["get", "db/missing"]).refused(3);
    home.run(&["list"]).ok();
    home.run(&["delete", "db/password", "--yes"]).ok();

    let all = records(&home, &[]);
    let lines = lines(&all);
    for line in [
        "opened - - -",
        "intent put db/password -",
        "outcome put db/password ok",
        "read get db/password ok",
        "read get db/missing not_found",
        "read list * ok",
        "intent delete db/password -",
        "outcome delete db/password ok",
    ] {
        assert!(
            lines.iter().any(|one| one == line),
            "{line} is not in {lines:#?}"
        );
    }
    let read = all
        .iter()
        .find(|record| record["reason"] == "ticket 7")
        .unwrap();
    assert_eq!(read["provider"], "local");
    assert_eq!(read["via"], "project");
    assert_eq!(read["source"], "provider");
    assert_eq!(read["actor"]["command"], "secrets get");
    assert!(read["actor"]["uid"].is_u64() && read["actor"]["pid"].is_u64());
    assert!(read["actor"]["host"].is_string());

    let log = String::from_utf8(home.read("audit.jsonl")).unwrap();
    assert!(!log.contains("hunter2"));
    let mode = std::fs::metadata(home.path("audit.jsonl"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let verified = home.run(&["audit", "verify", "--json"]).ok().json();
    assert_eq!(verified["records"], all.len());
    assert_eq!(verified["keyed"], true);
    let through = home.run(&["audit", "verify"]).ok().text().trim().to_owned();
    home.run(&["get", "db/missing"]).refused(3);
    home.run(&["audit", "verify", "--through", &through]).ok();
    let other = format!("{}0", &through[..through.len() - 1]);
    if other != through {
        home.run(&["audit", "verify", "--through", &other])
            .refused(7);
    }
}

#[test]
fn the_first_bad_record_is_named() {
    let home = recorded();
    home.run(&["audit", "init"]).ok();
    home.set("a", b"1");
    home.run(&["get", "a"]).ok();
    home.run(&["get", "a"]).ok();
    let log = String::from_utf8(home.read("audit.jsonl")).unwrap();
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    home.write("audit.jsonl", log.replacen("\"read\"", "\"reed\"", 1));
    let first = lines
        .iter()
        .position(|line| line.contains("\"read\""))
        .unwrap()
        + 1;
    home.run(&["audit", "verify"]).refused(7).says(&format!(
        "audit.jsonl:{first}: record {first}: the record was changed"
    ));
    home.write("audit.jsonl", lines[..lines.len() - 1].concat());
    home.run(&["audit", "verify"])
        .refused(7)
        .says("1 record is missing at the end");
}

#[test]
fn records_are_selected_and_printed_as_ocsf_events() {
    let home = recorded();
    home.run(&["audit", "init"]).ok();
    home.set("db/a", b"1");
    home.set("api", b"2");
    home.run(&["get", "db/a"]).ok();
    home.run(&["get", "api"]).ok();
    home.run(&["get", "db/none"]).refused(3);
    let chosen = |words: &[&str]| lines(&records(&home, words));
    // `set` reads the secret too, to find out whether another provider shadows it.
    let reads = ["--operation", "get", "--last", "3"];
    assert_eq!(
        chosen(&reads),
        [
            "read get db/a ok",
            "read get api ok",
            "read get db/none not_found"
        ]
    );
    assert_eq!(
        chosen(&[
            "--operation",
            "get",
            "--name",
            "db/*",
            "--outcome",
            "failed"
        ]),
        ["read get db/none not_found"]
    );
    assert_eq!(
        chosen(&["--operation", "get", "--last", "1"]),
        ["read get db/none not_found"]
    );
    assert!(chosen(&["--actor", "nobody-of-that-name"]).is_empty());
    assert!(chosen(&["--until", "1h"]).is_empty());
    assert_eq!(
        chosen(&[
            "--since",
            "1h",
            "--operation",
            "get",
            "--of-provider",
            "local"
        ])
        .len(),
        4
    );
    home.run(&["audit", "show", "--since", "soon"]).refused(2);
    home.run(&["audit", "show", "--since", "1h", "--until", "2h"])
        .refused(2)
        .says("--until: not after --since");

    let events = home
        .run(&[
            "audit",
            "show",
            "--ocsf",
            "--operation",
            "get",
            "--last",
            "3",
        ])
        .ok()
        .text()
        .to_owned();
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0]["class_uid"], 6003);
    assert_eq!(events[0]["type_uid"], 600_302);
    assert_eq!(events[0]["resources"][0]["name"], "db/a");
    let table = home
        .run(&["audit", "show", "--operation", "get", "--last", "3"])
        .ok();
    assert_eq!(table.text().lines().count(), 4);
}

#[test]
fn a_log_that_cannot_be_written_fails_every_use() {
    let home = recorded();
    home.run(&["audit", "init"]).ok();
    home.set("a", b"1");
    std::fs::remove_file(home.path("audit.jsonl")).unwrap();
    std::fs::create_dir(home.path("audit.jsonl")).unwrap();
    let ran = home.run(&["get", "a"]);
    assert!(ran.stdout.is_empty());
    ran.refused(6)
        .says("this use is not recorded, so it is refused");
    home.configure("on_failure = \"warn\"\n");
    let ran = home.run(&["get", "a"]).ok();
    assert_eq!(ran.stdout, b"1");
    assert!(
        ran.stderr.contains("a use is not recorded"),
        "{}",
        ran.stderr
    );
}

/// Limits files to `blocks` of 512 bytes. The system cuts a write that crosses the limit and fails one beyond it.
fn with_little_room(home: &Home, blocks: u64, words: &[&str]) -> Command {
    let mut shell = home.program("/bin/sh");
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    shell
        .args(["-c", &limited])
        .arg(secrets_command())
        .args(words);
    shell
}

#[test]
fn a_full_disk_fails_every_use_and_leaves_a_valid_log() {
    let home = recorded();
    home.run(&["audit", "init"]).ok();
    home.set("a", b"first");
    let length = || std::fs::metadata(home.path("audit.jsonl")).unwrap().len();
    // Only the log must reach the limit.
    while length() < 16 << 10 {
        home.run(&["get", "a"]).ok();
    }
    for _ in 0..6 {
        let before = length();
        // A record is longer than 300 bytes, so at most a part of it fits.
        let blocks = match before.next_multiple_of(512) - before < 300 {
            true => before.div_ceil(512),
            false => before / 512,
        };
        Ran::of(&mut with_little_room(&home, blocks, &["get", "a"]))
            .refused(5)
            .says("this use is not recorded, so it is refused")
            .says("make room on the disk");
        let set = ["set", "a", "--stdin"];
        Ran::with_input(&mut with_little_room(&home, blocks, &set), b"second")
            .refused(5)
            .says("this use is not recorded");
        assert_eq!(length(), before);
        home.run(&["audit", "verify"]).ok();
        assert_eq!(home.get("a"), b"first");
    }
}

/// A log that reopens on SIGHUP does not keep the signal from the program.
#[test]
fn the_program_gets_the_hangup() {
    let home = recorded();
    home.run(&["audit", "init"]).ok();
    home.set("a", b"hunter2-value");
    home.configure("reopen_on_hangup = true\n\n[secrets.A]\nreference = \"a\"\n");
    let hung_up = |mask: &str, program: &str| {
        let words = ["run", "--mask", mask, "--", "sh", "-c", program];
        let mut command = home.command(&words);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let pid = child.id().to_string();
        let sent = Command::new("kill").args(["-HUP", &pid]).status();
        assert!(sent.unwrap().success());
        let said: Vec<String> = lines.map(Result::unwrap).collect();
        (child.wait().unwrap(), said)
    };
    let trapped = "trap 'echo got it; exit 3' HUP; echo ready; while :; do sleep 0.05; done";
    for mask in ["always", "never"] {
        let (status, said) = hung_up(mask, trapped);
        assert_eq!((status.code(), said), (Some(3), vec!["got it".to_owned()]));
    }
    let (status, _) = hung_up("never", "echo ready; exec sleep 20");
    assert_eq!(status.signal(), Some(1));
    home.run(&["audit", "verify"]).ok();
}

#[test]
fn a_use_is_recorded_before_the_program_starts() {
    let home = recorded();
    home.run(&["audit", "init"]).ok();
    home.set("a", b"1");
    home.configure("\n[secrets.A]\nreference = \"a\"\n");
    let shown = Ran::of(&mut home.command(&["run", "--", "cat", "audit.jsonl"])).ok();
    assert!(
        shown.text().contains("\"operation\":\"get-many\""),
        "{}",
        shown.text()
    );
    assert!(shown.text().contains("\"command\":\"secrets run\""));
}

#[test]
fn an_unapproved_configuration_cannot_write_its_log_elsewhere() {
    let home = Home::new();
    home.write(
        "secrets.toml",
        "default = \"env\"\n[audit]\npath = \"../elsewhere.jsonl\"\n",
    );
    home.run(&["get", "a"]).refused(6).says("not trusted");
}
