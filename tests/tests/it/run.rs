//! What a program gets that is started with `secrets run`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use polysecrets_tests::{Home, Ran, is_deep};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

const DECLARED: &str = "
[secrets.DATABASE_PASSWORD]
reference = \"db/password\"

[secrets.API]
reference = \"api#key\"
env = \"API_KEY\"

[secrets.OPTIONAL]
reference = \"not/there\"
required = false
";

fn declared() -> Home {
    let home = Home::initialised();
    home.configure(DECLARED);
    home.set("db/password", b"pass word'\"$`\\\n");
    home.set("api", br#"{"key":"k-1"}"#);
    home
}

fn environment(ran: Ran) -> BTreeMap<String, String> {
    ran.ok()
        .text()
        .split_terminator('\0')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn exactly_the_declared_secrets_come_on_top() {
    let home = declared();
    let before = environment(Ran::of(home.program("env").arg("-0")));
    let mut after = environment(home.run(&["run", "--", "env", "-0"]));
    assert_eq!(
        after.remove("DATABASE_PASSWORD").as_deref(),
        Some("pass word'\"$`\\\n")
    );
    assert_eq!(after.remove("API_KEY").as_deref(), Some("k-1"));
    assert_eq!(after, before);
}

#[test]
fn nothing_declared_is_told() {
    let home = Home::initialised();
    let ran = home.run(&["run", "--", "true"]).ok();
    assert!(
        ran.stderr
            .starts_with("warning: no secrets are declared\nhint: "),
        "{}",
        ran.stderr
    );
    let ran = declared().run(&["run", "--", "true"]).ok();
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_member_that_fails_often_is_told_a_few_times() {
    let home = Home::new();
    let declared: String = (0..8)
        .map(|at| format!("[secrets.S{at}]\nreference = \"s/{at}\"\n"))
        .collect();
    home.write(
        "secrets.toml",
        format!(
            "default = \"c\"\n[retry]\nmax_attempts = 1\n\
             [chains.c]\nproviders = [{{ provider = \"main\", on_error = \"warn\" }}, \"env\"]\n\
             [providers.main]\ntype = \"vault\"\naddress = \"http://127.0.0.1:9\"\nmount = \"kv\"\ntoken = \"t\"\n{declared}"
        ),
    );
    home.run(&["trust"]).ok();
    let mut command = home.command(&["run", "--", "true"]);
    command.envs((0..8).map(|at| (format!("S_{at}"), "v")));
    let ran = Ran::of(&mut command).ok();
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ran.stderr);
    for line in &lines[..3] {
        assert!(
            line.starts_with(
                "warning: member failed, the chain goes on (chain c, provider main, name s/"
            ),
            "{line}"
        );
        assert!(line.ends_with(')'), "{line}");
    }
    assert!(lines[3].ends_with(": … and 5 more"), "{}", lines[3]);
}

#[test]
fn clean_leaves_the_basics() {
    let home = declared();
    let mut command = home.command(&["run", "--clean", "--keep-env", "KEPT", "--", "env", "-0"]);
    command
        .env("EDITOR", "vi")
        .env("KEPT", "1")
        .env("LC_TIME", "C")
        .env("XDG_RUNTIME_DIR", "/x");
    let names: Vec<String> = environment(Ran::of(&mut command)).into_keys().collect();
    let wanted = [
        "API_KEY",
        "DATABASE_PASSWORD",
        "HOME",
        "KEPT",
        "LANG",
        "LC_TIME",
        "PATH",
        "TMPDIR",
    ];
    assert_eq!(names, wanted);
}

#[test]
fn a_secret_goes_before_a_variable_unless_that_is_refused() {
    let home = declared();
    let run = |words: &[&str]| {
        let mut command = home.command(words);
        // The chain asks the environment first, under the names of references, not of variables.
        Ran::of(command.env("API_KEY", "old"))
    };
    let environment = environment(run(&["run", "--", "env", "-0"]));
    assert_eq!(environment["API_KEY"], "k-1");
    run(&["run", "--no-override", "--", "env"])
        .refused(125)
        .says("the variable API_KEY is set already");
}

#[test]
fn credentials_of_ours_stay_behind() {
    let home = declared();
    let identity =
        std::fs::read_to_string(home.root().join("config/polysecrets/identity.txt")).unwrap();
    let key = identity
        .lines()
        .find(|line| line.starts_with("AGE-SECRET-KEY-1"))
        .unwrap();
    let run = |words: &[&str]| {
        let mut command = home.command(words);
        environment(Ran::of(command.env("SECRETS_IDENTITY", key)))
    };
    assert!(!run(&["run", "--", "env", "-0"]).contains_key("SECRETS_IDENTITY"));
    let kept = run(&["run", "--keep-env", "SECRETS_IDENTITY", "--", "env", "-0"]);
    assert!(kept.contains_key("SECRETS_IDENTITY"));
}

#[test]
fn a_variable_that_fills_a_credential_stays_behind() {
    let home = Home::new();
    home.write(
        "secrets.toml",
        "default = \"main\"\n\
         [providers.main]\ntype = \"vault\"\naddress = \"http://127.0.0.1:9\"\nmount = \"${MOUNT}\"\ntoken = \"${DEPLOY_TOKEN}\"\n\
         [providers.here]\ntype = \"env\"\n\
         [secrets.PLAIN]\nreference = \"here://SOURCE\"\n\
         [secrets.LOCAL]\nreference = \"main://a?default=d\"\n\
         required = false\n",
    );
    home.run(&["trust"]).ok();
    let mut command = home.command(&["run", "--", "env", "-0"]);
    command
        .env("DEPLOY_TOKEN", "t-1")
        .env("MOUNT", "kv")
        .env("SOURCE", "s")
        .env("UNRELATED_TOKEN", "u");
    // The server is not there, which must not start the program without its secret.
    Ran::of(&mut command).refused(125).keeps("t-1");
}

#[test]
fn a_value_that_no_variable_can_hold_is_refused_by_name() {
    let home = declared();
    home.set("db/password", b"a\0b");
    home.run(&["run", "--", "true"])
        .refused(125)
        .says("secrets.toml:")
        .says(": the value of DATABASE_PASSWORD holds a NUL byte");
    home.set("db/password", &vec![b'x'; 200_000]);
    home.run(&["run", "--", "true"])
        .refused(125)
        .says("secrets.toml:")
        .says(": the value of DATABASE_PASSWORD has 200000 bytes");
}

#[test]
fn every_missing_secret_is_told_at_once() {
    let home = declared();
    home.run(&["delete", "api", "--yes"]).ok();
    home.run(&["delete", "db/password", "--purge", "--yes"])
        .ok();
    home.run(&["run", "--", "true"])
        .refused(125)
        .says("db/password")
        .says("api")
        .says("2 secrets");
}

#[test]
fn the_exit_code_is_the_programs() {
    let home = declared();
    for code in [0, 1, 2, 8, 42, 125, 126, 127, 255] {
        let script = format!("exit {code}");
        home.run(&["run", "--", "sh", "-c", &script]).ended(code);
    }
    home.run(&["run", "--", "no-such-program-anywhere"])
        .refused(127)
        .says("program not found");
    home.run(&["run", "--", "./missing"]).refused(127);
    home.write("not-executable", "x");
    home.run(&["run", "--", "./not-executable"]).refused(126);
    home.run(&["run", "--", "."]).refused(126);
    home.run(&["run", "--", ""]).refused(127);
}

#[test]
fn a_signal_ends_it_as_it_would_end_the_program() {
    let home = declared();
    for (name, number) in [("TERM", 15), ("KILL", 9), ("HUP", 1), ("PIPE", 13)] {
        let script = format!("kill -{name} $$");
        let ran = home.run(&["run", "--", "sh", "-c", &script]);
        assert_eq!(ran.status.signal(), Some(number), "{name}: {}", ran.stderr);
        let line = format!("\"$0\" run -- sh -c 'kill -{name} $$'; exit $?");
        let mut shell = home.program("sh");
        shell
            .args(["-c", &line])
            .arg(polysecrets_tests::secrets_command());
        assert_eq!(Ran::of(&mut shell).code(), Some(128 + number), "{name}");
    }
}

#[test]
fn signals_reach_the_program() {
    let home = declared();
    for name in ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "WINCH"] {
        let script = format!(
            "trap 'echo got; exit 3' {name}; echo ready > ready; while :; do sleep 0.05; done"
        );
        let mut command = home.command(&["run", "--", "sh", "-c", &script]);
        let child = command
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        wait_for(|| home.path("ready").exists());
        let status = Command::new("kill")
            .args([&format!("-{name}"), &child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.stdout.as_slice(), output.status.code()),
            (&b"got\n"[..], Some(3)),
            "{name}"
        );
        std::fs::remove_file(home.path("ready")).unwrap();
    }
}

#[test]
fn the_program_stops_and_goes_on_as_itself() {
    let home = declared();
    let mut child = home.command(&["run", "--", "sleep", "30"]).spawn().unwrap();
    let pid = child.id();
    let state = move || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        text.rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next())
    };
    let name = move || std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    wait_for(|| name() == "sleep\n");
    let kill = |signal: &str| {
        Command::new("kill")
            .args([signal, &pid.to_string()])
            .status()
            .unwrap()
    };
    kill("-TSTP");
    wait_for(|| state() == Some('T'));
    kill("-CONT");
    wait_for(|| state() == Some('S'));
    kill("-TERM");
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn it_becomes_process_one_of_a_container() {
    let home = declared();
    let mut command = home.program("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--pid",
            "--fork",
            "--mount-proc",
        ])
        .arg(polysecrets_tests::secrets_command())
        .args(["run", "--", "sh", "-c", "echo $$"]);
    let ran = Ran::of(&mut command);
    if ran.stderr.contains("unshare") {
        // Without the right to make namespaces the same is shown by the process id, which stays.
        let child = home
            .command(&["run", "--", "sh", "-c", "echo $$"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().trim(),
            pid.to_string()
        );
    } else {
        assert_eq!(ran.ok().text(), "1\n");
    }
}

#[test]
fn the_program_gets_the_default_action_for_sigpipe() {
    let home = declared();
    let ran = home
        .run(&[
            "run",
            "--",
            "grep",
            "-E",
            "^Sig(Ign|Blk):",
            "/proc/self/status",
        ])
        .ok();
    for line in ran.text().lines() {
        let (_, mask) = line.split_once(':').unwrap();
        let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
        assert_eq!(mask & (1 << 12), 0, "SIGPIPE in {line}");
    }
    assert_eq!(ran.text().lines().count(), 2);
}

#[test]
fn many_short_programs_end_well() {
    let home = declared();
    let runs = if is_deep() { 1000 } else { 200 };
    let mut deaths = Vec::new();
    for _ in 0..runs {
        let ran = home.run(&["run", "--", "true"]);
        if ran.code() != Some(0) {
            deaths.push((ran.status, ran.stderr));
        }
    }
    assert!(
        deaths.is_empty(),
        "{} of {runs}: {:?}",
        deaths.len(),
        deaths.first()
    );
}

#[test]
fn no_value_is_an_argument() {
    use secrets_testkit::canary::CommandCapture;

    let home = declared();
    let canary = "canary-in-the-process-list";
    home.set("db/password", canary.as_bytes());
    let mut command = home.command(&["run", "--", "sleep", "0.1"]);
    let capture = CommandCapture::run(&mut command, b"", Duration::from_secs(20)).unwrap();
    let seen: Vec<&[u8]> = capture
        .processes
        .iter()
        .map(|process| process.cmdline.as_slice())
        .collect();
    let holds = |bytes: &[u8]| {
        bytes
            .windows(canary.len())
            .any(|window| window == canary.as_bytes())
    };
    assert!(!seen.is_empty() && !seen.iter().any(|cmdline| holds(cmdline)));
    // The control: it did get there, by the way that it should.
    assert!(
        capture
            .processes
            .iter()
            .any(|process| holds(&process.environ))
    );
}

/// More lines than a pipe holds and fewer than two, so that a program ends which nobody reads yet.
const LINES: usize = 20_000;

fn lines(ending: &str) -> Vec<u8> {
    (1..=LINES)
        .flat_map(|line| format!("{line}{ending}").into_bytes())
        .collect()
}

/// Reads this many bytes, then nothing for longer than a second, then the rest.
fn stalled(mut reader: impl Read + Send + 'static, first: usize) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut read = vec![0; first];
        reader.read_exact(&mut read).unwrap();
        sleep(Duration::from_millis(2500));
        // A terminal ends with an error.
        let _ = reader.read_to_end(&mut read);
        read
    })
}

/// The same with values of which none is too short to be masked.
fn declared_and_long() -> Home {
    let home = declared();
    home.set("api", br#"{"key":"k-12345"}"#);
    home
}

#[test]
fn a_reader_that_stalls_loses_nothing() {
    let home = declared_and_long();
    let seq = format!("seq 1 {LINES}");
    for mask in ["always", "never"] {
        let run = |script: &str| home.command(&["run", "--mask", mask, "--", "sh", "-c", script]);
        let mut child = run(&format!("({seq}) & {seq} >&2; wait"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (stdout, stderr) = (stalled(stdout, 0), stalled(stderr, 0));
        assert!(child.wait().unwrap().success());
        assert!(stdout.join().unwrap() == lines("\n"), "{mask}, stdout");
        assert!(stderr.join().unwrap() == lines("\n"), "{mask}, stderr");

        // One pipe for both.
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = run(&format!("{seq} >&2"));
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = command.spawn().unwrap();
        drop(command);
        let both = stalled(reader, 0);
        assert!(child.wait().unwrap().success());
        assert!(both.join().unwrap() == lines("\n"), "{mask}, one pipe");
    }
}

#[test]
fn megabytes_to_a_slow_reader_lose_nothing() {
    let home = declared_and_long();
    let script = "head -c 8000000 /dev/zero | tr '\\0' x; echo; seq 1 20000";
    let mut child = home
        .command(&["run", "--mask", "always", "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut start = vec![0; 8_000_001];
    stdout.read_exact(&mut start).unwrap();
    assert!(start[..8_000_000].iter().all(|byte| *byte == b'x'));
    let rest = stalled(stdout, 0);
    assert!(child.wait().unwrap().success());
    assert!(rest.join().unwrap() == lines("\n"));
}

#[test]
fn a_terminal_that_stalls_loses_nothing() {
    let home = declared_and_long();
    let (master, slave) = terminal();
    let mut command = home.command(&["run", "--mask", "always", "--", "sh", "-c"]);
    command
        .arg(format!("seq 1 {LINES}"))
        .stdin(slave.try_clone().unwrap())
        .stdout(slave.try_clone().unwrap())
        .stderr(slave);
    let mut child = command.spawn().unwrap();
    drop(command);
    // Two terminals and the buffer between them hold what is left.
    let screen = stalled(master, lines("\r\n").len() - 100_000);
    assert!(child.wait().unwrap().success());
    assert!(screen.join().unwrap() == lines("\r\n"));
}

/// A terminal that nobody looks at, and its other end.
fn terminal() -> (File, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (File::from(master), slave)
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let home = declared_and_long();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let run = |script: &str| home.command(&["run", "--mask", "always", "--", "sh", "-c", script]);
    Ran::of(run("echo hi").stdout(full()))
        .ended(125)
        .says("error: cannot write to standard output: no space left on device");
    // The program's own failure is the more telling one; that it wrote to our closed pipe is not its own.
    Ran::of(run("echo hi; exit 3").stdout(full()))
        .ended(3)
        .says("error: cannot write to standard output: ");
    Ran::of(run("exec yes").stdout(full()))
        .ended(125)
        .says("error: cannot write to standard output: ");
    let ran = Ran::of(run("echo hi >&2; echo out").stderr(full())).ended(125);
    assert_eq!(ran.text(), "out\n");
    home.write("text", "text");
    let text = File::open(home.path("text")).unwrap();
    Ran::of(home.command(&["mask"]).stdin(text).stdout(full()))
        .ended(5)
        .says("error: cannot pass the text on: no space left on device");
}

fn wait_for(condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "it does not come");
        sleep(Duration::from_millis(5));
    }
}
