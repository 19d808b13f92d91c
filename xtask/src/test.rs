//! Runs all tests of CI: tests, doc tests, examples and the vendors' SDKs, against real servers.

mod conformance;
mod fuzz;
mod models;
mod mutants;
mod sdk_interop;
mod totals;

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::servers;
use crate::shell::{Result, at, cargo, described, has_cargo_tool, say, target};
use crate::workspace::{self, Package};
use totals::{Totals, libtest, nextest};

const USAGE: &str = "usage: cargo xtask test [--deep] [--fresh] [-p CRATE|sdk_interop|models|fuzz]... [-- FILTER...]";

/// Examples end soon; one that waits is broken.
const EXAMPLE_LIMIT: Duration = Duration::from_secs(120);

/// Prefixes of variables that lead to a developer's own accounts.
const FOREIGN: &[&str] = &[
    "SECRETS_",
    "VAULT_",
    "BAO_",
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "INFISICAL_",
    "GCE_",
    "CLOUDSDK_",
    "IDENTITY_",
    "IMDS_",
    "MSI_",
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    deep: bool,
    /// Start new servers even if some are up, which may have data of earlier runs.
    fresh: bool,
    packages: Vec<String>,
    /// `-p sdk_interop`: Python tests.
    sdk_interop: bool,
    /// `-p models`: a crate outside the workspace.
    models: bool,
    /// `-p fuzz`: a crate outside the workspace.
    fuzz: bool,
    filters: Vec<String>,
}

pub(crate) fn command(words: &[&str]) -> Result<ExitCode> {
    let options = Options::parse(words)?;
    let members = workspace::load()?;
    let chosen = options
        .packages
        .iter()
        .map(|word| workspace::find(&members, word))
        .collect::<Result<Vec<&Package>>>()?;
    let up = if options.fresh {
        None
    } else {
        servers::running()?
    };
    let (variables, guard) = match up {
        Some(variables) => {
            say("using the running servers");
            (variables, None)
        }
        None => {
            let guard = servers::start_own()?;
            (guard.variables(), Some(guard))
        }
    };
    let all = chosen.is_empty() && !(options.sdk_interop || options.models || options.fuzz);
    let run = Run {
        options,
        all,
        chosen: if all {
            members.iter().collect()
        } else {
            chosen
        },
        variables,
    };
    let totals = run.everything();
    drop(guard);
    println!("{totals}");
    Ok(if totals.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            match *word {
                "--deep" => options.deep = true,
                "--fresh" => options.fresh = true,
                "-p" | "--package" => {
                    let name = rest
                        .next()
                        .ok_or_else(|| format!("{word}: missing crate\n{USAGE}"))?;
                    if *name == sdk_interop::NAME {
                        options.sdk_interop = true;
                    } else if *name == models::NAME {
                        options.models = true;
                    } else if *name == fuzz::NAME {
                        options.fuzz = true;
                    } else {
                        options.packages.push((*name).to_owned());
                    }
                }
                "--" => options
                    .filters
                    .extend(rest.by_ref().map(|filter| (*filter).to_owned())),
                other => return Err(format!("unknown argument: {other}\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

struct Run<'a> {
    options: Options,
    /// Whether to test the whole workspace.
    all: bool,
    chosen: Vec<&'a Package>,
    variables: Vec<(String, String)>,
}

impl Run<'_> {
    fn everything(&self) -> Totals {
        // Install while the tests are being built, which takes longer.
        let installing = Cell::new(
            self.wants_sdk_interop()
                .then(|| thread::spawn(|| sdk_interop::VENV.prepare())),
        );
        let steps: [(&str, &dyn Fn() -> Result<Totals>); 8] = [
            ("tests", &|| self.tests()),
            ("conformance", &|| self.conformance()),
            ("doc tests", &|| self.doc_tests()),
            ("examples", &|| self.examples()),
            ("models", &|| self.models()),
            ("sdk_interop", &|| match installing.take() {
                Some(installing) => {
                    installing
                        .join()
                        .map_err(|_| "the installation panicked")??;
                    self.sdk_interop()
                }
                None => Ok(Totals::default()),
            }),
            ("fuzz", &|| self.fuzz()),
            ("mutants", &|| self.mutants()),
        ];
        let mut sum = Totals::default();
        for (name, step) in steps {
            let begin = Instant::now();
            let totals = step().unwrap_or_else(|reason| {
                say(&reason);
                Totals {
                    failed: 1,
                    ..Totals::default()
                }
            });
            say(&format!(
                "{name}: {totals} in {} s",
                begin.elapsed().as_secs()
            ));
            sum = sum + totals;
        }
        if sum.passed + sum.failed == 0 {
            say("no test ran, which counts as a failure");
        }
        sum
    }

    fn tests(&self) -> Result<Totals> {
        if self.chosen.is_empty() {
            return Ok(Totals::default());
        }
        conformance::clear()?;
        if has_cargo_tool("nextest") {
            let profile = if self.options.deep { "deep" } else { "default" };
            let mut command = self.cargo(&["nextest", "run"]);
            command
                .args(["--profile", profile, "--no-fail-fast", "--no-tests", "pass"])
                .args(["--status-level", "slow", "--final-status-level", "fail"])
                .arg("--")
                .args(&self.options.filters);
            measured(&mut command, nextest)
        } else {
            say("cargo-nextest is not installed; using cargo test, which runs one crate at a time");
            let mut command = self.cargo(&["test"]);
            command
                .args(["--no-fail-fast", "--lib", "--bins", "--tests", "--"])
                .args(&self.options.filters);
            measured(&mut command, libtest)
        }
    }

    /// Fails for a provider whose conformance suite did not run. The tests of the suites are counted as tests.
    fn conformance(&self) -> Result<Totals> {
        if self.chosen.is_empty() {
            return Ok(Totals::default());
        }
        let reports = conformance::reports()?;
        if !reports.is_empty() {
            say(&format!("conformance\n{}", conformance::table(&reports)));
        }
        let mut totals = Totals::default();
        if self.all && self.options.filters.is_empty() {
            for scheme in conformance::absent(&reports) {
                say(&format!("no conformance suite ran for {scheme}"));
                totals.failed += 1;
            }
            if totals.failed == 0 && !conformance::refresh(&reports)? {
                say("docs/conformance.md was outdated and has been updated; commit it");
                totals.failed += 1;
            }
        }
        Ok(totals)
    }

    fn doc_tests(&self) -> Result<Totals> {
        if !self.chosen.iter().any(|package| package.library.is_some()) {
            return Ok(Totals::default());
        }
        let mut command = self.cargo(&["test"]);
        command
            .args(["--doc", "--no-fail-fast", "--"])
            .args(&self.options.filters);
        measured(&mut command, libtest)
    }

    fn examples(&self) -> Result<Totals> {
        let wanted: Vec<&str> = self
            .chosen
            .iter()
            .flat_map(|package| &package.examples)
            .map(String::as_str)
            .filter(|name| self.is_wanted(name))
            .collect();
        let mut totals = Totals::default();
        if wanted.is_empty() {
            return Ok(totals);
        }
        for (name, program) in self.build_examples()? {
            if !wanted.contains(&name.as_str()) {
                continue;
            }
            match self.run_example(&name, &program) {
                Ok(()) => totals.passed += 1,
                Err(reason) => {
                    say(&format!("example {name}: {reason}"));
                    totals.failed += 1;
                }
            }
        }
        Ok(totals)
    }

    /// The model checkers.
    fn models(&self) -> Result<Totals> {
        if !self.all && !self.options.models {
            return Ok(Totals::default());
        }
        let mut command = models::command(&self.options.filters);
        self.surround(&mut command);
        measured(&mut command, libtest)
    }

    /// Runs the fuzzers with `--deep` or on request. A test replays the corpus in every run.
    fn fuzz(&self) -> Result<Totals> {
        let wanted = self.options.fuzz || self.all && self.options.deep;
        if !wanted {
            return Ok(Totals::default());
        }
        fuzz::run(&|name| self.is_wanted(name), self.options.deep)
    }

    /// Runs the mutation tests only with `--deep` and for the whole workspace, since they take hours.
    fn mutants(&self) -> Result<Totals> {
        if self.all && self.options.deep && self.options.filters.is_empty() {
            mutants::run()
        } else {
            Ok(Totals::default())
        }
    }

    fn wants_sdk_interop(&self) -> bool {
        let wanted = |name: &String| self.is_wanted(name);
        // Without a filter, also if there are none, to report that.
        (self.all || self.options.sdk_interop)
            && (self.options.filters.is_empty()
                || sdk_interop::all().is_ok_and(|names| names.iter().any(wanted)))
    }

    /// Runs the selected SDK tests and builds the programs that they need. Fails for a missing one.
    fn sdk_interop(&self) -> Result<Totals> {
        let mut names = sdk_interop::all()?;
        let mut totals = Totals::default();
        if self.options.filters.is_empty() {
            for name in sdk_interop::absent(&names) {
                say(&format!("missing SDK test: {name}"));
                totals.failed += 1;
            }
        }
        names.retain(|name| self.is_wanted(name));
        let secrets = match std::env::var_os("POLYSECRETS_TEST_BIN") {
            Some(path) => path.into(),
            // The same build as for the command's tests, so it is up to date.
            None => built(&mut cargo(["build", "-p", "polysecrets-cli"]), "secrets")?,
        };
        let mut fakes = if self.all {
            self.cargo(&["build"])
        } else {
            cargo(["build", "-p", "polysecrets-testkit", "--features", "fakes"])
        };
        let fakes = built(&mut fakes, "polysecrets-fakes")?;
        let interop = sdk_interop::run(&names, |command| {
            self.surround(command);
            command
                .env("POLYSECRETS_TEST_BIN", &secrets)
                .env("POLYSECRETS_TEST_FAKES", &fakes);
        })?;
        Ok(totals + interop)
    }

    fn is_wanted(&self, name: &str) -> bool {
        let filters = &self.options.filters;
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    }

    /// Builds the examples and returns their names and programs.
    fn build_examples(&self) -> Result<Vec<(String, PathBuf)>> {
        let mut command = self.cargo(&["build"]);
        command.arg("--examples");
        programs(&mut command, "example")
    }

    /// Runs an example in an empty folder, with the servers' variables and no input.
    fn run_example(&self, name: &str, program: &PathBuf) -> Result<()> {
        let folder = target().join("examples-run").join(name);
        if folder.exists() {
            at(&folder, fs::remove_dir_all(&folder))?;
        }
        at(&folder, fs::create_dir_all(&folder))?;
        let mut command = Command::new(program);
        self.surround(&mut command);
        let log = at(&folder, fs::File::create(folder.join("output.log")))?;
        let copy = at(&folder, log.try_clone())?;
        let mut child = command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(copy)
            .spawn()
            .map_err(|error| format!("cannot start: {error}"))?;
        let end = Instant::now() + EXAMPLE_LIMIT;
        loop {
            if let Some(status) = at(&folder, child.try_wait())? {
                if status.success() {
                    return Ok(());
                }
                let output = fs::read_to_string(folder.join("output.log")).unwrap_or_default();
                return Err(format!("{status}\n{}", output.trim_end()));
            }
            if Instant::now() > end {
                // Fails only if the example ended meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("still running after {} s", EXAMPLE_LIMIT.as_secs()));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Cargo with the packages, all features, and the environment for tests.
    fn cargo(&self, verb: &[&str]) -> Command {
        let mut command = cargo(verb);
        if self.all {
            command.arg("--workspace");
        } else {
            for package in &self.chosen {
                command.args(["-p", &package.name]);
            }
        }
        command.arg("--all-features");
        self.surround(&mut command);
        command
    }

    fn surround(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            // `AWS_LC_` configures the build of aws-lc; a change would rebuild it.
            let build = text.starts_with("AWS_LC_");
            if !build && FOREIGN.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command.envs(self.variables.iter().cloned());
        let cases = if self.options.deep {
            "1000000"
        } else {
            "10000"
        };
        if std::env::var_os("PROPTEST_CASES").is_none() {
            command.env("PROPTEST_CASES", cases);
        }
        command.env(conformance::VARIABLE, conformance::folder());
        if self.options.deep {
            command.env("POLYSECRETS_DEEP", "1");
        }
    }
}

/// Builds a program and returns its path.
fn built(command: &mut Command, name: &str) -> Result<PathBuf> {
    command.args(["--bin", name]);
    programs(command, "bin")?
        .into_iter()
        .find_map(|(built, path)| (built == name).then_some(path))
        .ok_or_else(|| format!("cargo did not build {name}"))
}

/// Runs a build and returns the names and paths of the programs of a kind, from cargo's JSON output.
fn programs(command: &mut Command, kind: &str) -> Result<Vec<(String, PathBuf)>> {
    command
        .args(["--quiet", "--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit());
    let output = command
        .output()
        .map_err(|error| format!("cannot start {}: {error}", described(command)))?;
    if !output.status.success() {
        return Err(format!("{} failed: {}", described(command), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| artifact(line, kind))
        .collect())
}

/// Parses a line of cargo's JSON output; `None` unless it is a program of this kind.
fn artifact(line: &str, kind: &str) -> Option<(String, PathBuf)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let target = value.get("target")?;
    let kinds = target.get("kind")?.as_array()?;
    if !kinds.iter().any(|one| one == kind) {
        return None;
    }
    let name = target.get("name")?.as_str()?.to_owned();
    Some((name, value.get("executable")?.as_str()?.into()))
}

/// Runs a test runner, copies its output to stderr and adds up the totals in it.
fn measured(command: &mut Command, totals_of: fn(&str) -> Option<Totals>) -> Result<Totals> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", described(command)))?;
    let output = child.stdout.take();
    let errors = child.stderr.take();
    let both = thread::scope(|scope| {
        let output = scope.spawn(|| shown(output, totals_of));
        shown(errors, totals_of) + output.join().unwrap_or_default()
    });
    let status = child
        .wait()
        .map_err(|error| format!("lost {}: {error}", described(command)))?;
    checked(both, status, &described(command))
}

fn shown(stream: Option<impl Read>, totals_of: fn(&str) -> Option<Totals>) -> Totals {
    let mut sum = Totals::default();
    let Some(stream) = stream else { return sum };
    for line in BufReader::new(stream).split(b'\n') {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line);
        eprintln!("{line}");
        if let Some(totals) = totals_of(&line) {
            sum = sum + totals;
        }
    }
    sum
}

/// Counts a failure of the runner without a failed test, such as a failed build.
fn checked(mut totals: Totals, status: ExitStatus, line: &str) -> Result<Totals> {
    if !status.success() && totals.failed == 0 {
        say(&format!("{line} failed: {status}"));
        totals.failed = 1;
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_after_two_dashes_are_filters() {
        let options = Options::parse(&["--deep", "-p", "secrets-vault", "--", "kv", "--deep"]);
        let wanted = Options {
            deep: true,
            fresh: false,
            packages: vec!["secrets-vault".to_owned()],
            sdk_interop: false,
            models: false,
            fuzz: false,
            filters: vec!["kv".to_owned(), "--deep".to_owned()],
        };
        assert_eq!(options, Ok(wanted));
    }

    #[test]
    fn sdk_tests_models_and_fuzzers_are_chosen_like_a_crate() {
        let options = Options::parse(&["-p", "sdk_interop", "--", "test_vault"]).unwrap();
        assert!(options.sdk_interop && options.packages.is_empty());
        assert_eq!(options.filters, ["test_vault"]);
        let options = Options::parse(&["-p", "models", "--deep"]).unwrap();
        assert!(options.models && options.deep && options.packages.is_empty());
        let options = Options::parse(&["-p", "fuzz", "--", "dotenv"]).unwrap();
        assert!(options.fuzz && !options.deep && options.packages.is_empty());
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        let message = Options::parse(&["--dep"]).unwrap_err();
        assert!(message.starts_with("unknown argument: --dep"), "{message}");
        let message = Options::parse(&["-p"]).unwrap_err();
        assert!(message.starts_with("-p: missing crate"), "{message}");
    }

    #[test]
    fn a_runner_that_fails_without_a_failed_test_is_a_failure() {
        let mut broken = Command::new("sh");
        broken.args(["-c", "echo 'error: could not compile' >&2; exit 101"]);
        let totals = measured(&mut broken, nextest).unwrap();
        assert_eq!(
            totals,
            Totals {
                failed: 1,
                ..Totals::default()
            }
        );
    }

    #[test]
    fn both_streams_are_counted() {
        let mut runner = Command::new("sh");
        runner.args([
            "-c",
            "echo 'test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out'; \
             echo 'test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out' >&2",
        ]);
        let totals = measured(&mut runner, libtest).unwrap();
        assert_eq!(
            totals,
            Totals {
                passed: 5,
                failed: 0,
                skipped: 1
            }
        );
    }

    #[test]
    fn only_programs_of_the_kind_are_found() {
        let line = |kind: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"kind":["{kind}"],"name":"capabilities"}},"executable":"/t/x"}}"#
            )
        };
        assert_eq!(
            artifact(&line("example"), "example"),
            Some(("capabilities".to_owned(), "/t/x".into()))
        );
        assert_eq!(artifact(&line("bin"), "example"), None);
        let end = r#"{"reason":"build-finished","success":true}"#;
        assert_eq!(artifact(end, "example"), None);
    }
}
