//! The main job against a real server, beside the server's own client.

use std::process::Command;

use polysecrets_tests::{Home, Ran, server};
use secrets_testkit::fault::{FaultServer, Reply};
use serde_json::Value;

const DECLARED: &str = "
[secrets.DATABASE_PASSWORD]
reference = \"DB\"

[secrets.API_KEY]
reference = \"API#key\"
";

/// The server's own client, on the server with TLS.
fn bao(home: &Home, words: &[&str]) -> Ran {
    let mut command: Command = home.program(server("POLYSECRETS_TEST_BAO_BIN"));
    command
        .env("BAO_ADDR", server("POLYSECRETS_TEST_BAO_TLS_ADDR"))
        .env("BAO_TOKEN", server("POLYSECRETS_TEST_BAO_TLS_TOKEN"))
        .env("BAO_CACERT", server("POLYSECRETS_TEST_BAO_TLS_CA"))
        .args(words);
    Ran::of(&mut command)
}

/// A mount of its own, so that tests do not meet.
fn mount(home: &Home, name: &str) -> String {
    let mount = format!("{name}-{}", std::process::id());
    bao(
        home,
        &[
            "secrets",
            "enable",
            &format!("-path={mount}"),
            "-version=2",
            "kv",
        ],
    )
    .ok();
    mount
}

/// A trusted configuration with both stores; which one answers is its first line.
fn configure(home: &Home, default: &str, mount: &str) {
    home.write(
        "secrets.toml",
        format!(
            "default = \"{default}\"\n\n\
             [providers.local]\ntype = \"file\"\n\n\
             [providers.main]\ntype = \"vault\"\naddress = \"{}\"\nmount = \"{mount}\"\nca_cert = \"{}\"\ntoken = \"${{DEPLOY_TOKEN}}\"\n\
             {DECLARED}",
            server("POLYSECRETS_TEST_BAO_TLS_ADDR"),
            server("POLYSECRETS_TEST_BAO_TLS_CA"),
        ),
    );
    home.run(&["trust"]).ok();
}

fn secrets(home: &Home, words: &[&str], input: &[u8]) -> Ran {
    let mut command = home.command(words);
    command.env("DEPLOY_TOKEN", server("POLYSECRETS_TEST_BAO_TLS_TOKEN"));
    Ran::with_input(&mut command, input)
}

#[test]
fn the_servers_client_reads_what_we_wrote_and_the_other_way_round() {
    let home = Home::initialised();
    let mount = mount(&home, "both-ways");
    configure(&home, "main", &mount);
    let token = server("POLYSECRETS_TEST_BAO_TLS_TOKEN");
    let field = |name: &str, field: &str| {
        bao(
            &home,
            &[
                "kv",
                "get",
                &format!("-mount={mount}"),
                &format!("-field={field}"),
                name,
            ],
        )
        .ok()
        .stdout
    };

    let text = "it's: \"100%\"\nof \u{5bc6}\u{7801}";
    secrets(&home, &["set", "app/text", "--stdin"], text.as_bytes())
        .ok()
        .keeps(&token);
    assert_eq!(
        String::from_utf8(field("app/text", "value"))
            .unwrap()
            .trim_end_matches('\n'),
        text
    );
    secrets(
        &home,
        &["set", "app/map", "--stdin"],
        br#"{"user":"app","password":"p"}"#,
    )
    .ok();
    assert_eq!(field("app/map", "password").trim_ascii_end(), b"p");

    bao(
        &home,
        &[
            "kv",
            "put",
            &format!("-mount={mount}"),
            "theirs",
            "user=app",
            "password=from bao",
        ],
    )
    .ok();
    assert_eq!(
        secrets(&home, &["get", "theirs#password"], b"").ok().stdout,
        b"from bao"
    );
    let whole: Value =
        serde_json::from_slice(&secrets(&home, &["get", "theirs"], b"").ok().stdout).unwrap();
    assert_eq!(
        whole,
        serde_json::json!({ "user": "app", "password": "from bao" })
    );
    bao(
        &home,
        &[
            "kv",
            "put",
            &format!("-mount={mount}"),
            "single",
            "value=just text",
        ],
    )
    .ok();
    assert_eq!(
        secrets(&home, &["get", "single"], b"").ok().stdout,
        b"just text"
    );
    assert_eq!(
        secrets(&home, &["get", "single#value"], b"").ok().stdout,
        b"just text"
    );

    let listed = secrets(&home, &["list", "--json"], b"")
        .ok()
        .keeps("from bao")
        .json();
    let names: Vec<&str> = listed["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["app/map", "app/text", "single", "theirs"]);

    secrets(&home, &["set", "app/text", "--stdin"], b"second").ok();
    secrets(&home, &["rollback", "app/text", "1"], b"").ok();
    assert_eq!(
        secrets(&home, &["get", "app/text"], b"").ok().stdout,
        text.as_bytes()
    );
    secrets(&home, &["delete", "app/text", "--yes"], b"").ok();
    secrets(&home, &["get", "app/text"], b"").refused(3);
    secrets(&home, &["restore", "app/text"], b"").ok();
    assert_eq!(
        secrets(&home, &["get", "app/text"], b"").ok().stdout,
        text.as_bytes()
    );
}

#[test]
fn one_changed_line_leads_from_the_file_to_the_server() {
    let home = Home::initialised();
    let mount = mount(&home, "one-line");
    home.write(
        "app.yaml",
        "# kept\npassword: ${secret:DATABASE_PASSWORD}\nheader: \"Bearer ${secret:API#key}\"\n",
    );
    for default in ["local", "main"] {
        configure(&home, default, &mount);
        let password = format!("{default}-pass");
        secrets(&home, &["set", "DB", "--stdin"], password.as_bytes()).ok();
        secrets(
            &home,
            &["set", "API", "--stdin"],
            format!("{{\"key\":\"{default}-key\"}}").as_bytes(),
        )
        .ok();

        let ran = secrets(
            &home,
            &[
                "run",
                "--",
                "sh",
                "-c",
                "echo $DATABASE_PASSWORD $API_KEY ${DEPLOY_TOKEN-gone}",
            ],
            b"",
        );
        let token = if default == "main" {
            "gone"
        } else {
            &server("POLYSECRETS_TEST_BAO_TLS_TOKEN")
        };
        assert_eq!(
            ran.ok().text(),
            format!("{default}-pass {default}-key {token}\n")
        );

        let ran = secrets(&home, &["render", "app.yaml"], b"").ok();
        assert_eq!(
            ran.text(),
            format!("# kept\npassword: {default}-pass\nheader: \"Bearer {default}-key\"\n")
        );
        secrets(&home, &["check", "app.yaml"], b"").ok();
        let status = secrets(&home, &["status", "--json"], b"").ok().json();
        assert_eq!(status["secrets"][0]["provider"], default);
    }
}

#[test]
fn wrong_servers_and_tokens_are_told_apart() {
    let home = Home::initialised();
    let mount = mount(&home, "wrong");
    configure(&home, "main", &mount);
    let with_token = |token: &str| {
        let mut command = home.command(&["get", "a"]);
        Ran::of(command.env("DEPLOY_TOKEN", token))
    };
    with_token("canary-wrong-token")
        .refused(4)
        .keeps("canary-wrong-token")
        .says("hint: ");
    with_token(&server("POLYSECRETS_TEST_BAO_TLS_TOKEN"))
        .refused(3)
        .says("secret not found: a");

    let config = String::from_utf8(home.read("secrets.toml")).unwrap();
    let address = server("POLYSECRETS_TEST_BAO_TLS_ADDR");
    home.write(
        "secrets.toml",
        config.replace(&address, "https://127.0.0.1:9"),
    );
    home.run(&["trust"]).ok();
    with_token("t").refused(5).says("hint: ");

    // The certificate is not one that the system trusts.
    let line = format!("ca_cert = \"{}\"\n", server("POLYSECRETS_TEST_BAO_TLS_CA"));
    home.write("secrets.toml", config.replace(&line, ""));
    home.run(&["trust"]).ok();
    let ran = with_token("t");
    assert_ne!(ran.code(), Some(0));
    assert!(ran.stderr.contains("certificate"), "{}", ran.stderr);
}

#[test]
fn many_short_programs_end_well_with_secrets_of_a_server() {
    let home = Home::initialised();
    let mount = mount(&home, "short");
    configure(&home, "main", &mount);
    let mut config = String::from_utf8(home.read("secrets.toml")).unwrap();
    for number in 0..20 {
        config.push_str(&format!(
            "[secrets.S{number}]\nreference = \"DB#s{number}\"\n"
        ));
    }
    home.write(
        "secrets.toml",
        config.replace("reference = \"DB\"\n", "reference = \"DB#s1\"\n"),
    );
    home.run(&["trust"]).ok();
    let fields: Vec<String> = (0..20)
        .map(|number| format!("\"s{number}\":\"{number}\""))
        .collect();
    secrets(
        &home,
        &["set", "DB", "--stdin"],
        format!("{{{}}}", fields.join(",")).as_bytes(),
    )
    .ok();
    secrets(&home, &["set", "API", "--stdin"], br#"{"key":"k"}"#).ok();
    let runs = if polysecrets_tests::is_deep() {
        1000
    } else {
        60
    };
    for _ in 0..runs {
        secrets(&home, &["run", "--", "true"], b"").ok();
    }
}

/// A mount that makes users of a message broker, and a configuration that declares one.
fn lending(home: &Home, name: &str, broker: &FaultServer) -> String {
    let mount = format!("{name}-{}", std::process::id());
    let path = format!("-path={mount}");
    let write = |path: &str, settings: &[&str]| {
        let path = format!("{mount}/{path}");
        bao(home, &[&["write", &path], settings].concat()).ok();
    };
    bao(home, &["secrets", "enable", &path, "rabbitmq"]).ok();
    let uri = format!("connection_uri={}", broker.url());
    write(
        "config/connection",
        &[&uri, "username=a", "password=b", "verify_connection=false"],
    );
    write("config/lease", &["ttl=3600", "max_ttl=7200"]);
    write("roles/app", &["tags=x"]);
    home.write(
        "secrets.toml",
        format!(
            "default = \"main\"\n\n\
             [providers.main]\ntype = \"vault\"\naddress = \"{}\"\nmount = \"{mount}\"\nca_cert = \"{}\"\ntoken = \"${{DEPLOY_TOKEN}}\"\n\n\
             [secrets.BROKER]\nreference = \"creds/app\"\n",
            server("POLYSECRETS_TEST_BAO_TLS_ADDR"),
            server("POLYSECRETS_TEST_BAO_TLS_CA"),
        ),
    );
    home.run(&["trust"]).ok();
    mount
}

/// The leases that the server has of a mount.
fn leases(home: &Home, mount: &str) -> usize {
    let path = format!("sys/leases/lookup/{mount}/creds/app");
    let listed = bao(home, &["list", "-format=json", &path]);
    serde_json::from_slice::<Vec<String>>(&listed.stdout).map_or(0, |leases| leases.len())
}

#[test]
fn what_a_program_was_given_lives_on_and_what_was_only_checked_does_not() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = runtime
        .block_on(FaultServer::start(Reply::new(204)))
        .unwrap();
    let home = Home::initialised();
    let mount = lending(&home, "lends", &broker);
    assert_eq!(leases(&home, &mount), 0);

    // The lease is looked at by the program itself, after the command has become it.
    let bao = server("POLYSECRETS_TEST_BAO_BIN");
    let path = format!("sys/leases/lookup/{mount}/creds/app");
    let mut command = home.command(&[
        "run",
        "--keep-env",
        "BAO_TOKEN",
        "--",
        &bao,
        "list",
        "-format=json",
        &path,
    ]);
    command
        .env("DEPLOY_TOKEN", server("POLYSECRETS_TEST_BAO_TLS_TOKEN"))
        .env("BAO_ADDR", server("POLYSECRETS_TEST_BAO_TLS_ADDR"))
        .env("BAO_TOKEN", server("POLYSECRETS_TEST_BAO_TLS_TOKEN"))
        .env("BAO_CACERT", server("POLYSECRETS_TEST_BAO_TLS_CA"));
    let ran = Ran::of(&mut command).ok();
    let seen: Vec<String> = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(leases(&home, &mount), 1);
    secrets(&home, &["get", "main://creds/app#password"], b"").ok();
    assert_eq!(leases(&home, &mount), 2);

    secrets(&home, &["check"], b"").ok();
    assert_eq!(leases(&home, &mount), 2);
    let removed = broker.requests();
    let removed = removed.iter().filter(|request| request.method == "DELETE");
    assert_eq!(removed.count(), 1);
}
