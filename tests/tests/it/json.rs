//! With `--json`, every result and every error is one JSON object.

use polysecrets_tests::{Home, Ran};
use serde_json::{Value, json};

/// The error of a command with `--json`: one line on standard error, nothing on standard output.
#[track_caller]
fn error(ran: &Ran, code: i32) -> Value {
    assert_eq!(ran.code(), Some(code), "{}", ran.stderr);
    assert!(ran.stdout.is_empty(), "{:?}", ran.stdout);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", ran.stderr);
    let value: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(value["schema"], 1);
    let error = value["error"].clone();
    assert_eq!(error["exit"], code);
    assert!(
        error["message"].is_string() && error["kind"].is_string(),
        "{error}"
    );
    error
}

#[test]
fn an_error_is_one_line_of_json() {
    let home = Home::initialised();
    home.set("a", b"1");
    let report = error(&home.run(&["get", "db/none", "--json"]), 3);
    assert_eq!(report["kind"], "not_found");
    assert_eq!(report["name"], "db/none");
    assert!(report["hint"].is_string(), "{report}");
    let report = error(&home.run(&["get", "local://db/none", "--json"]), 3);
    assert_eq!(report["provider"], "local");
    let report = error(&home.run(&["get", "a/../b", "--json"]), 6);
    assert_eq!(report["kind"], "invalid_name");
    // An invalid command line as well.
    let report = error(&home.run(&["get", "--json", "--nonsense"]), 2);
    assert_eq!(report["kind"], "usage");
    assert!(
        report["message"].as_str().unwrap().contains("--nonsense"),
        "{report}"
    );
    let report = error(&home.run(&["delete", "a", "--json"]), 2);
    assert_eq!(report["hint"], "pass --yes to delete without confirmation");
    let report = error(&home.run(&["set", "--json", "a", "canary-argument"]), 2);
    assert!(!report.to_string().contains("canary"));
    // Every command that takes `--json`.
    home.write("x.yaml", "a: ${secret:a}\n");
    for words in [
        &["list"][..],
        &["versions", "a"],
        &["rollback", "a", "1"],
        &["set", "a", "--generate"],
        &["restore", "a"],
        &["delete", "a", "--yes"],
        &["check"],
        &["status"],
        &["config", "show"],
        &["stats"],
        &["audit", "show"],
        &["audit", "verify"],
        &["policy", "check"],
        &["policy", "generate"],
        &["run", "--explain"],
        &["render", "x.yaml", "--explain"],
        &["store", "info"],
        &["store", "accept"],
        &["store", "merge"],
        &["store", "passphrase", "--remove"],
        &["store", "recipients", "list"],
        &["store", "recipients", "rekey"],
        &["trust"],
    ] {
        let words = [words, &["--json", "--config", "nowhere.toml"]].concat();
        let report = error(&home.run(&words), 6);
        assert!(
            report["message"].as_str().unwrap().contains("nowhere.toml"),
            "{words:?}: {report}"
        );
        assert!(
            report["kind"].as_str().unwrap().starts_with("invalid"),
            "{words:?}: {report}"
        );
    }
    home.write("broken.toml", "default = \"env\"\nnonsense = 1\n");
    let report = error(&home.run(&["list", "--json", "--config", "broken.toml"]), 6);
    assert!(
        report["place"]
            .as_str()
            .unwrap()
            .ends_with("broken.toml:2:1"),
        "{report}"
    );
    assert_eq!(report["message"], "unknown key \"nonsense\"");
    // The flags of the program are not ours.
    let ran = home.run(&["run", "--", "no-such-program", "--json"]);
    ran.refused(127).says("error: ");
}

#[test]
fn commands_that_change_something_print_json() {
    let home = Home::initialised();
    home.set("a", b"1");
    let answer = home.run(&["delete", "a", "--yes", "--json"]).ok().json();
    assert_eq!(
        (&answer["deleted"], &answer["purged"]),
        (&json!("a"), &json!(false))
    );
    let answer = home.run(&["restore", "a", "--json"]).ok().json();
    assert_eq!(answer["restored"], "a");
    assert_eq!(home.get("a"), b"1");

    let listed = home.run(&["trust", "--list", "--json"]).ok().json();
    assert_eq!(listed["trusted"].as_array().unwrap().len(), 1);
    let answer = home.run(&["trust", "--revoke", "--json"]).ok().json();
    assert_eq!(
        (&answer["trusted"], &answer["was_trusted"]),
        (&json!(false), &json!(true))
    );
    let answer = home.run(&["trust", "--revoke", "--json"]).ok().json();
    assert_eq!(answer["was_trusted"], false);
    let answer = home.run(&["trust", "--json"]).ok().json();
    assert_eq!(answer["trusted"], true);
    assert!(answer["file"].as_str().unwrap().ends_with("secrets.toml"));

    let info = home.run(&["store", "info", "--json"]).ok().json();
    let revision = info["revision"].as_u64().unwrap();
    let answer = home.run(&["store", "accept", "--json"]).ok().json();
    assert_eq!(answer["revision"], revision);
    let answer = home
        .run(&["store", "recipients", "rekey", "--json"])
        .ok()
        .json();
    assert_eq!(answer["revision"], revision + 1);
    let key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let answer = home
        .run(&["store", "recipients", "add", key, "--json"])
        .ok()
        .json();
    assert_eq!(answer["added"], json!([key]));
    let answer = home
        .run(&["store", "recipients", "add", key, "--json"])
        .ok()
        .json();
    assert_eq!(answer["added"], json!([]));
    let answer = home
        .run(&["store", "recipients", "remove", key, "--json"])
        .ok()
        .json();
    assert_eq!(answer["removed"], json!([key]));
    assert_eq!(home.get("a"), b"1");
}

#[test]
fn a_passphrase_is_set_changed_and_removed() {
    let home = Home::initialised();
    home.set("a", b"1");
    home.run(&["store", "passphrase"])
        .refused(2)
        .says("--stdin");
    home.run(&["store", "passphrase", "--stdin"])
        .refused(6)
        .says("empty");
    home.run(&["store", "passphrase", "--remove"])
        .refused(6)
        .says("the store has no passphrase");
    home.run(&["store", "passphrase", "--stdin", "--remove"])
        .refused(2);

    home.run_with_input(&["store", "passphrase", "--stdin"], b"canary horse\n")
        .ok()
        .says("the store has a passphrase, and a new key")
        .keeps("canary");
    let shown = home
        .run(&["store", "recipients", "list", "--json"])
        .ok()
        .json();
    assert_eq!(shown["passphrase"], true);
    assert_eq!(home.get("a"), b"1");

    // Without an identity, the passphrase alone opens the store. The final newline is not part of it.
    home.write(
        "other.toml",
        "default = \"local\"\n[providers.local]\ntype = \"file\"\npassphrase = \"${PASSPHRASE}\"\n",
    );
    let by = |passphrase: &str| {
        let mut command = home.command(&["get", "a", "--config", "other.toml"]);
        command
            .env("PASSPHRASE", passphrase)
            .env("XDG_CONFIG_HOME", home.path("nobody"));
        Ran::of(&mut command)
    };
    assert_eq!(by("canary horse").ok().stdout, b"1");
    by("wrong horse").refused(4);

    home.write("next.txt", "canary mule\r\n");
    let answer = home
        .run(&["store", "passphrase", "--from-file", "next.txt", "--json"])
        .ok()
        .keeps("canary")
        .json();
    assert_eq!(answer["passphrase"], true);
    assert_eq!(by("canary mule").ok().stdout, b"1");
    by("canary horse").refused(4);

    home.run(&["store", "passphrase", "--remove"])
        .ok()
        .says("no passphrase any more");
    by("canary mule").refused(4);
    assert_eq!(home.get("a"), b"1");
}
