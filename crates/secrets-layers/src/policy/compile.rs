//! From the roles of a configuration to Cedar's language.

use std::fmt::Write as _;

use super::config::RoleConfig;
use super::glob::{NameGlob, Pattern};

/// The types that policies speak of, in Cedar's schema language: one's own policies are held to it.
pub(super) const SCHEMA: &str = r#"
entity Role;
entity User in [Role];
entity Scope;
entity Secret in [Scope] = {
    name: String,
    scope: String,
    providers: Set<String>,
    segments: Long,
};
action "read", "write";
action "get", "describe", "list", "versions" in ["read"] appliesTo {
    principal: User,
    resource: Secret,
    context: { environment?: String },
};
action "put", "delete", "restore", "rollback" in ["write"] appliesTo {
    principal: User,
    resource: Secret,
    context: { environment?: String },
};
"#;

/// The segments from the front, and from the end, that a policy can look at by their number.
pub(super) fn front(number: usize) -> String {
    format!("front{number}")
}

pub(super) fn back(number: usize) -> String {
    format!("back{number}")
}

/// The policy that a role is.
pub(super) fn role(name: &str, role: &RoleConfig) -> String {
    let operations: Vec<String> = role
        .operations
        .iter()
        .map(|one| format!("Action::{}", quoted(one.as_str())))
        .collect();
    let mut text = format!(
        "permit (\n    principal in Role::{},\n    action in [{}],\n    resource\n)",
        quoted(name),
        operations.join(", ")
    );
    let names: Vec<Option<String>> = role.names.iter().map(condition).collect();
    // A pattern without a condition matches everything.
    if let Some(names) = names.into_iter().collect::<Option<Vec<_>>>() {
        let _ = match names.is_empty() {
            true => write!(text, "\nwhen {{ false }}"),
            false => write!(text, "\nwhen {{ {} }}", names.join("\n    || ")),
        };
    }
    if !role.scopes.is_empty() {
        let scopes = list(&role.scopes);
        let _ = write!(text, "\nwhen {{ [{scopes}].contains(resource.scope) }}");
    }
    if !role.environments.is_empty() {
        let environments = list(&role.environments);
        let _ = write!(
            text,
            "\nwhen {{ context has environment && [{environments}].contains(context.environment) }}"
        );
    }
    text.push_str(";\n");
    text
}

/// What a name has to be, or `None` where any will do.
fn condition(glob: &NameGlob) -> Option<String> {
    let Some(after) = &glob.after else {
        // With as many segments as the pattern, no star of it can have taken a `/`.
        let literals: Option<Vec<&str>> = glob.before.iter().map(Pattern::literal).collect();
        return Some(match literals {
            Some(segments) => format!("resource.name == {}", quoted(&segments.join("/"))),
            None => format!(
                "(resource.name like \"{}\" && resource.segments == {})",
                segments(&glob.before),
                glob.before.len()
            ),
        });
    };
    if glob.before.is_empty() && after.is_empty() {
        return None;
    }
    let is_literal = glob.before.iter().all(|one| one.literal().is_some());
    if is_literal && after.is_empty() {
        return Some(format!(
            "resource.name like \"{}/*\"",
            segments(&glob.before)
        ));
    }
    let mut parts = vec![format!("resource.segments >= {}", glob.least())];
    let front = (0..).zip(&glob.before).map(|(at, one)| (front(at), one));
    let back = (0..)
        .zip(after.iter().rev())
        .map(|(at, one)| (back(at), one));
    for (attribute, pattern) in front.chain(back) {
        match pattern.literal() {
            _ if pattern.is_any() => {}
            Some(text) => parts.push(format!("resource.{attribute} == {}", quoted(text))),
            None => parts.push(format!(
                "resource.{attribute} like \"{}\"",
                segments(std::slice::from_ref(pattern))
            )),
        }
    }
    Some(format!("({})", parts.join(" && ")))
}

/// The patterns as one of Cedar's, without quotes.
fn segments(patterns: &[Pattern]) -> String {
    let texts = patterns.iter().map(|pattern| {
        let texts = pattern.0.iter().map(|text| escaped(text, true));
        texts.collect::<Vec<_>>().join("*")
    });
    texts.collect::<Vec<_>>().join("/")
}

fn list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(", ")
}

/// A text as Cedar writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text, false))
}

fn escaped(text: &str, in_pattern: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => safe.push_str("\\\""),
            '\\' => safe.push_str("\\\\"),
            '*' if in_pattern => safe.push_str("\\*"),
            other if other.is_ascii_graphic() || other == ' ' || other.is_alphanumeric() => {
                safe.push(other);
            }
            other => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(other));
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use secrets_core::Operation;

    use super::*;

    fn of(names: &[&str]) -> String {
        role("r", &RoleConfig::new([Operation::Get], names).unwrap())
    }

    #[test]
    fn a_role_is_a_policy() {
        let config = RoleConfig::new([Operation::Get, Operation::List], ["db/*", "a\"b", "x/**"])
            .unwrap()
            .with_scopes(["main"])
            .with_environments(["prod"]);
        assert_eq!(
            role("reader", &config),
            "permit (\n    principal in Role::\"reader\",\n    action in [Action::\"get\", Action::\"list\"],\n    resource\n)\n\
             when { (resource.name like \"db/*\" && resource.segments == 2)\n    || resource.name == \"a\\\"b\"\n    || resource.name like \"x/*\" }\n\
             when { [\"main\"].contains(resource.scope) }\n\
             when { context has environment && [\"prod\"].contains(context.environment) };\n"
        );
    }

    #[test]
    fn everything_and_nothing() {
        assert!(!of(&["x", "**"]).contains("when"));
        assert!(of(&[]).contains("when { false }"));
    }

    #[test]
    fn stars_before_many_segments_are_told_segment_by_segment() {
        assert!(of(&["t*/**/b/c"]).contains(
            "(resource.segments >= 3 && resource.front0 like \"t*\" && resource.back0 == \"c\" && resource.back1 == \"b\")"
        ));
    }
}
