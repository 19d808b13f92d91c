//! Wrong inputs for every command: one line with the error, the right exit code, and nothing written.

use std::os::unix::fs::PermissionsExt;

use polysecrets_tests::{Home, Ran, is_json_error};

/// All files below the working folder, with their content.
fn snapshot(home: &Home) -> Vec<(String, Vec<u8>)> {
    fn visit(folder: &std::path::Path, found: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                visit(&path, found);
            } else {
                found.push((
                    path.display().to_string(),
                    std::fs::read(&path).unwrap_or_default(),
                ));
            }
        }
    }
    let mut found = Vec::new();
    visit(&home.path(""), &mut found);
    found.sort();
    found
}

#[test]
fn wrong_arguments_are_refused_and_change_nothing() {
    let home = Home::initialised();
    home.set("there", b"value");
    home.write("good.yaml", "a: ${secret:there}\n");
    home.write("bad.yaml", "a: ${secret:there\n");
    home.write("latin1.yaml", b"a: \xe9\n");
    home.write("note.txt", "text");
    let cases: &[(i32, &[&str])] = &[
        (2, &["no-such-command"]),
        (2, &["get"]),
        (2, &["get", "there", "--json", "--hint"]),
        (2, &["get", "there", "--nonsense"]),
        (6, &["get", "a/../b"]),
        (6, &["get", "there?nonsense=1"]),
        (6, &["get", "Upper://there"]),
        (6, &["get", "nowhere://there"]),
        (6, &["get", "a\u{7}b"]),
        (3, &["get", "missing"]),
        (6, &["get", "there#"]),
        (6, &["get", "there", "--out", "/no/such/folder/x"]),
        (6, &["get", "there", "--out", "/dev/null"]),
        (2, &["set"]),
        (2, &["set", "there"]),
        (2, &["set", "there", "canary-argument"]),
        (2, &["set", "there=canary-argument"]),
        (2, &["set", "there", "--value", "canary-argument"]),
        (2, &["set", "there", "--value=canary-argument"]),
        (2, &["set", "there", "-pcanary-argument"]),
        (2, &["set", "there", "--stdin", "--generate"]),
        (2, &["set", "there", "--generate", "words:3"]),
        (2, &["set", "there", "--generate", "hex:0"]),
        (6, &["set", "there", "--from-file", "no-such-file"]),
        (6, &["set", "there", "--from-file", "."]),
        (6, &["set", "there?version=1", "--generate"]),
        (6, &["set", "there#field", "--generate"]),
        (2, &["set", "there", "--generate", "--tag", "nonsense"]),
        (
            2,
            &[
                "set",
                "there",
                "--generate",
                "--create",
                "--if-version",
                "1",
            ],
        ),
        (6, &["set", "", "--generate"]),
        (6, &["set", "a//b", "--generate"]),
        (2, &["list", "extra"]),
        (2, &["list", "--json=yes"]),
        (6, &["list", "--provider", "nonsense"]),
        (6, &["list", "--provider", "nonsense://x"]),
        (6, &["list", "--config", "no-such-file.toml"]),
        (6, &["list", "--profile", "nonsense"]),
        (2, &["delete", "there"]),
        (2, &["delete", "--yes"]),
        (3, &["delete", "missing", "--yes"]),
        (6, &["delete", "there#field", "--yes"]),
        (6, &["delete", "nowhere://there", "--yes"]),
        (2, &["restore"]),
        (3, &["restore", "missing"]),
        (6, &["restore", "a/./b"]),
        (2, &["restore", "a", "b"]),
        (6, &["restore", "nowhere://there"]),
        (2, &["versions"]),
        (3, &["versions", "missing"]),
        (6, &["versions", "there?version=1"]),
        (6, &["versions", "/there"]),
        (2, &["versions", "there", "--yes"]),
        (2, &["rollback", "there"]),
        (3, &["rollback", "there", "99"]),
        (3, &["rollback", "missing", "1"]),
        (6, &["rollback", "there#a", "1"]),
        (2, &["rollback", "there", "1", "2"]),
        (2, &["run"]),
        (2, &["run", "--"]),
        (127, &["run", "--", "/no/such/program"]),
        (126, &["run", "--", "/etc"]),
        (125, &["run", "--config", "no-such-file.toml", "--", "true"]),
        (2, &["render"]),
        (2, &["render", "good.yaml", "--in-place"]),
        (2, &["render", "good.yaml", "good.yaml"]),
        (2, &["render", "good.yaml", "--format", "xml"]),
        (
            2,
            &["render", "good.yaml", "--template", "--format", "yaml"],
        ),
        (6, &["render", "bad.yaml"]),
        (6, &["render", "latin1.yaml"]),
        (6, &["render", "note.txt"]),
        (6, &["render", "no-such-file.yaml"]),
        (6, &["render", "."]),
        (2, &["render", "-", "--out-dir", "made"]),
        (2, &["check", "--format", "xml", "good.yaml"]),
        (6, &["check", "--config", "no-such-file.toml"]),
        (2, &["status", "extra"]),
        (6, &["status", "--config", "no-such-file.toml"]),
        (6, &["status", "--profile", "nonsense"]),
        (6, &["status", "--provider", "nonsense"]),
        (2, &["status", "--nonsense"]),
        (2, &["config", "nonsense"]),
        (2, &["config", "check", "extra"]),
        (6, &["config", "check", "--config", "no-such-file.toml"]),
        (6, &["config", "show", "--config", "note.txt"]),
        (6, &["config", "show", "--profile", "nonsense"]),
        (6, &["trust", "no-such-file.toml"]),
        (2, &["trust", "--list", "--revoke"]),
        (2, &["trust", "a", "b"]),
        (6, &["trust", "/no/such/folder/secrets.toml", "--revoke"]),
        (6, &["trust", "."]),
        (2, &["store", "nonsense"]),
        (6, &["store", "merge"]),
        (6, &["store", "info", "--provider", "env"]),
        (6, &["store", "recipients", "add", "nonsense"]),
        (6, &["store", "recipients", "remove", "nonsense"]),
        (2, &["store", "recipients", "add"]),
        (2, &["store", "merge-files", "a", "b"]),
        (6, &["init", "--yes"]),
        (2, &["init", "extra"]),
        (2, &["completions"]),
        (2, &["completions", "tcsh"]),
        (2, &["demo", "extra"]),
    ];
    let before = snapshot(&home);
    let mut wrong = Vec::new();
    for (code, words) in cases {
        let ran = home.run(words);
        let errors = ran
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: ") || is_json_error(line))
            .count();
        let report =
            errors == 1 || ran.stderr.starts_with("Use secrets") || ran.stderr.contains("Usage:");
        let leaks = ran.stderr.contains("canary-argument");
        if ran.code() != Some(*code) || !report || leaks || !ran.stdout.is_empty() {
            wrong.push(format!(
                "{words:?}: wanted {code}, got {:?}: {}",
                ran.code(),
                ran.stderr
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert_eq!(snapshot(&home), before);
    assert_eq!(home.get("there"), b"value");
}

#[test]
fn a_value_as_an_argument_is_refused_with_the_reason() {
    let home = Home::initialised();
    home.run(&["set", "a", "canary"])
        .refused(2)
        .keeps("canary")
        .says("process list")
        .says("history")
        .says("hint: ")
        .says("--stdin");
}

#[test]
fn wrong_configurations_are_located() {
    let home = Home::new();
    let cases = [
        ("defualt = \"env\"\n", "secrets.toml:1:1", "default"),
        (
            "default = \"env\"\n[providers.a]\ntype = \"nonsense\"\n",
            "secrets.toml:3:8",
            "vault",
        ),
        ("default = 3\n", "secrets.toml:1:11", ""),
        ("default = \"nowhere\"\n", "secrets.toml:1:", "nowhere"),
        (
            "[providers.a]\ntype = \"file\"\npth = \"x\"\n",
            "secrets.toml:3:1",
            "path",
        ),
        (
            "[secrets.A]\nreference = \"a/../b\"\n",
            "secrets.toml:2:",
            "..",
        ),
        (
            "[secrets.A]\nreference = \"env://a\"\nneeded = true\n",
            "secrets.toml:3:1",
            "required",
        ),
        ("default = \"env\"\n\"unclosed\n", "secrets.toml:2:", ""),
        (
            "[chains.c]\nproviders = [\"env\", \"nowhere\"]\n",
            "secrets.toml:2:",
            "nowhere",
        ),
    ];
    let mut wrong = Vec::new();
    for (text, place, word) in cases {
        home.write("secrets.toml", text);
        let ran = home.run(&["config", "check"]);
        if ran.code() != Some(6) || !ran.stderr.contains(place) || !ran.stderr.contains(word) {
            wrong.push(format!(
                "{text}wanted {place} {word}, got {:?}: {}",
                ran.code(),
                ran.stderr
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn two_configurations_in_one_folder_are_an_error() {
    let home = Home::new();
    home.write("secrets.toml", "default = \"env\"\n");
    home.write("secrets.yaml", "default: env\n");
    home.run(&["list"]).refused(6).says("secrets.yaml");
}

#[test]
fn a_cycle_of_providers_is_named() {
    let home = Home::new();
    home.write(
        "secrets.toml",
        "default = \"a\"\n\
         [providers.a]\ntype = \"file\"\npassphrase = \"${secret:b://x}\"\n\
         [providers.b]\ntype = \"file\"\npassphrase = \"${secret:a://x}\"\n",
    );
    home.run(&["trust"]).ok();
    let ran = home.run(&["get", "x"]).refused(6);
    assert!(
        ran.stderr.contains("a") && ran.stderr.contains("b"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_configuration_of_100_mb_is_refused_immediately() {
    let home = Home::new();
    home.write("secrets.toml", vec![b'#'; 100 << 20]);
    let started = std::time::Instant::now();
    home.run(&["list"]).refused(6).says("secrets.toml");
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn a_value_of_2_mib_is_refused_and_the_old_one_stays() {
    let home = Home::initialised();
    home.set("a", b"old");
    let ran = home.run_with_input(&["set", "a", "--stdin"], &vec![b'x'; 2 << 20]);
    ran.refused(6).says("a");
    assert_eq!(home.get("a"), b"old");
}

#[test]
fn stores_and_keys_that_cannot_be_trusted_are_refused() {
    let home = Home::initialised();
    home.set("a", b"value");
    let store = home.path(".secrets/store.txt");
    let identity = home.root().join("config/polysecrets/identity.txt");
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let get = || home.run(&["get", "a"]);

    mode(&store, 0o666);
    get().refused(4).says("store.txt");
    mode(&store, 0o600);
    mode(&identity, 0o644);
    get().refused(4).says("identity.txt");
    mode(&identity, 0o600);
    assert_eq!(home.get("a"), b"value");

    let good = home.read(".secrets/store.txt");
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&store, damaged).unwrap();
    get().refused(7).keeps("value");
    std::fs::write(&store, &good[..good.len() - 10]).unwrap();
    get().refused(7);
    std::fs::write(&store, &good).unwrap();
    assert_eq!(home.get("a"), b"value");

    let other = Home::initialised();
    let key = std::fs::read(other.root().join("config/polysecrets/identity.txt")).unwrap();
    let own = std::fs::read(&identity).unwrap();
    std::fs::write(&identity, key).unwrap();
    get().refused(4);
    std::fs::remove_file(&identity).unwrap();
    get().refused(4);
    std::fs::write(&identity, own).unwrap();
    mode(&identity, 0o600);
    assert_eq!(home.get("a"), b"value");

    std::fs::remove_file(&store).unwrap();
    get().refused(6).says("secrets init");
}

#[test]
fn help_explains_every_exit_code() {
    let home = Home::new();
    let help = home.run(&["--help"]).ok();
    for line in ["  0  ", "  3  ", "  8  ", "  125  ", "  127  "] {
        assert!(help.text().contains(line), "{line:?}: {}", help.text());
    }
    for verb in [
        "init",
        "set",
        "get",
        "list",
        "delete",
        "restore",
        "versions",
        "rollback",
        "run",
        "render",
        "check",
        "status",
        "config",
        "trust",
        "store",
        "completions",
        "demo",
    ] {
        let ran = home.run(&[verb, "--help"]).ok();
        assert!(
            ran.text().contains("Example:\n  "),
            "{verb}: {}",
            ran.text()
        );
    }
    home.run(&[]).ended(2);
}

#[test]
fn messages_are_plain_unless_colour_is_asked_for() {
    let home = Home::new();
    let run = |words: &[&str], variables: &[(&str, &str)]| {
        Ran::of(home.command(words).envs(variables.iter().copied()))
    };
    assert!(!run(&["get", "a/../b"], &[]).stderr.contains('\u{1b}'));
    assert!(
        run(&["get", "a/../b", "--color", "always"], &[])
            .stderr
            .contains('\u{1b}')
    );
    assert!(
        !run(&["get", "a/../b"], &[("NO_COLOR", "1")])
            .stderr
            .contains('\u{1b}')
    );
    // Foreign text cannot control the terminal.
    run(&["get", "no-\u{1b}[2J-name"], &[]).refused(6);
}
