//! The `secrets` command.

mod child;
mod ci;
mod cli;
mod commands;
mod crash;
mod exit;
mod failure;
mod files;
mod generate;
mod masked;
mod output;
mod path;
mod progress;
mod prompt;
mod settings;
mod show;
mod terminal;
mod trace;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Verb};
use exit::Exit;
use failure::{Failure, Outcome};
use masked::Stage;
use output::Palette;
use settings::Settings;

fn main() -> ExitCode {
    if asks_for_version(std::env::args_os()) {
        let line = concat!("secrets ", env!("CARGO_PKG_VERSION"), "\n");
        return match output::data(line.as_bytes()) {
            Ok(()) | Err(Failure::ClosedOutput) => Exit::Ok.into(),
            Err(failure) => failure.exit().into(),
        };
    }
    crash::prepare();
    if let Some(stage) = Stage::asked(std::env::args_os()) {
        return stage.start();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let error = path::without_content(error, std::env::args_os());
            // clap prints help to standard output and errors to standard error. A closed pipe is not an error.
            if error.use_stderr() && asks_for_json(std::env::args_os()) {
                if let Failure::Reported(report) = misused(&error) {
                    output::report_json(&report, Exit::Usage);
                }
                return Exit::Usage.into();
            }
            let printed = error.print();
            return match printed {
                _ if error.use_stderr() => Exit::Usage,
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Unavailable,
                _ => Exit::Ok,
            }
            .into();
        }
    };
    let palette = Palette::new(cli.global.color);
    trace::start(cli.global.verbose, palette);
    let is_run = matches!(&cli.verb, Verb::Run(run) if !run.explain.explain);
    let wants_json = cli.verb.wants_json();
    if is_run {
        crash::exits_with(Exit::RunFailed);
    }
    let settings = Settings::new(cli.global, palette, &cli.verb.name());
    let outcome = start(cli.verb, &settings);
    trace::finish(palette);
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let mut exit = failure.exit();
            // Keep our codes apart from those of the program.
            if is_run && !matches!(exit, Exit::CannotExecute | Exit::CommandNotFound) {
                exit = Exit::RunFailed;
            }
            if let Failure::Reported(report) = failure {
                match wants_json {
                    true => output::report_json(&report, exit),
                    false => output::report(palette, &report),
                }
            }
            exit.into()
        }
    }
}

/// Answers before clap builds the grammar of all commands, which would take longer than the answer.
fn asks_for_version(mut words: impl Iterator<Item = OsString>) -> bool {
    let word = words.nth(1);
    word.is_some_and(|word| word == "--version" || word == "-V") && words.next().is_none()
}

/// Whether an invalid command line asks for JSON. The arguments of a program to run do not count.
fn asks_for_json(words: impl Iterator<Item = OsString>) -> bool {
    words
        .take_while(|word| word != "--")
        .any(|word| word == "--json")
}

/// The message of a clap error, without the usage text.
fn misused(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let mut words = text.lines().map(str::trim);
    let about: Vec<&str> = words.by_ref().take_while(|line| !line.is_empty()).collect();
    let about = about.join(" ");
    let message = about.strip_prefix("error: ").unwrap_or(&about);
    let hint = words.find_map(|line| line.strip_prefix("tip: "));
    Failure::usage(message).with_hint(hint.unwrap_or("see `--help`"))
}

fn start(verb: Verb, settings: &Settings) -> Outcome {
    match verb {
        Verb::Init(command) => commands::init::run(&command, settings),
        Verb::Set(command) => commands::set::run(command, settings),
        Verb::Get(command) => commands::get::run(&command, settings),
        Verb::List(command) => commands::list::run(&command, settings),
        Verb::Delete(command) => commands::delete::run(&command, settings),
        Verb::Restore(command) => commands::restore::run(&command, settings),
        Verb::Versions(command) => commands::versions::run(&command, settings),
        Verb::Rollback(command) => commands::rollback::run(&command, settings),
        Verb::Run(command) => commands::run::run(command, settings),
        Verb::Mask(command) => commands::mask::run(&command, settings),
        Verb::CiMask(command) => commands::ci_mask::run(&command, settings),
        Verb::Render(command) => commands::render::run(&command, settings),
        Verb::Check(command) => commands::check::run(&command, settings),
        Verb::Status(command) => commands::status::run(&command, settings),
        Verb::Config(command) => commands::config::run(&command, settings),
        #[cfg(feature = "policy")]
        Verb::Policy(command) => commands::policy::run(&command, settings),
        Verb::Trust(command) => commands::trust::run(&command, settings),
        Verb::Audit(command) => commands::audit::run(&command, settings),
        Verb::Stats(command) => commands::stats::run(&command, settings),
        Verb::Store(command) => commands::store::run(&command, settings),
        Verb::Completions(command) => commands::completions::run(&command),
        Verb::Demo(command) => commands::demo::run(&command, settings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_by_our_own_flag() {
        let asks = |words: &[&str]| asks_for_json(words.iter().map(OsString::from));
        assert!(asks(&["secrets", "get", "--json", "--nonsense"]));
        assert!(!asks(&["secrets", "run", "--", "curl", "--json"]));
        assert!(!asks(&["secrets", "get"]));
    }

    #[test]
    fn misuse_is_reported_in_one_line() {
        let report = |words: &[&str]| match misused(&Cli::try_parse_from(words).unwrap_err()) {
            Failure::Reported(report) => (report.message, report.hint.unwrap_or_default()),
            Failure::ClosedOutput => panic!("not reported"),
        };
        let (message, hint) = report(&["secrets", "check", "--jsn"]);
        assert_eq!(message, "unexpected argument '--jsn' found");
        assert!(hint.contains("'--json'"), "{hint}");
        let (message, hint) = report(&["secrets", "get"]);
        assert!(message.ends_with("not provided: <REFERENCE>"), "{message}");
        assert!(hint.contains("--help"), "{hint}");
    }

    #[test]
    fn only_the_bare_question_is_answered_early() {
        let asks = |words: &[&str]| asks_for_version(words.iter().map(OsString::from));
        assert!(asks(&["secrets", "--version"]) && asks(&["secrets", "-V"]));
        assert!(!asks(&["secrets"]) && !asks(&["secrets", "get", "--version"]));
        assert!(!asks(&["secrets", "--version", "get"]));
    }
}
