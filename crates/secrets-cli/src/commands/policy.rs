//! `secrets policy`.

use std::path::Path;

use secrets::layers::{Policy, PolicyDecision, PolicyRule, PolicyWarning};
use secrets::{Config, Error, FileFormat, FileScan, Registry, SecretRef, SourcePosition};
use serde_json::{Value, json};

use super::policy_generate::generate;
use super::render::{called, format};
use crate::cli::{self, PolicyVerb};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;
use crate::{files, output};

pub(crate) fn run(command: &cli::Policy, settings: &Settings) -> Outcome {
    match &command.verb {
        PolicyVerb::Check {
            files,
            format,
            json,
        } => check(settings, &references(files, *format)?, *json),
        PolicyVerb::Explain {
            principal,
            operation,
            name,
            json,
        } => explain(settings, (principal, operation, name), *json),
        PolicyVerb::Generate {
            files,
            r#for,
            format,
            json,
        } => generate(settings, &references(files, *format)?, *r#for, *json),
    }
}

/// The configuration and its policy, for every principal.
fn policy(settings: &Settings) -> Outcome<(Config, Policy)> {
    let config = settings.config()?;
    config.check_names(Registry::builtin().schemes())?;
    if config.policy.is_none() {
        return Err(
            Failure::input("no policy is configured; everything is allowed")
                .with_hint("add `[policy]` with roles and principals"),
        );
    }
    let policy = Policy::new(config.policy_source()?)?;
    Ok((config, policy))
}

/// The references in the files.
fn references(paths: &[std::path::PathBuf], asked: Option<FileFormat>) -> Outcome<Vec<SecretRef>> {
    let mut found = Vec::new();
    for path in paths {
        let text = files::read_text(path)?;
        let scan = FileScan::new(&text, format(path, asked)?, Some(called(path)))?;
        found.extend(
            scan.uses()
                .into_iter()
                .map(|(reference, _)| reference.clone()),
        );
    }
    Ok(found)
}

fn check(settings: &Settings, used: &[SecretRef], as_json: bool) -> Outcome {
    let (config, policy) = policy(settings)?;
    let warnings = policy.review(used);
    let (roles, principals, files) = match &config.policy {
        Some(policy) => (
            policy.roles.len(),
            policy.principals.len(),
            policy.files.len(),
        ),
        None => (0, 0, 0),
    };
    if as_json {
        let warnings: Vec<Value> = warnings
            .iter()
            .map(|one| json!({ "place": place(one.position.as_ref()), "message": one.message }))
            .collect();
        output::json(json!({
            "roles": roles,
            "principals": principals,
            "files": files,
            "warnings": warnings,
        }))?;
        return Ok(Exit::Ok);
    }
    for PolicyWarning {
        message, position, ..
    } in &warnings
    {
        let line = match position {
            Some(position) => format!("{position}: {message}"),
            None => message.clone(),
        };
        output::warn(settings.palette, &line);
    }
    output::say(format!(
        "the policy of {} is valid: {}, {}, {}, {}",
        source(&config),
        output::count(roles, "role"),
        output::count(principals, "principal"),
        output::count(files, "file"),
        output::count(warnings.len(), "warning"),
    ));
    Ok(Exit::Ok)
}

fn source(config: &Config) -> String {
    let file = config.source.as_deref().map(Path::display);
    file.map_or_else(|| "the configuration".to_owned(), |file| file.to_string())
}

fn place(position: Option<&SourcePosition>) -> Value {
    position.map_or(Value::Null, |position| json!(position.to_string()))
}

fn explain(
    settings: &Settings,
    (principal, operation, name): (&str, &str, &str),
    as_json: bool,
) -> Outcome {
    let (_, policy) = policy(settings)?;
    let operation = Policy::operation(operation)?;
    let reference: SecretRef = name.parse().map_err(|error: Error| error)?;
    let decision = policy.decide(principal, operation, &reference);
    if as_json {
        output::json(object(&decision, principal, operation.as_str(), &reference))?;
    } else {
        output::data(text(&decision).as_bytes())?;
    }
    Ok(match decision.is_allowed {
        true => Exit::Ok,
        false => Exit::Denied,
    })
}

fn text(decision: &PolicyDecision) -> String {
    let mut lines = vec![
        match decision.is_allowed {
            true => "allowed",
            false => "denied",
        }
        .to_owned(),
    ];
    for rule in &decision.rules {
        lines.push(match rule.is_permit {
            true => format!("  {rule} allows it"),
            false => format!("  {rule} forbids it"),
        });
    }
    if decision.rules.is_empty() {
        lines.push(match decision.misses.is_empty() {
            true => "  no rule allows it: the principal has no role".to_owned(),
            false => "  no rule allows it".to_owned(),
        });
    }
    lines.extend(decision.misses.iter().map(|miss| format!("  {miss}")));
    let lines = lines.iter().map(|line| output::printable(line) + "\n");
    lines.collect()
}

fn object(
    decision: &PolicyDecision,
    principal: &str,
    operation: &str,
    reference: &SecretRef,
) -> Value {
    let rule = |rule: &PolicyRule| {
        json!({
            "name": rule.name,
            "effect": if rule.is_permit { "permit" } else { "forbid" },
            "place": place(rule.position.as_ref()),
        })
    };
    let misses: Vec<Value> = decision
        .misses
        .iter()
        .map(|miss| {
            let mut object = rule(&miss.rule);
            object["why"] = json!(miss.why);
            object
        })
        .collect();
    json!({
        "principal": principal,
        "operation": operation,
        "secret": reference.to_string(),
        "allowed": decision.is_allowed,
        "rules": decision.rules.iter().map(rule).collect::<Vec<_>>(),
        "misses": misses,
    })
}
