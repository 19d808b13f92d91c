//! `secrets stats`: sums of the audit log.

use polysecrets_tests::Home;
use serde_json::Value;

/// A store that was used, with an audit log without a key.
fn used() -> Home {
    let home = Home::initialised();
    home.configure("\n[audit]\npath = \"audit.jsonl\"\n");
    home.set("db/a", b"1");
    for _ in 0..3 {
        home.run(&["get", "db/a"]).ok();
    }
    home.run(&["get", "db/none"]).refused(3);
    home
}

fn uses_of<'v>(shown: &'v Value, operation: &str) -> &'v Value {
    let uses = shown["uses"].as_array().unwrap();
    uses.iter()
        .find(|one| one["operation"] == operation)
        .unwrap()
}

/// A log of `records` reads in the format of the audit layer.
fn log(records: u64, operation: &str, source: &str) -> String {
    let hash = "0".repeat(64);
    (1..=records)
        .map(|seq| {
            format!(
                "{{\"seq\":{seq},\"id\":\"01ARYZ6S41{seq:016}\",\"time\":\"2026-01-31T12:00:00.{seq:06}Z\",\
                 \"event\":\"read\",\"actor\":{{}},\"operation\":\"{operation}\",\"provider\":\"main\",\"name\":\"a\",\
                 \"outcome\":\"ok\",\"source\":\"{source}\",\"duration_ms\":{},\"prev\":\"{hash}\",\"hash\":\"{hash}\"}}\n",
                seq % 1000
            )
        })
        .collect()
}

#[test]
fn uses_are_summed_up() {
    let home = used();
    let shown = home
        .run(&["stats", "--operation", "get", "--json"])
        .ok()
        .json();
    let uses = shown["uses"].as_array().unwrap();
    assert_eq!(uses.len(), 2, "{shown}");
    let by = |provider: &str| uses.iter().find(|one| one["provider"] == provider).unwrap();
    // `set` reads the secret too, to find out whether another provider shadows it.
    let local = by("local");
    assert_eq!(local["outcomes"], serde_json::json!({ "ok": 4 }));
    assert_eq!((&local["count"], &local["errors"]), (&4.into(), &0.into()));
    assert_eq!(local["values"]["provider"], 4);
    assert_eq!(local["hit_rate"], 0.0);
    assert_eq!(local["duration_ms"]["count"], 4);
    let took = &local["duration_ms"];
    assert!(took["max"].as_u64() >= took["p50"].as_u64() && took["p50"].is_u64());
    // A secret that no provider has counts for the chain.
    let project = by("project");
    assert_eq!(project["outcomes"], serde_json::json!({ "not_found": 1 }));
    assert_eq!(project["hit_rate"], Value::Null);
    assert_eq!(shown["total"]["count"], 5);
    assert_eq!(shown["total"]["errors"], 1);
    assert_eq!(shown["missing"], 0);
    // A write counts once: its outcome, not its intent.
    let all = home.run(&["stats", "--json"]).ok().json();
    assert_eq!(uses_of(&all, "put")["count"], 1);
    assert_eq!(uses_of(&all, "put")["hit_rate"], Value::Null);

    let table = home.run(&["stats"]).ok();
    let text = table.text();
    assert!(
        text.lines().next().unwrap().starts_with("PROVIDER"),
        "{text}"
    );
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
    assert!(line("local     get ").contains("0.0 %"), "{text}");
    assert!(text.contains("not_found"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("total")), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let painted = home.run(&["stats", "--color", "always"]).ok();
    assert!(
        painted.text().starts_with("\u{1b}[1mPROVIDER"),
        "{}",
        painted.text()
    );

    let none = home.run(&["stats", "--until", "1h"]).ok();
    assert_eq!(none.text(), "");
    none.says("no records");
    let none = home
        .run(&["stats", "--since", "2h", "--until", "1h", "--json"])
        .ok()
        .json();
    assert_eq!(none["total"]["count"], 0);
    assert!(none["since"].is_string() && none["until"].is_string());
}

#[test]
fn prometheus_text_is_well_formed() {
    let home = used();
    let text = home.run(&["stats", "--prometheus"]).ok();
    let text = text.text();
    assert!(
        text.contains("secrets_audit_uses_total{provider=\"project\",operation=\"get\",outcome=\"not_found\"} 1\n"),
        "{text}"
    );
    assert!(
        text.contains("# TYPE secrets_audit_use_duration_seconds histogram\n"),
        "{text}"
    );
    assert!(!text.contains("db/"), "{text}");
    // Only comments, and lines of a name, labels and a number.
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("secrets_audit_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn several_long_files_are_summed_up() {
    let home = Home::new();
    home.write("one.jsonl", log(3_000, "get", "cache"));
    home.write("two.jsonl", log(2_000, "get", "provider"));
    let shown = home
        .run(&["stats", "one.jsonl", "two.jsonl", "--json"])
        .ok()
        .json();
    let get = uses_of(&shown, "get");
    assert_eq!(get["count"], 5_000);
    assert_eq!(
        get["values"],
        serde_json::json!({ "provider": 2_000, "cache": 3_000, "stale": 0 })
    );
    let rate = get["hit_rate"].as_f64().unwrap();
    assert!((rate - 0.6).abs() < 1e-9, "{rate}");
    let took = &get["duration_ms"];
    let at = |key: &str| took[key].as_u64().unwrap();
    assert!((499..=515).contains(&at("p50")), "{took}");
    assert!((949..=979).contains(&at("p95")), "{took}");
    assert_eq!(at("max"), 999);
    assert_eq!(shown["first"], "2026-01-31T12:00:00Z");
}

#[test]
fn a_damaged_log_is_located() {
    let home = used();
    let whole = String::from_utf8(home.read("audit.jsonl")).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    home.write(
        "audit.jsonl",
        whole.replacen("\"event\":\"read\"", "\"event\":17", 1),
    );
    let place = lines
        .iter()
        .position(|line| line.contains("\"event\":\"read\""))
        .unwrap()
        + 1;
    home.run(&["stats"])
        .refused(7)
        .says(&format!(
            "audit.jsonl:{place}: record {place}: not a record"
        ))
        .says("hint: ");
    home.write("audit.jsonl", [lines[0], lines[2]].concat());
    home.run(&["stats"])
        .refused(7)
        .says("audit.jsonl:2: record 3: 1 record is missing before this record");
    home.write("audit.jsonl", [lines[0], lines[2], lines[1]].concat());
    home.run(&["stats", "--json"]).refused(7);
    home.write("audit.jsonl", b"\xff\x00\n");
    home.run(&["stats", "--prometheus"])
        .refused(7)
        .says("audit.jsonl:1");
    // A crash can leave an unfinished record at the end.
    home.write("audit.jsonl", &whole[..whole.len() - 20]);
    let shown = home.run(&["stats", "--json"]).ok().json();
    assert_eq!(uses_of(&shown, "get")["count"], 4);
}

#[test]
fn wrong_options_are_refused() {
    let home = Home::initialised();
    home.run(&["stats"])
        .refused(6)
        .says("no audit log is configured")
        .says("hint: ");
    let home = used();
    home.run(&["stats", "--since", "soon"])
        .refused(2)
        .says("not a time: \"soon\"");
    home.run(&["stats", "--since", "1h", "--until", "2h"])
        .refused(2)
        .says("--until: not after --since");
    home.run(&["stats", "--prometheus", "--since", "1h"])
        .refused(2);
    home.run(&["stats", "--prometheus", "--json"]).refused(2);
    home.run(&["stats", "nowhere.jsonl"])
        .refused(6)
        .says("nowhere.jsonl");
    home.run(&["stats", "."]).refused(6);
}
