//! `--explain` plans the calls without making one.

use std::net::TcpListener;

use polysecrets_tests::Home;
use serde_json::json;

/// A chain of a `.env` file and a server that must not be called.
fn home(server: &TcpListener) -> Home {
    let home = Home::new();
    let address = server.local_addr().unwrap();
    home.write("values.env", "DB=hunter2\n");
    home.write(
        "secrets.toml",
        format!(
            "default = \"both\"\n\n[providers.near]\ntype = \"dotenv\"\npath = \"values.env\"\n\n\
             [providers.far]\nlocation = \"vault://{address}/secret\"\nallow_http = true\ntoken = \"t\"\n\n\
             [chains.both]\nproviders = [\"near\", \"far\"]\n\n\
             [secrets.DB]\n\n[secrets.USER]\nreference = \"far://app#user\"\n\n\
             [secrets.PASSWORD]\nreference = \"far://app#password\"\n"
        ),
    );
    home.write(
        "app.yaml",
        "db: ${secret:DB}\nuser: ${secret:far://app#user}\n",
    );
    home
}

/// Whether the server was called.
fn called(server: &TcpListener) -> bool {
    server.set_nonblocking(true).unwrap();
    server.accept().is_ok()
}

#[test]
fn run_lists_its_calls() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = home(&server);
    let ran = home
        .run(&["run", "--explain"])
        .ok()
        .says("3 secrets in 3 calls and 1 to 2 requests")
        .keeps("hunter2");
    let lines: Vec<Vec<&str>> = ran
        .text()
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[1], ["1", "near", "dotenv", "both", "read", "1", "0"]);
    assert_eq!(lines[2][..4], ["2", "far", "vault", "both,"]);
    assert_eq!(lines[3], ["3", "far", "vault", "-", "get", "2", "1"]);
    assert_eq!(lines[6], ["DB", "DB", "1,", "else", "2"]);
    assert_eq!(lines[8], ["PASSWORD", "far://app#password", "3"]);
    assert!(!called(&server));
}

#[test]
fn render_and_check_list_their_calls() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = home(&server);
    let plan = home
        .run(&["render", "--explain", "--json", "app.yaml"])
        .ok()
        .json();
    assert_eq!(plan["requests"], 1);
    assert_eq!(plan["requests_at_most"], 2);
    assert_eq!(plan["calls"][0]["secrets"], json!(["DB"]));
    assert_eq!(plan["calls"][2]["secrets"], json!(["far://app#user"]));
    home.run(&["check", "--explain", "app.yaml"])
        .ok()
        .says("5 secrets in ")
        .keeps("hunter2");
    home.write(
        "page.j2",
        "{{ secrets.DB }} {{ secrets.get(\"far://app\", \"x\") }}\n",
    );
    let plan = home
        .run(&["render", "--template", "--explain", "--json", "page.j2"])
        .ok()
        .json();
    assert_eq!(plan["secrets"], 2);
    assert!(!called(&server));
}

#[test]
fn an_impossible_plan_is_an_error() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = home(&server);
    home.write("app.yaml", "a: ${secret:nowhere://x}\n");
    home.run(&["render", "--explain", "app.yaml"])
        .refused(6)
        .says("nowhere");
    home.run(&["render", "--json", "app.yaml"])
        .refused(2)
        .says("--explain");
}
