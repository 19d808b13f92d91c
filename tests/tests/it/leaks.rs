//! A value appears only where it was requested, at any verbosity.

use std::time::Duration;

use polysecrets_tests::Home;
use secrets_testkit::canary::{Canary, CommandCapture, Sinks};

const DECLARED: &str = "\n[secrets.PLANTED]\nreference = \"planted\"\n";

fn capture(home: &Home, words: &[&str], input: &[u8]) -> CommandCapture {
    let mut command = home.command(words);
    // Search backtraces too.
    command.env("RUST_BACKTRACE", "full").arg("-vv");
    CommandCapture::run(&mut command, input, Duration::from_secs(30)).unwrap()
}

#[test]
fn values_stay_out_of_messages_arguments_and_environments() {
    let canary = Canary::generate_with_escapes();
    let value = canary.reveal();
    let home = Home::initialised();
    home.configure(DECLARED);
    home.write("value.txt", value.as_bytes());
    home.write("app.yaml", "a: ${secret:planted}\n");
    home.write("app.j2", "{{ secrets.PLANTED }}");
    home.write("broken.j2", "{{ secrets.PLANTED + 1 }}");

    let mut sinks = Sinks::new([&canary]);
    let mut check = |words: &[&str], input: &[u8]| {
        let mut capture = capture(&home, words, input);
        // These commands print the value to standard output.
        if matches!(words[0], "get" | "render") {
            capture.stdout.clear();
        }
        sinks.command(words.join(" "), &capture);
    };
    check(&["set", "planted", "--stdin"], value.as_bytes());
    check(&["set", "planted", "--stdin", "--create"], value.as_bytes());
    check(&["set", "planted", "--from-file", "value.txt"], b"");
    check(&["get", "planted"], b"");
    check(&["get", "planted", "--json"], b"");
    check(&["get", "planted", "--field", "a"], b"");
    check(&["list"], b"");
    check(&["list", "--json"], b"");
    check(&["versions", "planted"], b"");
    check(&["rollback", "planted", "1"], b"");
    check(&["render", "app.yaml"], b"");
    check(&["render", "app.yaml", "--out", "made.yaml"], b"");
    check(&["render", "--template", "app.j2"], b"");
    check(&["render", "--template", "broken.j2"], b"");
    check(&["check", "app.yaml"], b"");
    check(&["status"], b"");
    check(&["status", "--json"], b"");
    check(&["config", "show", "--origin"], b"");
    check(&["store", "info"], b"");
    check(&["delete", "planted", "--yes"], b"");
    sinks.assert_clean();
}

#[test]
fn a_credential_in_the_configuration_is_not_shown() {
    let canary = Canary::generate();
    let token = canary.reveal();
    let home = Home::new();
    home.write(
        "secrets.toml",
        format!(
            "default = \"main\"\n[providers.main]\ntype = \"vault\"\naddress = \"http://127.0.0.1:9\"\nmount = \"kv\"\ntoken = \"{}\"\n",
            token.as_str()
        ),
    );
    home.run(&["trust"]).ok();
    let mut sinks = Sinks::new([&canary]);
    for words in [
        &["get", "a"][..],
        &["status"],
        &["config", "show", "--origin"],
        &["config", "show", "--json"],
        &["config", "check"],
    ] {
        sinks.command(words.join(" "), &capture(&home, words, b""));
    }
    sinks.assert_clean();
}
