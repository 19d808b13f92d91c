//! What the audit log adds up to, as the command line tells it.

use polysecrets_tests::Home;
use serde_json::Value;

/// A store whose uses are recorded, without a key, and which was used.
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

fn of<'v>(shown: &'v Value, operation: &str) -> &'v Value {
    let uses = shown["uses"].as_array().unwrap();
    uses.iter()
        .find(|one| one["operation"] == operation)
        .unwrap()
}

/// A log of so many reads, in the form in which we write one.
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
fn what_was_used_is_summed_up() {
    let home = used();
    let shown = home
        .run(&["stats", "--operation", "get", "--json"])
        .ok()
        .json();
    let uses = shown["uses"].as_array().unwrap();
    assert_eq!(uses.len(), 2, "{shown}");
    let by = |provider: &str| uses.iter().find(|one| one["provider"] == provider).unwrap();
    // To set a secret is to look at what is read then.
    let local = by("local");
    assert_eq!(local["outcomes"], serde_json::json!({ "ok": 4 }));
    assert_eq!((&local["count"], &local["errors"]), (&4.into(), &0.into()));
    assert_eq!(local["values"]["provider"], 4);
    assert_eq!(local["hit_rate"], 0.0);
    assert_eq!(local["duration_ms"]["count"], 4);
    let took = &local["duration_ms"];
    assert!(took["max"].as_u64() >= took["p50"].as_u64() && took["p50"].is_u64());
    // What no provider has is told of the chain that was asked.
    let project = by("project");
    assert_eq!(project["outcomes"], serde_json::json!({ "not_found": 1 }));
    assert_eq!(project["hit_rate"], Value::Null);
    assert_eq!(shown["total"]["count"], 5);
    assert_eq!(shown["total"]["errors"], 1);
    assert_eq!(shown["missing"], 0);
    // Of a write the outcome counts, and not the intent too.
    let all = home.run(&["stats", "--json"]).ok().json();
    assert_eq!(of(&all, "put")["count"], 1);
    assert_eq!(of(&all, "put")["hit_rate"], Value::Null);

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
    none.says("no uses");
    let none = home
        .run(&["stats", "--since", "2h", "--until", "1h", "--json"])
        .ok()
        .json();
    assert_eq!(none["total"]["count"], 0);
    assert!(none["since"].is_string() && none["until"].is_string());
}

#[test]
fn prometheus_reads_it() {
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
    // The form of the whole: comments, and lines of a name, labels and a number.
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("secrets_audit_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn a_long_log_is_summed_up_by_file_and_by_what_is_asked() {
    let home = Home::new();
    home.write("one.jsonl", log(3_000, "get", "cache"));
    home.write("two.jsonl", log(2_000, "get", "provider"));
    let shown = home
        .run(&["stats", "one.jsonl", "two.jsonl", "--json"])
        .ok()
        .json();
    let get = of(&shown, "get");
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
            "audit.jsonl:{place}: record {place}: this is no record"
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
    // A crash leaves half a line at the end, which nobody relied on.
    home.write("audit.jsonl", &whole[..whole.len() - 20]);
    let shown = home.run(&["stats", "--json"]).ok().json();
    assert_eq!(of(&shown, "get")["count"], 4);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let home = Home::initialised();
    home.run(&["stats"])
        .refused(6)
        .says("no audit log is configured")
        .says("hint: ");
    let home = used();
    home.run(&["stats", "--since", "soon"])
        .refused(2)
        .says("\"soon\" is no moment");
    home.run(&["stats", "--since", "1h", "--until", "2h"])
        .refused(2)
        .says("the period ends before it begins");
    home.run(&["stats", "--prometheus", "--since", "1h"])
        .refused(2);
    home.run(&["stats", "--prometheus", "--json"]).refused(2);
    home.run(&["stats", "nowhere.jsonl"])
        .refused(6)
        .says("nowhere.jsonl");
    home.run(&["stats", "."]).refused(6);
}
