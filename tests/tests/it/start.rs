//! `init`, `demo`, `config`, `trust`, `completions` and `store`.

use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use polysecrets_tests::{Home, Ran};

#[test]
fn init_creates_everything_needed() {
    let home = Home::new();
    let ran = home.run(&["init", "--yes"]).ok();
    assert!(ran.stdout.is_empty());
    let identity = home.root().join("config/polysecrets/identity.txt");
    let mode = identity.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let key = std::fs::read_to_string(&identity).unwrap();
    let private = key
        .lines()
        .find(|line| line.starts_with("AGE-SECRET-KEY-1"))
        .unwrap();
    let ran = ran.keeps(private);
    assert!(ran.stderr.contains("age1"), "{}", ran.stderr);
    assert!(home.path(".secrets/store.txt").exists());
    let ignored = String::from_utf8(home.read(".gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == ".env"));
    let attributes = std::fs::read_to_string(home.path(".secrets/.gitattributes")).unwrap();
    assert!(attributes.contains("store.txt"), "{attributes}");
    home.run(&["config", "check"]).ok();
    let described = home.run(&["config", "show", "--json"]).ok().json();
    let trusted = described["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == "trusted");
    assert_eq!(trusted.unwrap()["value"], "true");
}

#[test]
fn init_overwrites_nothing() {
    let home = Home::initialised();
    home.set("a", b"v");
    let before = (
        home.read("secrets.toml"),
        home.read(".secrets/store.txt"),
        home.read(".gitignore"),
    );
    home.run(&["init", "--yes"])
        .refused(6)
        .says("already exists");
    std::fs::remove_file(home.path("secrets.toml")).unwrap();
    home.write("secrets.json", "{}");
    home.run(&["init", "--yes"]).refused(6).says("secrets.json");
    std::fs::remove_file(home.path("secrets.json")).unwrap();
    home.run(&["init", "--yes"])
        .ok()
        .says("kept the existing encrypted store");
    let after = (
        home.read("secrets.toml"),
        home.read(".secrets/store.txt"),
        home.read(".gitignore"),
    );
    assert_eq!(before, after);
    assert_eq!(home.get("a"), b"v");
}

#[test]
fn init_asks_nothing_without_a_terminal() {
    let home = Home::new();
    home.run(&["init"]).refused(2).says("--yes");
    assert!(!home.path("secrets.toml").exists());
    home.run(&["init", "--provider", "nonsense://x"])
        .refused(6)
        .says("expected one of");
    home.run(&["init", "--provider", "vault"])
        .refused(6)
        .says("location");
    assert_eq!(std::fs::read_dir(home.path("")).unwrap().count(), 0);
    home.run(&[
        "init",
        "--provider",
        "vault://vault.example.com:8200/kv",
        "--no-trust",
    ])
    .ok();
    let described = home.run(&["config", "show"]).ok();
    assert!(
        described.text().contains("vault.example.com:8200"),
        "{}",
        described.text()
    );
    assert!(described.text().contains("false"), "{}", described.text());
}

#[test]
fn the_demo_shows_the_main_commands() {
    let home = Home::new();
    let started = Instant::now();
    let ran = home.run(&["demo"]).ok();
    assert!(
        started.elapsed().as_secs_f32() < 5.0,
        "{:?}",
        started.elapsed()
    );
    for step in 1..=6 {
        assert!(
            ran.text().contains(&format!("\n{step}. ")),
            "no step {step}: {}",
            ran.text()
        );
    }
    assert!(
        ran.text()
            .contains("the checksum is that of the first value again")
    );
    for folder in ["home", "work", "config", "state", "tmp"] {
        let left = std::fs::read_dir(home.root().join(folder)).unwrap().count();
        assert_eq!(left, 0, "files left in {folder}");
    }
}

#[test]
fn config_show_prints_origins_and_schema() {
    let home = Home::initialised();
    home.write(".env", "A=1\n");
    let origin = home.run(&["config", "show", "--origin"]).ok();
    assert!(origin.text().contains("secrets.toml:"), "{}", origin.text());
    let json = home
        .run(&["config", "show", "--json", "--provider", "local"])
        .ok()
        .json();
    let default = json["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == "default")
        .unwrap();
    assert_eq!(
        (default["value"].as_str(), default["origin"].as_str()),
        (Some("local"), Some("--provider"))
    );
    let schema: serde_json::Value =
        serde_json::from_slice(&home.run(&["config", "schema"]).ok().stdout).unwrap();
    assert!(schema["properties"]["providers"].is_object());
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    let home = Home::initialised();
    home.set("A", b"from the file");
    home.write("other.toml", "default = \"env\"\n");
    let run = |words: &[&str], variables: &[(&str, &str)]| {
        Ran::of(
            home.command(words)
                .envs(variables.iter().copied())
                .env("A", "from the environment"),
        )
    };
    let value =
        |words: &[&str], variables: &[(&str, &str)]| run(words, variables).ok().text().to_owned();
    assert_eq!(
        value(&["get", "A", "--provider", "local"], &[]),
        "from the file"
    );
    assert_eq!(
        value(
            &["get", "A", "--secrets-backend", "env"],
            &[("SECRETS_PROVIDER", "local")]
        ),
        "from the environment"
    );
    assert_eq!(
        value(&["get", "A"], &[("SECRETS_PROVIDER", "local")]),
        "from the file"
    );
    assert_eq!(
        value(&["get", "A"], &[("SECRETS_BACKEND", "local")]),
        "from the file"
    );
    run(
        &["get", "A"],
        &[("SECRETS_BACKEND", "local"), ("SECRETS_PROVIDER", "env")],
    )
    .refused(6);
    assert_eq!(
        value(&["get", "A", "--config", "other.toml"], &[]),
        "from the environment"
    );
    assert_eq!(
        value(&["get", "A"], &[("SECRETS_CONFIG", "other.toml")]),
        "from the environment"
    );
}

#[test]
fn trust_approves_lists_and_revokes() {
    let home = Home::initialised();
    let listed = || home.run(&["trust", "--list"]).ok().text().to_owned();
    assert!(listed().contains("secrets.toml"), "{}", listed());
    home.run(&["trust", "--revoke"]).ok();
    assert_eq!(listed(), "");
    home.run(&["trust", "secrets.toml"]).ok();
    assert!(listed().contains("secrets.toml"));
    home.run(&["trust", "missing.toml"]).refused(6);
}

#[test]
fn every_shell_gets_its_completions() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = home.run(&["completions", shell]).ok();
        assert!(ran.text().contains("rollback"), "{shell}");
    }
    let mut check = home.program("bash");
    check.args(["-n", "-c", home.run(&["completions", "bash"]).ok().text()]);
    Ran::of(&mut check).ok();
}

#[test]
fn store_manages_recipients() {
    let home = Home::initialised();
    home.set("a", b"v");
    let info = home.run(&["store", "info", "--json"]).ok().json();
    assert_eq!(
        (info["secrets"].as_u64(), info["revision"].as_u64()),
        (Some(1), Some(2))
    );
    let other = "age1cy0su9fwf3gf9mw868g5yut09p6nytfmmnktexz2ya5uqg9vl9sss4euqm";
    home.run(&["store", "recipients", "add", other]).ok();
    let listed = home.run(&["store", "recipients", "list"]).ok();
    assert!(
        listed.text().contains(other) && listed.text().lines().count() == 2,
        "{}",
        listed.text()
    );
    home.run(&["store", "recipients", "rekey"]).ok();
    home.run(&["store", "recipients", "remove", other]).ok();
    home.run(&["store", "recipients", "remove", other])
        .refused(6);
    assert_eq!(home.get("a"), b"v");
    home.run(&["store", "merge"]).refused(6);
}

#[test]
fn an_older_store_is_refused_until_accepted() {
    let home = Home::initialised();
    home.set("a", b"one");
    let older = home.read(".secrets/store.txt");
    home.set("a", b"two");
    std::fs::write(home.path(".secrets/store.txt"), older).unwrap();
    home.run(&["get", "a"])
        .refused(7)
        .says("secrets store accept");
    home.run(&["store", "accept"]).ok();
    assert_eq!(home.get("a"), b"one");
}

#[test]
fn init_follows_no_foreign_link() {
    let home = Home::new();
    let mine = home.root().join("home/.profile");
    std::fs::write(&mine, "mine\n").unwrap();
    std::os::unix::fs::symlink(&mine, home.path(".gitignore")).unwrap();
    home.run(&["init", "--yes"]).refused(6).says(".gitignore");
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "mine\n");
}

#[test]
fn init_refuses_a_file_that_is_not_a_store() {
    let home = Home::new();
    home.write(".secrets/store.txt", "junk\n");
    let code = home.run(&["init", "--yes"]).code();
    assert!(matches!(code, Some(6 | 7)), "{code:?}");
    assert_eq!(home.read(".secrets/store.txt"), b"junk\n");
    assert_eq!(std::fs::read_dir(home.path("")).unwrap().count(), 1);
    for folder in ["config", "state", "home"] {
        let left = std::fs::read_dir(home.root().join(folder)).unwrap().count();
        assert_eq!(left, 0, "files written in {folder}");
    }
}

#[test]
fn init_in_a_clone_keeps_the_store() {
    let other = Home::initialised();
    other.set("a", b"v");
    let store = other.read(".secrets/store.txt");
    let home = Home::new();
    home.write(".secrets/store.txt", &store);
    home.run(&["init", "--yes"])
        .ok()
        .says("kept the existing encrypted store")
        .says("secrets store recipients add");
    assert_eq!(home.read(".secrets/store.txt"), store);
    home.run(&["get", "a"]).refused(4);
}
