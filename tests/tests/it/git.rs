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

/// A repository whose store had another recipient until now, who kept the identity, the key and a copy.
struct Removed {
    home: Home,
    other: Home,
    /// The store as the other one knew it.
    old: Vec<u8>,
}

const STORE: &str = ".secrets/store.txt";

impl Removed {
    fn new() -> Self {
        let home = committed();
        let other = Home::initialised();
        home.run(&["store", "recipients", "add", &public_key(&other)])
            .ok();
        home.set("rotated", b"old value");
        commit(&home, "both read it");
        let old = home.read(STORE);
        home.run(&["store", "recipients", "remove", &public_key(&other)])
            .ok();
        home.set("rotated", b"new value");
        commit(&home, "only we read it");
        Self { home, other, old }
    }

    fn git(&self, words: &[&str]) -> Ran {
        git(&self.home, &self.home.path(""), words)
    }

    /// Lets git merge stores by itself.
    fn with_driver(self) -> Self {
        self.git(&["config", "merge.polysecrets.driver", &driver("")])
            .ok();
        self
    }

    /// What the removed recipient reads in a store.
    fn reads(&self, store: &[u8], name: &str) -> Ran {
        self.other.write(STORE, store);
        self.other.run(&["store", "accept"]);
        self.other.run(&["get", name])
    }

    /// A branch from here on which the store is this one.
    fn branch_with(&self, name: &str, store: &[u8]) {
        self.git(&["checkout", "-qb", name]).ok();
        self.home.write(STORE, store);
        self.git(&["commit", "-qam", name]).ok();
        self.git(&["checkout", "-q", "main"]).ok();
    }

    /// That the store here has lost nothing and is not open to the one who was removed.
    #[track_caller]
    fn is_safe(&self) {
        let recipients = self.home.run(&["store", "recipients", "list"]).ok();
        assert!(!recipients.text().contains(&public_key(&self.other)));
        assert_eq!(self.home.get("rotated"), b"new value");
        self.home.set("later", b"not for them");
        self.reads(&self.home.read(STORE), "later").refused(4);
    }
}

fn public_key(home: &Home) -> String {
    let identity = std::fs::read_to_string(home.root().join("config/polysecrets/identity.txt"));
    let identity = identity.unwrap();
    let line = identity.lines().find(|line| line.contains("public key: "));
    line.unwrap().split(": ").nth(1).unwrap().to_owned()
}

fn driver(options: &str) -> String {
    let command = polysecrets_tests::secrets_command().display();
    format!("{command} store merge-files {options} %O %A %B")
}

fn commit(home: &Home, message: &str) {
    git(home, &home.path(""), &["commit", "-qam", message]).ok();
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
    run(&["config", "merge.polysecrets.driver", &driver("")]).ok();
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

/// The attack needs no key: whoever can commit brings an older copy of the store on a branch.
#[test]
fn a_branch_with_an_older_copy_brings_no_old_key_back() {
    for driver in [true, false] {
        let there = Removed::new();
        let there = if driver { there.with_driver() } else { there };
        there.branch_with("older", &there.old);
        there.home.set("ours", b"meanwhile");
        commit(&there.home, "ours");
        assert_ne!(there.git(&["merge", "-q", "older"]).code(), Some(0));
        let ran = there.home.run(&["store", "merge"]).refused(7);
        let ran = ran.says("older").says("git checkout --ours");
        ran.keeps("new value");
        there.git(&["checkout", "--ours", STORE]).ok();
        there.git(&["add", STORE]).ok();
        there.git(&["commit", "-qm", "merged"]).ok();
        there.is_safe();
    }
}

#[test]
fn a_rebase_or_cherry_pick_of_an_older_copy_brings_no_old_key_back() {
    for words in [["cherry-pick", "older"], ["rebase", "main"]] {
        let there = Removed::new().with_driver();
        there.branch_with("older", &there.old);
        there.home.set("ours", b"meanwhile");
        commit(&there.home, "ours");
        if words[0] == "rebase" {
            there.git(&["checkout", "-q", "older"]).ok();
        }
        assert_ne!(there.git(&words).code(), Some(0), "{words:?}");
        there.home.run(&["store", "merge"]).refused(7).says("older");
        there.git(&[words[0], "--abort"]).ok();
        there.git(&["checkout", "-q", "main"]).ok();
        there.is_safe();
    }
}

/// Markers are all that there is, as after `git merge-file`.
#[test]
fn an_older_copy_in_markers_brings_no_old_key_back() {
    let there = Removed::new();
    let base = String::from_utf8(there.home.read(STORE)).unwrap();
    there.home.set("ours", b"meanwhile");
    let ours = String::from_utf8(there.home.read(STORE)).unwrap();
    let old = String::from_utf8(there.old.clone()).unwrap();
    for (style, code) in [(format!("||||||| base\n{base}"), 7), (String::new(), 0)] {
        let text = format!("<<<<<<< HEAD\n{ours}{style}=======\n{old}>>>>>>> older\n");
        there.home.write(STORE, text);
        there.home.run(&["store", "merge"]).ended(code);
    }
    assert_eq!(there.home.get("ours"), b"meanwhile");
    there.is_safe();
}

#[test]
fn what_a_late_writer_wrote_under_the_old_key_needs_a_yes_and_gets_the_new_key() {
    for driver in [true, false] {
        let there = Removed::new();
        let there = if driver { there.with_driver() } else { there };
        // The late writer has not seen that the key was replaced: an honest one, or the one who was removed.
        there.git(&["checkout", "-q", "HEAD~1"]).ok();
        there.git(&["checkout", "-qb", "late"]).ok();
        there.home.run(&["store", "accept"]).ok();
        there.home.set("late", b"written late");
        commit(&there.home, "late");
        let late = there.home.read(STORE);
        there.git(&["checkout", "-q", "main"]).ok();
        there.home.run(&["store", "accept"]).ok();
        assert_ne!(there.git(&["merge", "-q", "late"]).code(), Some(0));

        let ran = there.home.run(&["store", "merge"]).refused(1);
        let ran = ran.says("late").says("replaced key");
        ran.says("--accept-old-key").keeps("written late");
        there.home.run(&["get", "late"]);
        let json = ["store", "merge", "--accept-old-key", "--json"];
        let report = there.home.run(&json).ok().json();
        assert_eq!(report["old_key"][0]["name"], "late");
        there.git(&["add", STORE]).ok();
        there.git(&["commit", "-qm", "merged"]).ok();
        assert_eq!(there.home.get("late"), b"written late");
        there.reads(&there.home.read(STORE), "late").refused(4);
        there.is_safe();
        assert_eq!(there.reads(&late, "late").ok().stdout, b"written late");
    }
}

/// The other way round: the branch with the newer key comes into one that is behind.
#[test]
fn a_merge_names_who_may_read_and_asks_before_it_changes_that() {
    let home = committed();
    let other = Home::initialised();
    let key = public_key(&other);
    let run = |words: &[&str]| git(&home, &home.path(""), words);
    run(&["config", "merge.polysecrets.driver", &driver("")]).ok();
    run(&["checkout", "-qb", "add"]).ok();
    home.run(&["store", "recipients", "add", &key]).ok();
    commit(&home, "add");
    run(&["checkout", "-q", "main"]).ok();
    home.run(&["store", "accept"]).ok();
    home.set("ours", b"1");
    commit(&home, "ours");
    assert_ne!(run(&["merge", "-q", "add"]).code(), Some(0));
    let ran = home.run(&["store", "merge"]).refused(1);
    ran.says(&key)
        .says("--accept-recipients")
        .says("--accept-old-key");
    let words = ["store", "merge", "--accept-recipients", "--accept-old-key"];
    home.run(&words).ok().says(&key);
    let recipients = home.run(&["store", "recipients", "list"]).ok();
    assert!(recipients.text().contains(&key));
    assert_eq!(home.get("ours"), b"1");
}

/// Whoever knows the public keys can make a store that all of them open.
#[test]
fn a_store_with_a_key_that_follows_from_none_of_ours_is_not_merged() {
    let there = Removed::new().with_driver();
    let forger = Home::initialised();
    let id = |store: &[u8]| {
        let text = String::from_utf8(store.to_vec()).unwrap();
        let line = text.lines().find(|line| line.starts_with("store "));
        line.unwrap().to_owned()
    };
    // They take the id of our store, and their own key authenticates what they write.
    let ours = id(&there.home.read(STORE));
    let mine = public_key(&there.home);
    forger.run(&["store", "recipients", "add", &mine]).ok();
    assert_ne!(id(&forger.read(STORE)), ours);
    there.branch_with("forged", &forger.read(STORE));
    there.home.set("ours", b"meanwhile");
    commit(&there.home, "ours");
    assert_ne!(there.git(&["merge", "-q", "forged"]).code(), Some(0));
    let options = [
        "--accept-recipients",
        "--accept-old-key",
        "--accept-versions",
    ];
    let ran = there
        .home
        .run(&[&["store", "merge"], &options[..]].concat());
    ran.refused(1).says("different stores");
    there.git(&["merge", "--abort"]).ok();
    there.is_safe();
}

#[test]
fn a_change_of_a_current_version_needs_a_yes() {
    let home = committed();
    let run = |words: &[&str]| git(&home, &home.path(""), words);
    run(&["config", "merge.polysecrets.driver", &driver("")]).ok();
    home.set("deleted", b"d");
    commit(&home, "more");
    run(&["checkout", "-qb", "left"]).ok();
    home.set("shared", b"rotated");
    home.run(&["delete", "deleted", "--yes"]).ok();
    commit(&home, "left");
    run(&["checkout", "-q", "main"]).ok();
    home.run(&["store", "accept"]).ok();
    home.set("right", b"2");
    commit(&home, "right");
    assert_ne!(run(&["merge", "-q", "left"]).code(), Some(0));
    let ran = home.run(&["store", "merge"]).refused(1);
    ran.says("shared")
        .says("--accept-versions")
        .keeps("rotated");
    assert_eq!(home.get("shared"), b"from the start");
    run(&["merge", "--abort"]).ok();
    let words = ["config", "merge.polysecrets.driver"];
    run(&[&words[..], &[&driver("--accept-versions")]].concat()).ok();
    run(&["merge", "-q", "-m", "merged", "left"]).ok();
    assert_eq!(home.get("shared"), b"rotated");
    home.run(&["get", "deleted"]).refused(3);
}

/// Two branches that were written equally often have equal revisions.
#[test]
fn a_sibling_of_equal_revision_is_noticed() {
    let home = committed();
    let run = |words: &[&str]| git(&home, &home.path(""), words);
    run(&["checkout", "-qb", "left"]).ok();
    home.set("key", b"left");
    commit(&home, "left");
    run(&["checkout", "-q", "main"]).ok();
    home.run(&["store", "accept"]).ok();
    home.set("key", b"right");
    commit(&home, "right");
    run(&["checkout", "-q", "left"]).ok();
    home.run(&["get", "key"]).refused(7).says("store accept");
    home.run(&["store", "accept"]).ok();
    assert_eq!(home.get("key"), b"left");
}

#[test]
fn an_accepted_change_of_recipients_is_named() {
    let there = Removed::new();
    there.git(&["checkout", "-q", "HEAD~1"]).ok();
    there.home.run(&["store", "accept"]).ok();
    there.git(&["checkout", "-q", "main"]).ok();
    there.home.run(&["get", "rotated"]).refused(7);
    let ran = there.home.run(&["store", "accept"]).ok();
    ran.says(&public_key(&there.other)).says("removed");
}
