//! What programs read: every answer with `--json` is one object, and so is every error.

use polysecrets_tests::{Home, Ran};
use serde_json::{Value, json};

/// The error of a command that was given `--json`: one line on standard error, nothing on standard output.
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
    let told = error(&home.run(&["get", "db/none", "--json"]), 3);
    assert_eq!(told["kind"], "not_found");
    assert_eq!(told["name"], "db/none");
    assert!(told["hint"].is_string(), "{told}");
    let told = error(&home.run(&["get", "local://db/none", "--json"]), 3);
    assert_eq!(told["provider"], "local");
    let told = error(&home.run(&["get", "a/../b", "--json"]), 6);
    assert_eq!(told["kind"], "invalid_name");
    // Before a command knows what it is, too.
    let told = error(&home.run(&["get", "--json", "--nonsense"]), 2);
    assert_eq!(told["kind"], "usage");
    assert!(
        told["message"].as_str().unwrap().contains("--nonsense"),
        "{told}"
    );
    let told = error(&home.run(&["delete", "a", "--json"]), 2);
    assert_eq!(told["hint"], "use --yes to delete without a question");
    let told = error(&home.run(&["set", "--json", "a", "canary-argument"]), 2);
    assert!(!told.to_string().contains("canary"));
    // One of every command that takes it.
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
        let told = error(&home.run(&words), 6);
        assert!(
            told["message"].as_str().unwrap().contains("nowhere.toml"),
            "{words:?}: {told}"
        );
        assert!(
            told["kind"].as_str().unwrap().starts_with("invalid"),
            "{words:?}: {told}"
        );
    }
    home.write("broken.toml", "default = \"env\"\nnonsense = 1\n");
    let told = error(&home.run(&["list", "--json", "--config", "broken.toml"]), 6);
    assert!(
        told["place"].as_str().unwrap().ends_with("broken.toml:2:1"),
        "{told}"
    );
    assert_eq!(told["message"], "unknown key \"nonsense\"");
    // The words of a program are not ours.
    let ran = home.run(&["run", "--", "no-such-program", "--json"]);
    ran.refused(127).says("error: ");
}

#[test]
fn what_changes_something_says_so_as_json() {
    let home = Home::initialised();
    home.set("a", b"1");
    let told = home.run(&["delete", "a", "--yes", "--json"]).ok().json();
    assert_eq!(
        (&told["deleted"], &told["purged"]),
        (&json!("a"), &json!(false))
    );
    let told = home.run(&["restore", "a", "--json"]).ok().json();
    assert_eq!(told["restored"], "a");
    assert_eq!(home.get("a"), b"1");

    let listed = home.run(&["trust", "--list", "--json"]).ok().json();
    assert_eq!(listed["trusted"].as_array().unwrap().len(), 1);
    let told = home.run(&["trust", "--revoke", "--json"]).ok().json();
    assert_eq!(
        (&told["trusted"], &told["was_trusted"]),
        (&json!(false), &json!(true))
    );
    let told = home.run(&["trust", "--revoke", "--json"]).ok().json();
    assert_eq!(told["was_trusted"], false);
    let told = home.run(&["trust", "--json"]).ok().json();
    assert_eq!(told["trusted"], true);
    assert!(told["file"].as_str().unwrap().ends_with("secrets.toml"));

    let info = home.run(&["store", "info", "--json"]).ok().json();
    let revision = info["revision"].as_u64().unwrap();
    let told = home.run(&["store", "accept", "--json"]).ok().json();
    assert_eq!(told["revision"], revision);
    let told = home
        .run(&["store", "recipients", "rekey", "--json"])
        .ok()
        .json();
    assert_eq!(told["revision"], revision + 1);
    let key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let told = home
        .run(&["store", "recipients", "add", key, "--json"])
        .ok()
        .json();
    assert_eq!(told["added"], json!([key]));
    let told = home
        .run(&["store", "recipients", "add", key, "--json"])
        .ok()
        .json();
    assert_eq!(told["added"], json!([]));
    let told = home
        .run(&["store", "recipients", "remove", key, "--json"])
        .ok()
        .json();
    assert_eq!(told["removed"], json!([key]));
    assert_eq!(home.get("a"), b"1");
}

#[test]
fn a_store_gets_a_passphrase_and_loses_it() {
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

    // Who has no identity opens it with the passphrase alone; the newline was no part of it.
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
    let told = home
        .run(&["store", "passphrase", "--from-file", "next.txt", "--json"])
        .ok()
        .keeps("canary")
        .json();
    assert_eq!(told["passphrase"], true);
    assert_eq!(by("canary mule").ok().stdout, b"1");
    by("canary horse").refused(4);

    home.run(&["store", "passphrase", "--remove"])
        .ok()
        .says("no passphrase any more");
    by("canary mule").refused(4);
    assert_eq!(home.get("a"), b"1");
}
