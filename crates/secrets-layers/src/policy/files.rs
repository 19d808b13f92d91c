//! Policies of one's own, in Cedar's language.

use std::fs;
use std::path::Path;

use cedar_policy::{PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use secrets_core::{Error, ErrorKind, NamedPath, Result, SourcePosition};

use super::compile::SCHEMA;
use super::config::PolicyFile;
use super::decision::{PolicyRule, PolicyWarning};

/// The largest file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// One policy of a file, under an id that no other file has.
pub(super) struct Own {
    pub(super) policy: cedar_policy::Policy,
    pub(super) rule: PolicyRule,
}

/// Reads a file and holds it to the types that policies speak of.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] with the place in the file; with the place where it is named if it cannot be read.
pub(super) fn read(
    file: &PolicyFile,
    base_dir: &Path,
    warnings: &mut Vec<PolicyWarning>,
) -> Result<Vec<Own>> {
    let located = |error: Error| match &file.position {
        Some(position) => error.with_position(position.clone()),
        None => error,
    };
    let path = NamedPath::new("`policy.files`", &file.path).map_err(located)?;
    let path = path.below(base_dir).into_path();
    let text = text(&path).map_err(|why| {
        located(Error::new(
            ErrorKind::InvalidConfig,
            format!("the policy file {} {why}", path.display()),
        ))
    })?;
    let place = |offset: usize| position(&text, offset).in_file(&path);
    let set: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        reported(&errors, &place).with_hint(match errors.help() {
            Some(help) => line(&help.to_string()),
            None => "a policy looks like `permit (principal in Role::\"reader\", action in Action::\"read\", resource);`".to_owned(),
        })
    })?;
    if let Some(template) = set.templates().next() {
        let at = text.find(&template.to_string()).unwrap_or(0);
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "a policy with slots decides nothing",
        )
        .with_position(place(at))
        .with_hint(
            "write a principal or a role in place of `?principal`, a scope in place of `?resource`",
        ));
    }
    validate(&set, &place, warnings)?;
    Ok(own(&set, &text, &path))
}

fn text(path: &Path) -> Result<String, String> {
    if path
        .extension()
        .is_none_or(|extension| extension != "cedar")
    {
        return Err("does not end in .cedar".to_owned());
    }
    let failed = |error: std::io::Error| format!("cannot be read: {}", error.kind());
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err("is no regular file".to_owned());
    }
    if metadata.len() > MAX_BYTES {
        return Err("is larger than 1 MiB".to_owned());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let private_group = metadata.gid() == metadata.uid() && metadata.uid() != 0;
        let others = if private_group { 0o002 } else { 0o022 };
        if metadata.mode() & others != 0 {
            return Err(
                "can be written by others: check what it says, then `chmod go-w` it".into(),
            );
        }
    }
    let bytes = fs::read(path).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

fn validate(
    set: &PolicySet,
    place: &impl Fn(usize) -> SourcePosition,
    warnings: &mut Vec<PolicyWarning>,
) -> Result<()> {
    let schema: Schema = SCHEMA
        .parse()
        .map_err(|_| Error::new(ErrorKind::Unexpected, "the schema of policies is broken"))?;
    let validated = Validator::new(schema).validate(set, ValidationMode::default());
    if let Some(error) = validated.validation_errors().next() {
        return Err(reported(error, place).with_hint(match error.help() {
            Some(help) => line(&help.to_string()),
            None => "principals are `User` and `Role`, resources `Secret` (name, scope, providers, segments) and `Scope`; \
                     actions are named like operations, and `read` and `write` are several; the context may have `environment`"
                .to_owned(),
        }));
    }
    for warning in validated.validation_warnings() {
        warnings.push(PolicyWarning {
            message: without_id(&warning.to_string()),
            position: offset(warning).map(place),
        });
    }
    Ok(())
}

fn reported(error: &(impl Diagnostic + ?Sized), place: &impl Fn(usize) -> SourcePosition) -> Error {
    let mut message = without_id(&error.to_string());
    if let Some(label) = error
        .labels()
        .and_then(|mut labels| labels.next())
        .and_then(|label| label.label().map(line))
    {
        message = format!("{message}: {label}");
    }
    Error::new(ErrorKind::InvalidConfig, message).with_position(place(offset(error).unwrap_or(0)))
}

fn offset(error: &(impl Diagnostic + ?Sized)) -> Option<usize> {
    Some(error.labels()?.next()?.offset())
}

/// On one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Cedar numbers policies by itself and begins with that number, which nobody has written.
fn without_id(message: &str) -> String {
    let rest = message
        .strip_prefix("for policy `")
        .and_then(|rest| rest.split_once("`, "));
    line(rest.map_or(message, |(_, rest)| rest))
}

fn position(text: &str, offset: usize) -> SourcePosition {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let number = 1 + before.matches('\n').count();
    SourcePosition::new(number, 1 + before[start..].chars().count())
}

/// The policies under ids of their own, with the place of each.
fn own(set: &PolicySet, text: &str, path: &Path) -> Vec<Own> {
    let number = |id: &PolicyId| {
        let digits = id.to_string();
        let digits = digits.trim_start_matches("policy").parse::<usize>();
        digits.unwrap_or(usize::MAX)
    };
    let mut policies: Vec<&cedar_policy::Policy> = set.policies().collect();
    policies.sort_by_key(|policy| number(policy.id()));
    let mut from = 0;
    let numbered = (1_usize..).zip(policies);
    numbered
        .map(|(number, policy)| {
            let source = policy.to_string();
            let at = text[from..].find(&source).map(|at| from + at);
            from = at.map_or(from, |at| at + source.len());
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let name = match policy.annotation("id") {
                Some(id) if !id.is_empty() => format!("policy {id:?}"),
                _ => format!("policy {number} of {file}"),
            };
            let id = PolicyId::new(format!("{}#{number}", path.display()));
            Own {
                policy: policy.new_id(id),
                rule: PolicyRule {
                    name,
                    is_permit: policy.effect() == cedar_policy::Effect::Permit,
                    position: at.map(|at| position(text, at).in_file(path)),
                },
            }
        })
        .collect()
}
