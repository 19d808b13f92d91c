//! A person at a real terminal.

use polysecrets_tests::{Home, Terminal};

#[test]
fn init_set_get_run() {
    let home = Home::new();
    let terminal = Terminal::new(&home);

    terminal.enter("secrets init");
    terminal.wait_for("provider: [file]");
    terminal.enter("");
    terminal.wait_for("next: ");
    assert!(home.path("secrets.toml").exists());

    terminal.clear();
    terminal.enter("secrets set db/password");
    terminal.wait_for("value of db/password:");
    terminal.enter("typed-and-hidden");
    terminal.wait_for("again:");
    terminal.enter("typed-and-hidden");
    let screen = terminal.wait_for("wrote db/password, version 1");
    assert!(!screen.contains("hidden"), "{screen}");

    terminal.enter("secrets get db/password");
    let screen = terminal.wait_for("typed-and-hidden");
    assert!(screen.contains("typed-and-hidden\nready$"), "{screen}");

    let config = String::from_utf8(home.read("secrets.toml")).unwrap();
    home.write(
        "secrets.toml",
        config + "\n[secrets.DB_PASSWORD]\nreference = \"db/password\"\n",
    );
    terminal.clear();
    terminal.enter("secrets trust && secrets run -- sh -c 'echo length ${#DB_PASSWORD}'");
    terminal.wait_for("length 16");
}

#[test]
fn a_slip_and_a_change_of_mind_write_nothing() {
    let home = Home::initialised();
    let terminal = Terminal::new(&home);

    terminal.enter("secrets set a");
    terminal.wait_for("value of a:");
    terminal.enter("one");
    terminal.wait_for("again:");
    terminal.enter("two");
    terminal.wait_for("the two values differ");

    terminal.clear();
    terminal.enter("secrets set a; echo code $?");
    terminal.wait_for("value of a:");
    terminal.press("C-c");
    terminal.wait_for("code 130");
    // The terminal shows again what is typed.
    terminal.enter("echo vis''ible");
    terminal.wait_for("echo vis''ible");

    home.run(&["get", "a"]).refused(3);
}

#[test]
fn keys_that_are_no_text_are_not_stored() {
    let home = Home::initialised();
    let terminal = Terminal::new(&home);
    terminal.enter("secrets set a; echo code $?");
    terminal.wait_for("value of a:");
    terminal.press("x");
    terminal.press("Left");
    terminal.wait_for("a key was pressed that is not text");
    terminal.wait_for("code 6");
    home.run(&["get", "a"]).refused(3);

    terminal.clear();
    terminal.enter("secrets set a; echo code $?");
    for question in ["value of a:", "again:"] {
        terminal.wait_for(question);
        terminal.press("wrong");
        terminal.press("C-w");
        terminal.press("C-z");
        terminal.enter("right");
    }
    terminal.wait_for("code 0");
    assert_eq!(home.get("a"), b"right");
}

#[test]
fn a_deletion_is_confirmed() {
    let home = Home::initialised();
    home.set("a", b"value");
    let terminal = Terminal::new(&home);
    terminal.enter("secrets delete a; echo code $?");
    terminal.wait_for("delete a? [y/N]");
    terminal.enter("n");
    terminal.wait_for("code 1");
    assert_eq!(home.get("a"), b"value");
    terminal.clear();
    terminal.enter("secrets delete a; echo code $?");
    terminal.wait_for("[y/N]");
    terminal.enter("y");
    terminal.wait_for("code 0");
    home.run(&["get", "a"]).refused(3);
}

#[test]
fn the_terminal_belongs_to_the_program() {
    let home = Home::initialised();
    let terminal = Terminal::new(&home);
    terminal.enter("secrets run -- sh -c 'read -r line; echo got $line'");
    terminal.enter("typed");
    terminal.wait_for("got typed");
    // One Ctrl-C is one SIGINT.
    terminal.clear();
    terminal.enter(
        "secrets run -- sh -c 'n=0; trap \"n=\\$((n+1))\" INT; echo u''p; sleep 3; echo count $n'",
    );
    terminal.wait_for("up");
    terminal.press("C-c");
    terminal.wait_for("count 1");
    // Stopped and continued by the shell's job control.
    terminal.clear();
    terminal.enter("set -m; secrets run -- sleep 100");
    std::thread::sleep(std::time::Duration::from_millis(500));
    terminal.press("C-z");
    terminal.wait_for("Stopped");
    terminal.enter("kill %1; fg; echo code $?");
    terminal.wait_for("code 143");
}

#[test]
fn bytes_that_command_a_terminal_are_not_sent_to_it() {
    let home = Home::initialised();
    home.set("evil", b"\x1b[2Jgone");
    let terminal = Terminal::new(&home);
    terminal.enter("secrets get evil");
    terminal.wait_for("hint: write it to a file with --out FILE");
}

#[test]
fn a_long_wait_is_explained_and_can_be_left() {
    let home = Home::new();
    // It takes connections and never answers.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    home.write(
        "secrets.toml",
        format!(
            "default = \"main\"\n[providers.main]\ntype = \"vault\"\naddress = \"http://127.0.0.1:{port}\"\nmount = \"kv\"\ntoken = \"t\"\n"
        ),
    );
    home.run(&["trust"]).ok();
    let terminal = Terminal::new(&home);
    terminal.enter("secrets list");
    terminal.wait_for("listing");
    terminal.press("C-c");
    terminal.enter("echo code $?");
    terminal.wait_for("code 130");
}
