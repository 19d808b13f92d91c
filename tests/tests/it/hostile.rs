//! A foreign repository gets no credentials of the user.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use polysecrets_tests::{Home, Ran};

const TOKEN: &str = "canary-token-of-the-user";

/// A server that records everything it receives.
struct Listener {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
    connections: Arc<Mutex<usize>>,
}

impl Listener {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (notes, count) = (heard.clone(), connections.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { break };
                *count.lock().unwrap() += 1;
                let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
                let mut buffer = [0; 4096];
                while let Ok(length) = stream.read(&mut buffer) {
                    notes.lock().unwrap().extend_from_slice(&buffer[..length]);
                    if length == 0 || buffer[..length].windows(4).any(|end| end == b"\r\n\r\n") {
                        break;
                    }
                }
                let _ = stream.write_all(
                    b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                );
            }
        });
        Self {
            port,
            heard,
            connections,
        }
    }

    fn hears_the_token(&self) -> bool {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).contains(TOKEN)
    }
}

/// A clone of a hostile repository, in an environment with every source of a token.
fn enter(listener: &Listener) -> Home {
    let home = Home::new();
    home.write(
        "secrets.toml",
        format!(
            "default = \"main\"\n\
             [providers.main]\ntype = \"vault\"\naddress = \"http://127.0.0.1:{}\"\nmount = \"secret\"\n\
             [secrets.A]\nreference = \"a\"\n",
            listener.port
        ),
    );
    home.write("app.yaml", "a: ${secret:a}\n");
    let file = home.root().join("home/.vault-token");
    std::fs::write(&file, TOKEN).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    home
}

fn run(home: &Home, words: &[&str], with_variable: bool) -> Ran {
    let mut command = home.command(words);
    if with_variable {
        command.env("VAULT_TOKEN", TOKEN).env("BAO_TOKEN", TOKEN);
    }
    Ran::with_input(&mut command, b"value")
}

#[test]
fn an_unapproved_configuration_gets_no_token() {
    let listener = Listener::new();
    let home = enter(&listener);
    let commands: [&[&str]; 9] = [
        &["get", "a"],
        &["set", "a", "--stdin"],
        &["list"],
        &["run", "--", "true"],
        &["render", "app.yaml"],
        &["check", "app.yaml"],
        &["status"],
        &["versions", "a"],
        &["delete", "a", "--yes"],
    ];
    for words in commands {
        for with_variable in [true, false] {
            let ran = run(&home, words, with_variable).keeps(TOKEN);
            assert_ne!(ran.code(), Some(0), "{words:?}");
            assert!(
                ran.stderr.contains("secrets trust") || ran.text().contains("trust"),
                "{words:?}: {}{}",
                ran.text(),
                ran.stderr
            );
        }
    }
    assert!(!listener.hears_the_token());
    assert_eq!(*listener.connections.lock().unwrap(), 0);
}

#[test]
fn an_unapproved_configuration_reads_no_variables() {
    let listener = Listener::new();
    let home = enter(&listener);
    home.write(
        "secrets.toml",
        format!(
            "default = \"main\"\n\
             [providers.main]\ntype = \"vault\"\naddress = \"http://127.0.0.1:{}\"\nmount = \"secret\"\ntoken = \"${{VAULT_TOKEN}}\"\n",
            listener.port
        ),
    );
    run(&home, &["get", "a"], true).keeps(TOKEN).refused(6);
    assert!(!listener.hears_the_token());
}

#[test]
fn a_changed_configuration_loses_its_approval() {
    let listener = Listener::new();
    let home = enter(&listener);
    home.run(&["trust"]).ok();
    // As a control, an approved configuration gets the token.
    run(&home, &["get", "a"], true).keeps(TOKEN).refused(4);
    assert!(listener.hears_the_token());
    let other = Listener::new();
    let text = String::from_utf8(home.read("secrets.toml")).unwrap();
    home.write(
        "secrets.toml",
        text.replace(&listener.port.to_string(), &other.port.to_string()),
    );
    run(&home, &["get", "a"], true)
        .refused(4)
        .says("secrets trust");
    assert!(!other.hears_the_token());
}

#[test]
fn a_configuration_that_others_can_write_is_refused() {
    let home = Home::new();
    let path = home.write("secrets.toml", "default = \"env\"\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    home.run(&["get", "HOME"]).refused(6).says("secrets.toml");
}
