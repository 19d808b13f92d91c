//! The least privilege, as a Vault policy.

use std::fmt::Write as _;

use secrets_core::{Error, ErrorKind, Grants, Location, Result, SecretName};

use crate::Engine;

/// The policy that allows reading these secrets and nothing else.
///
/// # Errors
/// [`ErrorKind::InvalidName`] for a name that a policy cannot allow alone.
pub(crate) fn to_read(
    engine: Engine,
    mount: &str,
    location: &Location,
    names: &[SecretName],
) -> Result<Grants> {
    let below = match engine {
        // While the engine is unknown, a read starts as on version 2.
        Engine::KvV2 | Engine::Auto => "/data",
        Engine::KvV1 | Engine::Generic => "",
    };
    let mut names: Vec<&SecretName> = names.iter().collect();
    names.sort();
    names.dedup();
    let mut text = String::new();
    for name in names {
        let path = format!("{mount}{below}/{name}");
        // Of a template the server makes another path, or refuses the policy.
        if path.contains("{{") || path.contains("}}") {
            return Err(Error::new(
                ErrorKind::InvalidName,
                "a vault policy cannot name this secret",
            )
            .with_name(name)
            .with_hint("in a policy, `{{` and `}}` mark a template; rename the secret"));
        }
        let is_wider = name.as_str().ends_with('*') || name.segments().any(|one| one == "+");
        if is_wider {
            return Err(Error::new(
                ErrorKind::InvalidName,
                "a vault policy cannot allow this secret alone",
            )
            .with_name(name)
            .with_hint("in a policy, a trailing `*` and a segment `+` are wildcards"));
        }
        let _ = writeln!(
            text,
            "path \"{}\" {{\n  capabilities = [\"read\"]\n}}",
            escaped(&path)
        );
    }
    let mut grants = Grants::new("Vault policy", "hcl", text).with_note(
        "write it with `vault policy write NAME FILE`, and give NAME to the role or token",
    );
    if let Some(namespace) = location.parameter("namespace") {
        grants = grants.with_note(format!("write it in the namespace {namespace}"));
    }
    if engine == Engine::Auto {
        grants = grants.with_note(
            "this assumes KV version 2; for another engine set `engine`, which omits `/data`",
        );
    }
    Ok(grants)
}

/// Text between quotes in HCL.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        // The server's version of HCL has no `$${`.
        .replace("${", "\\u0024{")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(engine: Engine, names: &[&str]) -> Result<Grants> {
        let location: Location = "vault://h:8200/team/kv?namespace=a/b".parse().unwrap();
        let names: Vec<_> = names
            .iter()
            .map(|name| SecretName::new(name).unwrap())
            .collect();
        to_read(engine, "team/kv", &location, &names)
    }

    #[test]
    fn each_secret_is_a_path() {
        let grants = granted(Engine::KvV2, &["db/password", "a\"b", "db/password"]).unwrap();
        assert_eq!(
            grants.text,
            "path \"team/kv/data/a\\\"b\" {\n  capabilities = [\"read\"]\n}\n\
             path \"team/kv/data/db/password\" {\n  capabilities = [\"read\"]\n}\n"
        );
        assert!(
            grants
                .notes
                .iter()
                .any(|note| note.ends_with("namespace a/b"))
        );
        let grants = granted(Engine::KvV1, &["db"]).unwrap();
        assert!(grants.text.starts_with("path \"team/kv/db\""));
        assert_eq!(granted(Engine::Auto, &["db"]).unwrap().notes.len(), 3);
    }

    #[test]
    fn a_name_that_would_allow_more_is_refused() {
        for name in [
            "db/*",
            "a/+/b",
            "+",
            "a{{b",
            "a}}b",
            "{{identity.entity.id}}",
        ] {
            let error = granted(Engine::KvV2, &[name]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{name}");
        }
        assert!(granted(Engine::KvV2, &["a*b/c", "a+"]).is_ok());
    }
}
