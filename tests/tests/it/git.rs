//! A committed store: cloned, merged from two branches, and shared with another person.

use std::path::Path;

use polysecrets_tests::{Home, Ran};

fn git(home: &Home, folder: &Path, words: &[&str]) -> Ran {
    let mut command = home.program("git");
    command
        .current_dir(folder)
        .args(["-c", "user.name=test", "-c", "user.email=test@example.com"])
        .args(["-c", "init.defaultBranch=main", "-c", "core.autocrlf=true"])
        .args(words);
    Ran::of(&mut command)
}

fn secrets(home: &Home, folder: &Path, words: &[&str], input: &[u8]) -> Ran {
    Ran::with_input(home.command(words).current_dir(folder), input)
}

fn committed() -> Home {
    let home = Home::initialised();
    home.set("shared", b"from the start");
    let folder = home.path("");
    git(&home, &folder, &["init", "-q"]).ok();
    git(&home, &folder, &["add", "-A"]).ok();
    git(&home, &folder, &["commit", "-qm", "start"]).ok();
    home
}

#[test]
fn a_clone_opens_the_committed_store() {
    let home = committed();
    let clone = home.root().join("clone");
    git(&home, home.root(), &["clone", "-q", "work", "clone"]).ok();
    let value = secrets(&home, &clone, &["get", "local://shared"], b"").ok();
    assert_eq!(value.stdout, b"from the start");

    let stranger = Home::new();
    let copy = stranger.path("copy");
    git(
        &stranger,
        stranger.root(),
        &[
            "clone",
            "-q",
            &clone.display().to_string(),
            &copy.display().to_string(),
        ],
    )
    .ok();
    secrets(&stranger, &copy, &["get", "local://shared"], b"").refused(4);
}

#[test]
fn two_branches_that_added_secrets_lose_none() {
    let home = committed();
    let folder = home.path("");
    let run = |words: &[&str]| git(&home, &folder, words);
    run(&["checkout", "-qb", "left"]).ok();
    for (name, value) in [("left/a", "1"), ("left/b", "2"), ("both", "left")] {
        home.set(name, value.as_bytes());
    }
    run(&["commit", "-qam", "left"]).ok();
    run(&["checkout", "-q", "main"]).ok();
    home.run(&["store", "accept"]).ok();
    for (name, value) in [("right/a", "3"), ("both", "right")] {
        home.set(name, value.as_bytes());
    }
    run(&["commit", "-qam", "right"]).ok();
    assert_ne!(run(&["merge", "left"]).code(), Some(0));
    home.run(&["get", "shared"]).says("store merge");
    home.run(&["store", "merge"]).ok().says("both");
    run(&["add", ".secrets/store.txt"]).ok();
    run(&["commit", "-qm", "merged"]).ok();
    for (name, value) in [
        ("shared", "from the start"),
        ("left/a", "1"),
        ("left/b", "2"),
        ("right/a", "3"),
        ("both", "right"),
    ] {
        assert_eq!(home.get(name), value.as_bytes(), "{name}");
    }
    let versions = home.run(&["versions", "both", "--json"]).ok().json();
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2);
}

#[test]
fn the_store_is_gits_merge_driver() {
    let home = committed();
    let folder = home.path("");
    let run = |words: &[&str]| git(&home, &folder, words);
    let command = polysecrets_tests::secrets_command().display();
    let driver = format!("{command} store merge-files %O %A %B");
    run(&["config", "merge.polysecrets.driver", &driver]).ok();
    run(&["checkout", "-qb", "left"]).ok();
    home.set("left", b"1");
    run(&["commit", "-qam", "left"]).ok();
    run(&["checkout", "-q", "main"]).ok();
    home.run(&["store", "accept"]).ok();
    home.set("right", b"2");
    run(&["commit", "-qam", "right"]).ok();
    run(&["merge", "-q", "-m", "merged", "left"]).ok();
    for (name, value) in [("left", "1"), ("right", "2"), ("shared", "from the start")] {
        assert_eq!(home.get(name), value.as_bytes(), "{name}");
    }
}

#[test]
fn another_person_is_let_in() {
    let home = committed();
    let other = Home::initialised();
    let listed = other.run(&["store", "recipients", "list"]).ok();
    let key = listed.text().trim();
    home.run(&["store", "recipients", "add", key]).ok();
    let copy = other.root().join("copy");
    std::fs::create_dir_all(copy.join(".secrets")).unwrap();
    for file in ["secrets.toml", ".secrets/store.txt"] {
        std::fs::copy(home.path(file), copy.join(file)).unwrap();
    }
    let value = secrets(&other, &copy, &["get", "shared"], b"").ok();
    assert_eq!(value.stdout, b"from the start");
}
