//! `secrets render` and `secrets check`: files with references and templates.

use std::os::unix::fs::PermissionsExt;

use polysecrets_tests::Home;

const YAML: &str = "# kept\nuser: app\npassword: ${secret:db/password}   # why\nurl: \"postgres://app:${secret:db/password}@db\"\nliteral: $${secret:x}\n";

fn home() -> Home {
    let home = Home::initialised();
    home.set("db/password", b"it's: \"100%\" #1");
    home
}

#[test]
fn a_file_keeps_all_but_its_references() {
    let home = home();
    home.write("app.yaml", YAML);
    let ran = home.run(&["render", "app.yaml"]).ok();
    let text = ran.text();
    assert!(text.starts_with("# kept\nuser: app\npassword: "), "{text}");
    assert!(
        text.contains("   # why\n") && text.contains("${secret:x}"),
        "{text}"
    );
    assert!(!text.contains("db/password"), "{text}");
    assert_eq!(home.read("app.yaml"), YAML.as_bytes());
}

#[test]
fn values_are_quoted_for_each_format() {
    let home = home();
    for (name, source) in [
        ("a.json", r#"{"p": "${secret:db/password}"}"#),
        ("a.toml", "p = \"${secret:db/password}\"\n"),
        (".env.app", "P=${secret:db/password}\n"),
    ] {
        home.write(name, source);
        let ran = home.run(&["render", name]).ok();
        assert!(!ran.text().contains("${secret:"), "{}", ran.text());
    }
    let json: serde_json::Value =
        serde_json::from_slice(&home.run(&["render", "a.json"]).ok().stdout).unwrap();
    assert_eq!(json["p"], "it's: \"100%\" #1");
    home.write("note.txt", "pass=${secret:db/password};");
    home.run(&["render", "note.txt"])
        .refused(6)
        .says("--format");
    assert_eq!(
        home.run(&["render", "note.txt", "--format", "text"])
            .ok()
            .text(),
        "pass=it's: \"100%\" #1;"
    );
    let ran = home
        .run_with_input(
            &["render", "-", "--format", "text"],
            b"<${secret:db/password}>",
        )
        .ok();
    assert_eq!(ran.text(), "<it's: \"100%\" #1>");
}

#[test]
fn a_template_is_filled_in() {
    let home = Home::initialised();
    home.configure("\n[secrets.DB_PASSWORD]\nreference = \"db/password\"\n");
    home.set("db/password", b"hunter2");
    home.write(
        "app.j2",
        "p={{ secrets.DB_PASSWORD }} d={{ secrets.get(\"NONE\", \"x\") }} h={% if secrets.has(\"DB_PASSWORD\") %}yes{% endif %}\n",
    );
    let ran = home.run(&["render", "--template", "app.j2"]).ok();
    assert_eq!(ran.text(), "p=hunter2 d=x h=yes\n");
    home.write("bad.j2", "line\n{{ secrets.MISSING }}\n");
    home.run(&["render", "--template", "bad.j2"])
        .refused(3)
        .says("bad.j2:2:")
        .says("MISSING");
    home.write("broken.j2", "{{ secrets.");
    home.run(&["render", "--template", "broken.j2"])
        .refused(6)
        .says("broken.j2:1:");
}

#[test]
fn written_files_are_private_and_complete() {
    let home = home();
    home.write("app.yaml", YAML);
    home.write("out.yaml", "old");
    home.run(&["render", "app.yaml", "--out", "out.yaml"]).ok();
    let mode = home
        .path("out.yaml")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let good = home.read("out.yaml");
    home.write(
        "bad.yaml",
        "a: ${secret:db/password}\nb: ${secret:not/there}\n",
    );
    home.run(&["render", "bad.yaml", "--out", "out.yaml"])
        .refused(3)
        .says("bad.yaml:2:")
        .says("not/there");
    assert_eq!(home.read("out.yaml"), good);
    home.run(&["render", "app.yaml", "bad.yaml", "--out-dir", "made"])
        .refused(3);
    assert_eq!(std::fs::read_dir(home.path("made")).unwrap().count(), 0);
    home.run(&["render", "app.yaml", "a/../app.yaml", "--out-dir", "made"])
        .refused(2);
}

#[test]
fn check_reports_places_and_no_values() {
    let home = Home::initialised();
    let config = String::from_utf8(home.read("secrets.toml")).unwrap();
    let lines = config.lines().count();
    home.configure(
        "\n[secrets.GOOD]\nreference = \"good\"\n[secrets.GONE]\nreference = \"gone\"\n[secrets.MAYBE]\nreference = \"maybe\"\nrequired = false\n",
    );
    home.set("good", b"canary-value");
    home.write("app.yaml", "a: ${secret:good}\nb:\n  - ${secret:nowhere}\n");
    let ran = home
        .run(&["check", "app.yaml"])
        .ended(8)
        .keeps("canary")
        .says("2 problems in 5 references; 1 optional secret is missing: MAYBE\n");
    assert!(ran.text().contains("app.yaml:3:5"), "{}", ran.text());
    assert!(ran.text().contains("nowhere"), "{}", ran.text());
    assert!(
        ran.text().contains(&format!("secrets.toml:{}", lines + 4)),
        "{}",
        ran.text()
    );
    let json = home
        .run(&["check", "app.yaml", "--json"])
        .ended(8)
        .keeps("canary")
        .json();
    assert_eq!(json["checked"], 5);
    assert_eq!(json["absent"], serde_json::json!(["MAYBE"]));
    assert_eq!(json["problems"][1]["kind"], "not_found");
    home.set("gone", b"back");
    home.run(&["check"])
        .ok()
        .says("2 references resolve; 1 optional secret is missing: MAYBE\n");
    home.set("maybe", b"here");
    home.run(&["check"]).ok().says("all 3 references resolve\n");
    home.run(&["delete", "maybe", "--purge", "--yes"]).ok();
    home.write("broken.yaml", "a: [${secret:good\n");
    home.run(&["check", "broken.yaml"]).ended(8);
    home.set("nowhere", b"there");
    let ran = home
        .run(&["check", "missing.yaml", "broken.yaml", "app.yaml"])
        .ended(8)
        .says("2 problems in 5 references");
    assert!(ran.text().contains("missing.yaml"), "{}", ran.text());
}

#[test]
fn check_uses_singular_and_plural() {
    let home = Home::initialised();
    home.run(&["check"]).ok().says("no references to check\n");
    home.write("one.yaml", "a: ${secret:a}\n");
    home.run(&["check", "one.yaml"])
        .ended(8)
        .says("1 problem in 1 reference\n");
    home.set("a", b"v");
    home.run(&["check", "one.yaml"])
        .ok()
        .says("1 reference resolves\n");
    home.run(&["config", "check"])
        .ok()
        .says("2 providers, 1 chain, 0 declared secrets");
}

#[test]
fn a_default_provider_that_does_not_open_is_a_problem() {
    let home = Home::initialised();
    std::fs::remove_file(home.path(".secrets/store.txt")).unwrap();
    let ran = home.run(&["check"]).ended(8).says("1 problem");
    assert!(ran.text().contains("provider local"), "{}", ran.text());
    home.write("plain.yaml", "a: ${secret:env://LANG}\n");
    home.write(
        "secrets.toml",
        "default = \"main\"\n[providers.main]\ntype = \"vault\"\naddress = \"http://127.0.0.1:9\"\nmount = \"kv\"\nca_file = \"none.pem\"\n",
    );
    home.run(&["trust"]).ok();
    let ran = home.run(&["check", "plain.yaml"]).ended(8);
    assert!(ran.text().contains("provider main"), "{}", ran.text());
}

#[test]
fn a_value_that_is_not_of_its_format_is_refused() {
    let home = Home::initialised();
    home.configure("\n[secrets.PORT]\nreference = \"db/port\"\nformat = \"integer\"\n");
    home.set("db/port", b"canary-port");
    let ran = home
        .run(&["check"])
        .ended(8)
        .keeps("canary")
        .says("1 problem in 1 reference");
    assert!(ran.text().contains("PORT"), "{}", ran.text());
    assert!(ran.text().contains("`integer`"), "{}", ran.text());
    let json = home
        .run(&["check", "--json"])
        .ended(8)
        .keeps("canary")
        .json();
    assert_eq!(json["problems"][0]["kind"], "invalid_value");
    home.run(&["run", "--", "touch", "started"])
        .refused(125)
        .keeps("canary")
        .says("`integer`")
        .says("PORT")
        .says("hint: ");
    assert!(!home.path("started").exists());
    home.set("db/port", b"5432");
    home.run(&["check"]).ok().says("1 reference resolves");
    home.run(&["run", "--", "touch", "started"]).ok();
    assert!(home.path("started").exists());
}

#[test]
fn status_shows_the_provider_of_each_secret() {
    let home = Home::initialised();
    home.configure(
        "\n[secrets.FROM_FILE]\nreference = \"a\"\n[secrets.FROM_ENV]\nreference = \"IN_ENV\"\n",
    );
    home.set("a", b"canary-value");
    let status = |words: &[&str]| {
        polysecrets_tests::Ran::of(home.command(words).env("IN_ENV", "canary-env"))
    };
    let json = status(&["status", "--json"]).ok().keeps("canary").json();
    assert_eq!(json["secrets"][0]["provider"], "local");
    assert_eq!(json["secrets"][1]["provider"], "env");
    assert_eq!(json["secrets"][1]["via"], "project");
    assert!(
        json["providers"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["health"] == "healthy"),
        "{json}"
    );
    let table = status(&["status"]).ok().keeps("canary");
    assert!(table.text().contains("FROM_FILE"), "{}", table.text());
    home.run(&["status"]).ended(8);
}

#[test]
fn a_source_is_never_its_own_target() {
    use std::os::unix::fs::symlink;

    let home = home();
    home.write("app.yaml", YAML);
    home.write("other.yaml", YAML);
    home.write("app.j2", "{{ secrets.get(\"db/password\") }}");
    std::fs::hard_link(home.path("app.yaml"), home.path("hard.yaml")).unwrap();
    symlink("app.yaml", home.path("soft.yaml")).unwrap();
    std::fs::create_dir(home.path("links")).unwrap();
    std::fs::hard_link(home.path("app.yaml"), home.path("links/app.yaml")).unwrap();
    symlink(".", home.path("here")).unwrap();
    let absolute = home.path("app.yaml").display().to_string();
    let cases: &[&[&str]] = &[
        &["render", "app.yaml", "--out", "app.yaml"],
        &["render", "app.yaml", "--out", "./app.yaml"],
        &["render", "app.yaml", "--out", "links/../app.yaml"],
        &["render", "app.yaml", "--out", "here/app.yaml"],
        &["render", "app.yaml", "--out", &absolute],
        &["render", "app.yaml", "--out", "hard.yaml"],
        &["render", "app.yaml", "--out", "soft.yaml"],
        &["render", "soft.yaml", "--out", "app.yaml"],
        &["render", "hard.yaml", "--out", "app.yaml"],
        &["render", "app.j2", "--template", "--out", "app.j2"],
        &["render", "app.yaml", "--out-dir", "."],
        &["render", "app.yaml", "--out-dir", "here"],
        &["render", "other.yaml", "app.yaml", "--out-dir", "links"],
        &["render", "app.j2", "--template", "--out-dir", "."],
    ];
    for words in cases {
        home.run(words).refused(2).says("nothing was written");
        assert_eq!(home.read("app.yaml"), YAML.as_bytes(), "{words:?}");
        assert!(!home.path("links/other.yaml").exists(), "{words:?}");
    }
    let mut redirected = home.command(&["render", "-", "--format", "yaml", "--out", "app.yaml"]);
    redirected.stdin(std::fs::File::open(home.path("app.yaml")).unwrap());
    polysecrets_tests::Ran::of(&mut redirected)
        .refused(2)
        .says("standard input");
    assert_eq!(home.read("app.yaml"), YAML.as_bytes());
    // If one target cannot be written, none is.
    std::fs::create_dir_all(home.path("made/other.yaml")).unwrap();
    home.run(&["render", "app.yaml", "other.yaml", "--out-dir", "made"])
        .refused(6);
    assert!(!home.path("made/app.yaml").exists());
    home.run(&["render", "app.yaml", "--out-dir", "made"]).ok();
}
