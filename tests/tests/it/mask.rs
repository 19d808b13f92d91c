//! Programs of which the output is masked.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use polysecrets_tests::{Home, Ran, Terminal};

const VALUE: &str = "hunter2-hunter2";

fn declared() -> Home {
    let home = Home::initialised();
    home.configure(
        "\n[secrets.DB_PASSWORD]\nreference = \"db/password\"\n[secrets.KEY]\nreference = \"key\"\n",
    );
    home.set("db/password", VALUE.as_bytes());
    home.set("key", b"first line of it\nsecond line of it\n");
    home
}

/// `secrets run --mask always -- sh -c SCRIPT`.
fn masked(home: &Home, script: &str) -> Command {
    home.command(&["run", "--mask", "always", "--", "sh", "-c", script])
}

#[test]
fn both_streams_are_masked_in_every_spelling() {
    let home = declared();
    let script = "echo plain $DB_PASSWORD; echo error $DB_PASSWORD >&2; \
                  printf %s user:$DB_PASSWORD | base64; printf %s $DB_PASSWORD | od -An -tx1 | tr -d ' \\n'; \
                  echo; printf %s \"$KEY\" | sed 's/^/log: /'; printf %s \"$KEY\" | base64 -w 10; printf hunter2-; sleep 0.1; echo hunter2";
    let ran = Ran::of(&mut masked(&home, script)).ok();
    let lines: Vec<&str> = ran.text().lines().collect();
    assert_eq!(lines[0], "plain ***");
    assert!(
        lines[1].starts_with("dXNlcjp") && lines[1].ends_with("***"),
        "{}",
        lines[1]
    );
    assert_eq!(&lines[2..], ["***", "log: ***", "log: ***", "***", "***"]);
    assert_eq!(ran.stderr, "error ***\n");
    let named = [
        "run",
        "--mask",
        "always",
        "--mask-with",
        "name",
        "--",
        "sh",
        "-c",
        "echo $DB_PASSWORD",
    ];
    assert_eq!(home.run(&named).ok().text(), "[DB_PASSWORD]\n");
}

#[test]
fn auto_masks_the_log_of_a_ci_server_and_nothing_else() {
    let home = declared();
    let words = [
        "run",
        "--",
        "sh",
        "-c",
        "echo $DB_PASSWORD; echo $DB_PASSWORD >&2",
    ];
    let ran = home.run(&words).ok();
    assert_eq!(
        (ran.text(), ran.stderr.as_str()),
        ("hunter2-hunter2\n", "hunter2-hunter2\n")
    );
    let ran = Ran::of(home.command(&words).env("CI", "true")).ok();
    assert_eq!((ran.text(), ran.stderr.as_str()), ("***\n", "***\n"));
    let ran = Ran::of(home.command(&words).env("CI", "false")).ok();
    assert_eq!(ran.text(), "hunter2-hunter2\n");
    // A file is data, and stays it.
    let file = std::fs::File::create(home.path("data")).unwrap();
    let status = home
        .command(&words)
        .env("CI", "1")
        .stdout(file)
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(home.read("data"), b"hunter2-hunter2\n");
    let never = [
        "run",
        "--mask",
        "never",
        "--",
        "sh",
        "-c",
        "echo $DB_PASSWORD",
    ];
    assert_eq!(
        Ran::of(home.command(&never).env("CI", "true")).ok().text(),
        "hunter2-hunter2\n"
    );
}

#[test]
fn the_order_of_two_streams_that_are_one_is_kept() {
    let home = declared();
    let script = "for n in 1 2 3 4 5 6 7 8; do echo out $n; echo err $n >&2; done";
    let line = format!("\"$0\" run --mask always -- sh -c '{script}' 2>&1");
    let mut shell = home.program("sh");
    shell
        .args(["-c", &line])
        .arg(polysecrets_tests::secrets_command());
    let wanted: String = (1..=8).map(|n| format!("out {n}\nerr {n}\n")).collect();
    assert_eq!(Ran::of(&mut shell).ok().text(), wanted);
}

#[test]
fn the_exit_code_is_the_programs() {
    let home = declared();
    for code in [0, 1, 42, 125, 127, 255] {
        Ran::of(&mut masked(&home, &format!("exit {code}"))).ended(code);
    }
    for (name, number) in [("TERM", 15), ("KILL", 9), ("PIPE", 13)] {
        let ran = Ran::of(&mut masked(&home, &format!("kill -{name} $$")));
        assert_eq!(ran.status.signal(), Some(number), "{name}: {}", ran.stderr);
    }
    let run = |program: &str| home.run(&["run", "--mask", "always", "--", program]);
    run("no-such-program-anywhere")
        .refused(127)
        .says("program not found");
    home.write("not-executable", "x");
    run("./not-executable").refused(126);
    run("").refused(127);
}

/// Counts the signals of a number that it gets in half a second, once it has said that it is ready.
const COUNTING: &str = "$SIG{$ARGV[0]} = sub { $n++ }; open(F, \">ready\"); close F; \
                        for (1..10) { select(undef, undef, undef, 0.05) } print \"got $n\\n\"; exit 10 + $n";

/// `secrets run --mask always -- perl` that counts these signals, in a group of its own.
fn counting(home: &Home, name: &str) -> Child {
    let words = [
        "run", "--mask", "always", "--", "perl", "-e", COUNTING, name,
    ];
    let child = home
        .command(&words)
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    wait_for(|| home.path("ready").exists());
    std::fs::remove_file(home.path("ready")).unwrap();
    child
}

#[test]
fn a_signal_reaches_the_program_once() {
    let home = declared();
    for name in [
        "INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "WINCH", "ALRM", "VTALRM", "PROF", "IO",
        "XCPU", "PWR",
    ] {
        for to_group in [false, true] {
            let child = counting(&home, name);
            signal(name, child.id(), to_group);
            let output = child.wait_with_output().unwrap();
            assert_eq!(
                (output.stdout.as_slice(), output.status.code()),
                (&b"got 1\n"[..], Some(11)),
                "{name}, to the group: {to_group}"
            );
        }
    }
}

#[test]
fn what_is_ignored_stays_ignored() {
    let home = declared();
    let script = "echo ready > ready; sleep 0.3; echo lived";
    let line = format!("trap '' HUP; exec \"$0\" run --mask always -- sh -c '{script}'");
    let mut shell = home.program("sh");
    shell
        .args(["-c", &line])
        .arg(polysecrets_tests::secrets_command());
    let child = shell.stdout(Stdio::piped()).spawn().unwrap();
    wait_for(|| home.path("ready").exists());
    signal("HUP", child.id(), false);
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.stdout.as_slice(), output.status.code()),
        (&b"lived\n"[..], Some(0))
    );
}

#[test]
fn what_is_ignored_reaches_a_program_that_wants_it() {
    let home = declared();
    for name in ["INT", "QUIT"] {
        // As a script's `&` starts it.
        let line =
            format!("trap '' {name}; exec \"$0\" run --mask always -- perl -e '{COUNTING}' {name}");
        let mut shell = home.program("sh");
        shell
            .args(["-c", &line])
            .arg(polysecrets_tests::secrets_command());
        let child = shell.stdout(Stdio::piped()).spawn().unwrap();
        wait_for(|| home.path("ready").exists());
        std::fs::remove_file(home.path("ready")).unwrap();
        signal(name, child.id(), false);
        assert_eq!(
            child.wait_with_output().unwrap().stdout,
            b"got 1\n",
            "{name}"
        );
    }
}

#[test]
fn the_program_does_not_outlive_us() {
    let home = declared();
    let mut child = masked(&home, "echo $$ > pid; exec sleep 100")
        .spawn()
        .unwrap();
    wait_for(|| home.path("pid").exists() && !home.read("pid").is_empty());
    let pid = String::from_utf8(home.read("pid")).unwrap();
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    wait_for(|| {
        // A zombie that nobody reaps in a container without an init is dead as well.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_err() || stat.is_ok_and(|text| text.contains(") Z"))
    });
}

#[test]
fn a_reader_that_leaves_ends_the_program() {
    let home = declared();
    let line = "\"$0\" run --mask always -- sh -c 'while echo line; do :; done' | head -1";
    let mut shell = home.program("sh");
    shell
        .args(["-c", line])
        .arg(polysecrets_tests::secrets_command());
    assert_eq!(Ran::of(&mut shell).ok().text(), "line\n");
}

#[test]
fn what_is_left_running_does_not_hold_us_up_and_loses_nothing() {
    let home = declared();
    let script =
        "(sleep 4; echo late $DB_PASSWORD; sleep 0.1; echo later >&2; echo last) & echo done";
    let started = Instant::now();
    let mut child = masked(&home, script)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(
        (stdout.as_str(), stderr.as_str()),
        ("done\nlate ***\nlast\n", "later\n")
    );
}

#[test]
fn a_slow_writer_gives_nothing_away() {
    let home = declared();
    let script = "$| = 1; for (split //, $ARGV[0]) { print; select(undef, undef, undef, 0.03) }";
    let words = ["run", "--mask", "always", "--", "perl", "-e", script, VALUE];
    assert_eq!(home.run(&words).ok().text(), "***");
    // In pieces, with pauses that are long for a machine.
    let script = "printf hunter2-; sleep 0.4; printf hun; sleep 0.5; printf ter2";
    assert_eq!(Ran::of(&mut masked(&home, script)).ok().text(), "***");
}

#[test]
fn a_socket_is_handed_to_the_program() {
    let home = declared();
    let line = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" run --mask always -- sh -c 'test $LISTEN_PID = $$ && echo mine $LISTEN_FDS'";
    let mut shell = home.program("sh");
    shell
        .args(["-c", line])
        .arg(polysecrets_tests::secrets_command());
    assert_eq!(Ran::of(&mut shell).ok().text(), "mine 1\n");
    let ran = Ran::of(masked(&home, "echo $LISTEN_PID").env("LISTEN_PID", "1")).ok();
    assert_eq!(ran.text(), "1\n");
}

#[test]
fn too_large_an_environment_is_explained() {
    let home = declared();
    home.set("db/password", &vec![b'x'; 125_000]);
    // Each is as long as the system takes one, and all leave too little for the value.
    let mut command = home.command(&["run", "--mask", "always", "--", "true"]);
    command
        .args(vec!["y".repeat(131_000); 15])
        .arg("y".repeat(20_000));
    Ran::of(&mut command)
        .refused(126)
        .says("cannot execute true: its arguments and environment are too long")
        .says("hint: declare fewer secrets, or use --clean");
}

#[test]
fn it_runs_without_proc() {
    let home = declared();
    let mut command = home.program("unshare");
    let script =
        "mount -t tmpfs none /proc && exec \"$0\" run --mask always -- sh -c 'echo $DB_PASSWORD'";
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(polysecrets_tests::secrets_command());
    let ran = Ran::of(&mut command);
    // Without the right to make namespaces /proc cannot be taken away.
    if !ran.stderr.contains("unshare") && !ran.stderr.contains("mount:") {
        assert_eq!(ran.ok().text(), "***\n");
    }
}

#[test]
fn other_processes_see_our_name_and_no_value() {
    let home = declared();
    let ran = Ran::of(&mut masked(
        &home,
        "cat /proc/$PPID/comm; tr -d '\\0' < /proc/$PPID/environ | grep -c hunter2",
    ));
    assert_eq!(ran.text(), "secrets\n0\n");
}

#[test]
fn every_ci_server_is_known_without_ci() {
    let home = declared();
    for name in [
        "CIRCLECI",
        "TRAVIS",
        "DRONE",
        "APPVEYOR",
        "JENKINS_URL",
        "CF_BUILD_ID",
    ] {
        let mut command = home.command(&["run", "--", "sh", "-c", "echo $DB_PASSWORD"]);
        assert_eq!(
            Ran::of(command.env(name, "True")).ok().text(),
            "***\n",
            "{name}"
        );
    }
}

#[test]
fn process_one_reaps_what_is_left_to_it() {
    let home = declared();
    let mut command = home.program("unshare");
    command
        .args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"])
        .arg(polysecrets_tests::secrets_command())
        .args(["run", "--mask", "always", "--", "sh", "-c"])
        .arg("(sh -c 'sleep 0.1' & ) ; sleep 0.5; grep -c '^State:.*Z' /proc/[0-9]*/status | grep -c ':1$'; kill -TERM $$");
    let ran = Ran::of(&mut command);
    // Without the right to make namespaces there is no process 1 to be.
    if !ran.stderr.contains("unshare") {
        assert_eq!(ran.text(), "0\n");
        assert_eq!(ran.code(), Some(128 + 15));
    } else {
        let plain = Ran::of(&mut masked(&home, "kill -TERM $$"));
        assert_eq!(plain.status.signal(), Some(15));
    }
}

#[test]
fn a_value_in_a_flood_of_output_is_found() {
    let home = declared();
    let script = "i=0; while [ $i -lt 2000 ]; do echo \"line $i with $DB_PASSWORD in the middle of it and more text\"; i=$((i+1)); done";
    let ran = Ran::of(&mut masked(&home, script)).ok();
    assert_eq!(ran.text().lines().count(), 2000);
    assert!(
        ran.text()
            .lines()
            .all(|line| line.contains(" with *** in the middle"))
    );
}

#[test]
fn bytes_that_are_no_text_pass_unchanged() {
    let home = declared();
    let ran = Ran::of(&mut masked(
        &home,
        "head -c 300000 /dev/zero; printf '\\377\\000\\r\\n\\t'",
    ))
    .ok();
    let mut wanted = vec![0; 300_000];
    wanted.extend_from_slice(b"\xff\0\r\n\t");
    assert!(ran.stdout == wanted);
}

#[test]
fn short_values_are_told() {
    let home = declared();
    home.set("db/password", b"123");
    let ran = Ran::of(&mut masked(&home, "echo 123")).ok();
    assert_eq!(ran.text(), "123\n");
    assert!(
        ran.stderr
            .contains("the value of DB_PASSWORD is shorter than 4 bytes"),
        "{}",
        ran.stderr
    );
    let words = [
        "run",
        "--mask",
        "always",
        "--mask-min",
        "1",
        "--",
        "echo",
        "123",
    ];
    let ran = home.run(&words).ok();
    assert_eq!((ran.text(), ran.stderr.as_str()), ("***\n", ""));
}

#[test]
fn the_filter_masks_as_it_reads() {
    let home = declared();
    home.set("other", b"another secret");
    let text = format!("a {VALUE} b another%20secret\nfirst line of it\n");
    let ran = home.run_with_input(&["mask"], text.as_bytes()).ok();
    assert_eq!(ran.text(), "a *** b another%20secret\n***\n");
    let ran = home
        .run_with_input(&["mask", "--value-from", "other"], text.as_bytes())
        .ok();
    assert_eq!(ran.text(), "a *** b ***\n***\n");
    home.run_with_input(&["mask", "--value-from", "missing"], b"text")
        .refused(3);

    // A prompt comes through while the writer waits, also one that a value starts with.
    let mut child = home
        .command(&["mask"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    input.write_all(b"name? hunt").unwrap();
    let mut shown = [0; 10];
    output.read_exact(&mut shown).unwrap();
    assert_eq!(&shown, b"name? hunt");
    input.write_all(b"er2-hunter2 end").unwrap();
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "*** end");
    assert!(child.wait().unwrap().success());
}

#[test]
fn ci_servers_are_told_what_to_mask() {
    let home = declared();
    home.set("db/password", b"100% secret");
    let ran = |words: &[&str], variable: &str| Ran::of(home.command(words).env(variable, "true"));
    let reported = |ran: Ran, before: &str, wanted: &[&str]| {
        let ran = ran.ok();
        let texts: Vec<&str> = ran
            .text()
            .lines()
            .filter_map(|line| line.strip_prefix(before))
            .collect();
        assert_eq!(texts.len(), ran.text().lines().count(), "{}", ran.text());
        for text in wanted {
            assert!(texts.contains(text), "no {text:?} in {texts:?}");
        }
    };
    reported(
        ran(&["ci-mask"], "GITHUB_ACTIONS"),
        "::add-mask::",
        &[
            "100%25 secret",
            "MTAwJSBzZWNyZXQ=",
            "first line of it%0Asecond line of it",
            "first line of it",
            "second line of it",
        ],
    );
    reported(
        ran(&["ci-mask", "--for", "azure"], "GITHUB_ACTIONS"),
        "##vso[task.setsecret]",
        &[
            "100%AZP25 secret",
            "first line of it%0Asecond line of it",
            "second line of it",
        ],
    );
    // The fields of an object and the password of an address are values of their own.
    home.set(
        "key",
        br#"{"token":"t-1234","url":"https://u:p%40ssword@host"}"#,
    );
    reported(
        ran(&["ci-mask"], "GITHUB_ACTIONS"),
        "::add-mask::",
        &["t-1234", "p%2540ssword", "p@ssword"],
    );
    ran(&["ci-mask", "--mask-with", "name"], "GITHUB_ACTIONS")
        .refused(2)
        .says("--mask-with");
    ran(&["ci-mask"], "GITLAB_CI")
        .refused(1)
        .says("GitLab")
        .says("secrets run --mask always");
    ran(&["ci-mask"], "TEAMCITY_VERSION")
        .refused(1)
        .says("TeamCity");
    home.run(&["ci-mask"]).refused(2).says("--for");
}

#[test]
fn buildkites_agent_gets_the_values_on_its_input() {
    let home = declared();
    let agent = home.write(
        "bin/buildkite-agent",
        "#!/bin/sh\necho \"$@\" > asked\ncat > got\n",
    );
    std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = home.command(&["ci-mask"]);
    let path = format!("{}:/usr/bin:/bin", home.path("bin").display());
    let ran = Ran::of(command.env("BUILDKITE", "true").env("PATH", path)).ok();
    assert_eq!(ran.stdout, b"");
    assert_eq!(home.read("asked"), b"redactor add --format json\n");
    let got: serde_json::Value = serde_json::from_slice(&home.read("got")).unwrap();
    let values: Vec<&str> = got
        .as_object()
        .unwrap()
        .values()
        .filter_map(|one| one.as_str())
        .collect();
    for wanted in [
        VALUE,
        "first line of it\nsecond line of it",
        "first line of it",
        "second line of it",
    ] {
        assert!(values.contains(&wanted), "no {wanted:?} in {values:?}");
    }
    let mut command = home.command(&["ci-mask"]);
    Ran::of(command.env("BUILDKITE", "true"))
        .refused(1)
        .says("buildkite-agent");
}

#[test]
fn a_terminal_stays_one() {
    let home = declared();
    let terminal = Terminal::new(&home);
    let run = |script: &str| format!("secrets run --mask always -- sh -c '{script}'; echo code $?");

    terminal.enter(&run("tty; test -t 0 -a -t 1 -a -t 2 && echo all th''ree; stty size; echo [$DB_PASSWORD]; exit 7"));
    let screen = terminal.wait_for("code 7");
    assert!(
        screen.contains("/dev/pts/") && screen.contains("all three"),
        "{screen}"
    );
    assert!(
        screen.contains("50 100") && screen.contains("[***]"),
        "{screen}"
    );
    assert!(!screen.contains(VALUE), "{screen}");

    // A prompt without a newline, and what is typed.
    terminal.clear();
    terminal.enter(&run("printf \"na\"me; printf \"? \"; read -r line; echo got $line; test $line = $DB_PASSWORD && echo sa''me"));
    terminal.wait_for("name?");
    terminal.enter(VALUE);
    let screen = terminal.wait_for("same");
    assert!(screen.contains("got ***"), "{screen}");

    // The terminal is as it was: it shows what is typed and ends lines well.
    terminal.clear();
    terminal.enter("echo a; echo vis''ible");
    let screen = terminal.wait_for("visible");
    assert!(screen.contains("\na\nvisible\n"), "{screen}");
}

#[test]
fn the_size_of_the_terminal_follows() {
    let home = declared();
    let terminal = Terminal::new(&home);
    terminal.enter("secrets run --mask always -- sh -c 'trap \"stty size\" WINCH; echo u''p; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do sleep 0.2; done'");
    terminal.wait_for("up");
    terminal.resize(80, 30);
    terminal.wait_for("30 80");
}

#[test]
fn job_control_reaches_the_program() {
    let home = declared();
    let terminal = Terminal::new(&home);
    // One Ctrl-C is one SIGINT.
    terminal.enter(
        "secrets run --mask always -- sh -c 'n=0; trap \"n=\\$((n+1))\" INT; echo u''p; sleep 3; echo count $n'; echo code $?",
    );
    terminal.wait_for("up");
    terminal.press("C-c");
    terminal.wait_for("count 1");
    terminal.wait_for("code 0");
    // Stopped and continued by the shell.
    terminal.clear();
    terminal.enter("set -m; secrets run --mask always -- sh -c 'echo be''gun; sleep 1; echo $DB_PASSWORD; sleep 100'");
    terminal.wait_for("begun");
    terminal.press("C-z");
    terminal.wait_for("Stopped");
    terminal.enter("echo be''tween");
    terminal.wait_for("between");
    terminal.enter("fg");
    terminal.wait_for("***");
    terminal.press("C-c");
    // It died of the signal, so the shell would not have gone on with a list.
    terminal.enter("echo code $?");
    terminal.wait_for("code 130");
    terminal.enter("stty -a | grep -o '[-]*icanon'");
    terminal.wait_for("\nicanon");
}

#[test]
fn a_job_goes_on_in_the_background() {
    let home = declared();
    let terminal = Terminal::new(&home);
    terminal.enter("set -m; secrets run --mask always -- sh -c 'for i in 1 2 3 4 5 6 7 8 9; do echo ti''ck $i; sleep 0.4; done; read -r x; echo re''ad $x'");
    terminal.wait_for("tick 2");
    terminal.press("C-z");
    terminal.wait_for("Stopped");
    terminal.enter("bg");
    // It goes on until it wants to read, as a program alone would.
    terminal.wait_for("tick 9");
    // The shell says so before its next prompt.
    sleep(Duration::from_secs(1));
    terminal.enter("");
    terminal.wait_for("Stopped (tty input)");
    terminal.enter("fg");
    terminal.enter("typed");
    terminal.wait_for("read typed");
    terminal.enter("echo vis''ible");
    terminal.wait_for("\nvisible");
}

#[test]
fn keys_reach_a_program_that_reads_a_pipe() {
    let home = declared();
    let terminal = Terminal::new(&home);
    terminal.enter("seq 200 | secrets run --mask always -- less; echo code $?");
    terminal.wait_for("\n45\n");
    terminal.press("G");
    terminal.wait_for("\n200\n");
    terminal.press("q");
    terminal.wait_for("code 0");
    terminal.clear();
    // A hidden prompt stays hidden.
    terminal.enter("echo x | secrets run --mask always -- sh -c 'stty -echo </dev/tty; echo quer''y; read -r l </dev/tty; stty echo </dev/tty; echo got $l | tr a-z A-Z'");
    terminal.wait_for("query");
    terminal.enter("hush");
    let screen = terminal.wait_for("GOT HUSH");
    assert!(!screen.contains("hush"), "{screen}");
    terminal.clear();
    terminal.enter("true | secrets run --mask always -- sh -c 'trap \"echo in''t; exit 9\" INT; echo u''p; sleep 20 & wait'; echo code $?");
    terminal.wait_for("up");
    terminal.press("C-c");
    terminal.wait_for("int");
    terminal.wait_for("code 9");
}

#[test]
fn a_prompt_of_a_background_job_is_hidden_in_the_foreground() {
    let home = declared();
    let terminal = Terminal::new(&home);
    terminal.enter("set -m; secrets run --mask always -- sh -c 'sleep 1; stty -echo; echo quer''y; read -r l; stty echo; echo got $l | tr a-z A-Z' &");
    terminal.enter("fg");
    terminal.wait_for("query");
    terminal.enter("hush");
    let screen = terminal.wait_for("GOT HUSH");
    assert!(!screen.contains("hush"), "{screen}");
}

#[test]
fn keys_reach_a_program_in_a_session_of_its_own() {
    let home = declared();
    let terminal = Terminal::new(&home);
    terminal.enter("setsid -w secrets run --mask always -- sh -c 'echo quer''y; read -r l; echo got $l | tr a-z A-Z'");
    terminal.wait_for("query");
    terminal.enter("typed");
    terminal.wait_for("GOT TYPED");
}

#[test]
fn what_a_program_leaves_on_the_terminal_goes_on() {
    let home = declared();
    let terminal = Terminal::new(&home);
    terminal.enter("secrets run --mask always -- sh -c '(sleep 2; echo late $DB_PASSWORD | tr a-z A-Z; echo [$DB_PASSWORD]) & echo do''ne'; echo code $?");
    terminal.wait_for("code 0");
    let screen = terminal.wait_for("[***]");
    assert!(!screen.contains(VALUE), "{screen}");
}

fn signal(name: &str, pid: u32, to_group: bool) {
    let to = if to_group {
        format!("-{pid}")
    } else {
        pid.to_string()
    };
    let status = Command::new("kill").args(["-s", name, "--", &to]).status();
    assert!(status.unwrap().success());
}

fn wait_for(condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "it does not come");
        sleep(Duration::from_millis(5));
    }
}
