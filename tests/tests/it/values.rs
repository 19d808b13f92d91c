//! `set`, `get`, `list`, `delete`, `restore`, `versions` and `rollback`.

use std::os::unix::fs::PermissionsExt;

use polysecrets_tests::{Home, Ran};

#[test]
fn any_bytes_round_trip() {
    let home = Home::initialised();
    let all: Vec<u8> = (0..=255).collect();
    for (name, value) in [
        ("plain", &b"hunter2"[..]),
        ("empty", b""),
        ("newline", b"two\nlines\n"),
        ("crlf", b"a\r\nb\r\n"),
        ("spaces", b"  padded  "),
        (
            "unicode/\u{5bc6}\u{7801}",
            "\u{5bc6}\u{7801} \u{1f511}".as_bytes(),
        ),
        ("bytes", &all),
    ] {
        home.set(name, value);
        assert_eq!(home.get(name), value, "{name}");
    }
}

#[test]
fn files_are_read_and_written_byte_for_byte() {
    let home = Home::initialised();
    let all: Vec<u8> = (0..=255).rev().collect();
    home.write("key.bin", &all);
    home.run(&["set", "key", "--from-file", "key.bin"]).ok();
    home.run(&["get", "key", "--out", "copy.bin"])
        .ok()
        .keeps("\u{ff}");
    assert_eq!(home.read("copy.bin"), all);
    let mode = home
        .path("copy.bin")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_existing_file_is_replaced_only_with_force() {
    let home = Home::initialised();
    home.set("key", b"new");
    home.write("mine.txt", "mine");
    home.run(&["get", "key", "--out", "mine.txt"])
        .refused(6)
        .says("mine.txt: file already exists")
        .says("--force");
    assert_eq!(home.read("mine.txt"), b"mine");
    home.run(&["get", "key", "--force"]).refused(2);
    home.run(&["get", "key", "--out", "mine.txt", "--force"])
        .ok();
    assert_eq!(home.read("mine.txt"), b"new");
    std::os::unix::fs::symlink("nowhere", home.path("link")).unwrap();
    for words in [
        &["get", "key", "--out", "link"][..],
        &["get", "key", "--out", "link", "--force"],
    ] {
        home.run(words).refused(6);
    }
    assert!(!home.path("nowhere").exists());
    // No temporary files remain.
    let left: Vec<_> = std::fs::read_dir(home.path(""))
        .unwrap()
        .flatten()
        .collect();
    assert!(
        left.iter()
            .all(|one| !one.file_name().to_string_lossy().ends_with(".tmp"))
    );
}

#[test]
fn a_generated_value_is_never_shown() {
    let home = Home::initialised();
    let ran = home.run(&["set", "made", "--generate", "hex:64"]).ok();
    assert!(ran.stdout.is_empty());
    let value = String::from_utf8(home.get("made")).unwrap();
    assert_eq!(value.len(), 64);
    assert!(value.chars().all(|letter| letter.is_ascii_hexdigit()));
    ran.keeps(&value);
    home.run(&["set", "made", "--generate"]).ok();
    assert_eq!(home.get("made").len(), 32);
}

#[test]
fn a_trailing_newline_is_kept_with_a_warning() {
    let home = Home::initialised();
    home.run_with_input(&["set", "one", "--stdin"], b"value\n")
        .ok()
        .says("warning: ");
    assert_eq!(home.get("one"), b"value\n");
    let quiet = home
        .run_with_input(&["set", "two", "--stdin"], b"-----\nkey\n-----\n")
        .ok();
    assert!(!quiet.stderr.contains("warning"), "{}", quiet.stderr);
}

#[test]
fn fields_versions_defaults_and_hints() {
    let home = Home::initialised();
    home.set(
        "db",
        br#"{"user":"app","port":5432.0,"password":"pa$$ word"}"#,
    );
    assert_eq!(
        home.run(&["get", "db", "--field", "password"]).ok().stdout,
        b"pa$$ word"
    );
    assert_eq!(home.run(&["get", "db#port"]).ok().stdout, b"5432.0");
    home.run(&["get", "db", "--field", "nothing"]).refused(3);
    home.set("long", b"abcd567890123456wxyz");
    assert_eq!(
        home.run(&["get", "long", "--hint"]).ok().text(),
        "abcd...wxyz\n"
    );
    home.set("short", b"abcd56789012345wxyz");
    assert_eq!(home.run(&["get", "short", "--hint"]).ok().text(), "***\n");
    assert_eq!(home.run(&["get", "nowhere?default=x"]).ok().stdout, b"x");
    home.set("short", b"second");
    assert_eq!(
        home.run(&["get", "short", "--version", "1"]).ok().stdout,
        b"abcd56789012345wxyz"
    );
    home.run(&["get", "short", "--version", "9"]).refused(3);
}

#[test]
fn json_has_the_metadata() {
    let home = Home::initialised();
    home.set("db/password", b"quote\" and \n newline");
    let json = home.run(&["get", "db/password", "--json"]).ok().json();
    assert_eq!(json["name"], "db/password");
    assert_eq!(json["value"], "quote\" and \n newline");
    assert_eq!(json["encoding"], "utf-8");
    assert_eq!(json["provider"], "local");
    assert_eq!(json["via"], "project");
    assert_eq!(json["freshness"], "fresh");
    home.set("bytes", &[0xff, 0x00]);
    let json = home.run(&["get", "bytes", "--json"]).ok().json();
    assert_eq!(
        (json["value"].as_str(), json["encoding"].as_str()),
        (Some("/wA="), Some("base64"))
    );
}

#[test]
fn a_list_has_names_and_no_values() {
    let home = Home::initialised();
    for name in ["db/user", "db/password", "api"] {
        home.set(name, b"canary-value");
    }
    let all = home
        .run(&["list", "--provider", "local"])
        .ok()
        .keeps("canary");
    let names: Vec<&str> = all
        .text()
        .lines()
        .skip(1)
        .filter_map(|line| line.split("  ").next())
        .collect();
    assert_eq!(names, ["api", "db/password", "db/user"]);
    let json = home
        .run(&["list", "--prefix", "db/", "--json"])
        .ok()
        .keeps("canary")
        .json();
    assert_eq!(json["secrets"].as_array().unwrap().len(), 2);
    assert_eq!(json["secrets"][0]["name"], "db/password");
    home.run(&["list", "--prefix", "none"])
        .ok()
        .says("no secrets");
}

#[test]
fn tags_and_conditions_of_a_write() {
    let home = Home::initialised();
    let write =
        |words: &[&str]| home.run_with_input(&[&["set", "a", "--stdin"], words].concat(), b"v");
    write(&["--create", "--tag", "team=core"]).ok();
    write(&["--create"]).refused(1).says("already exists");
    write(&["--if-version", "7"]).refused(1);
    write(&["--if-version", "1"]).ok();
    let json = home
        .run(&["list", "--json", "--provider", "local"])
        .ok()
        .json();
    assert_eq!(json["secrets"][0]["tags"]["team"], "core");
}

#[test]
fn deleted_restored_purged() {
    let home = Home::initialised();
    home.set("a", b"v");
    home.run(&["delete", "a"]).refused(2).says("--yes");
    assert_eq!(home.get("a"), b"v");
    home.run(&["delete", "a", "--yes"]).ok();
    home.run(&["get", "a"]).refused(3);
    home.run(&["restore", "a"]).ok();
    assert_eq!(home.get("a"), b"v");
    home.run(&["delete", "a", "--purge", "--yes"]).ok();
    home.run(&["restore", "a"]).refused(3);
}

#[test]
fn rollback_restores_an_old_version() {
    let home = Home::initialised();
    for value in [&b"one"[..], b"two", b"three"] {
        home.set("a", value);
    }
    let json = home.run(&["versions", "a", "--json"]).ok().json();
    let versions: Vec<&str> = json["versions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["version"].as_str())
        .collect();
    assert_eq!(versions, ["3", "2", "1"]);
    let table = home.run(&["versions", "a"]).ok();
    assert_eq!(table.text().lines().count(), 4);
    home.run(&["rollback", "a", "1"]).ok();
    assert_eq!(home.get("a"), b"one");
    home.run(&["rollback", "a", "99"]).refused(3);
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let home = Home::initialised();
    home.set("big", &vec![b'x'; 60_000]);
    for line in [
        "get big",
        "list",
        "completions bash",
        "config schema",
        "--help",
        "--version",
    ] {
        // The reader is gone before the command writes.
        let script = format!("( sleep 0.2; \"$0\" {line}; echo \"$?\" >&2 ) | true");
        let mut shell = home.program("sh");
        shell
            .args(["-c", &script])
            .arg(polysecrets_tests::secrets_command());
        let ran = Ran::of(&mut shell);
        assert_eq!(ran.stderr.trim(), "0", "{line}: {}", ran.stderr);
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let home = Home::initialised();
    home.set("a", b"v");
    let mut shell = home.program("sh");
    shell
        .args(["-c", "\"$0\" get a > /dev/full"])
        .arg(polysecrets_tests::secrets_command());
    Ran::of(&mut shell)
        .refused(5)
        .says("cannot write to standard output");
    for words in ["--version", "--help", "list", "completions bash"] {
        let mut shell = home.program("sh");
        shell
            .args(["-c", &format!("\"$0\" {words} > /dev/full")])
            .arg(polysecrets_tests::secrets_command());
        Ran::of(&mut shell).ended(5);
    }
}

#[test]
fn set_warns_of_a_shadowed_value() {
    let home = Home::initialised();
    let set = |name: &str| {
        let mut command = home.command(&["set", name, "--stdin"]);
        command.env("USER", "canary-user");
        Ran::with_input(&mut command, b"canary-value")
            .ok()
            .keeps("canary")
    };
    set("user")
        .says("warning: `env` shadows `local` for \"user\"\n")
        .says("hint: unset USER,");
    let ran = set("free");
    assert!(!ran.stderr.contains("warning:"), "{}", ran.stderr);
    // No warning if the provider is named explicitly.
    let ran = set("local://user");
    assert!(!ran.stderr.contains("warning:"), "{}", ran.stderr);
}

#[test]
fn a_declared_field_cannot_be_changed() {
    let home = Home::initialised();
    home.configure(
        "\n[secrets.KEY]\nreference = \"api#key\"\n[secrets.WHOLE]\nreference = \"db\"\n",
    );
    home.set("api", br#"{"key":"k","other":"o"}"#);
    assert_eq!(home.get("KEY"), b"k");
    home.run_with_input(&["set", "KEY", "--stdin"], b"new")
        .refused(6)
        .says("name the whole secret: api");
    home.run(&["delete", "KEY", "--yes"]).refused(6);
    home.run(&["rollback", "KEY", "1"]).refused(6);
    assert_eq!(home.get("api"), br#"{"key":"k","other":"o"}"#);
    home.set("WHOLE", b"by its declared name");
    assert_eq!(home.get("db"), b"by its declared name");
}
