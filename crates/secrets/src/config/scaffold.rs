//! The text of a fresh configuration.

use secrets_core::Location;

/// The text of a fresh `secrets.toml`, with a chain that is written openly. With a location, `main` is there and takes
/// the writes; without one, the encrypted file takes them.
pub(super) fn scaffold(main: Option<&Location>) -> String {
    let (members, write, provider) = match main {
        Some(location) => (
            r#""env", "main", "local""#,
            "main",
            format!(
                "\n[providers.main]\ntype = {}\nlocation = {}\n",
                quoted(location.scheme()),
                quoted(&location.to_string()),
            ),
        ),
        None => (
            r#""env", "local""#,
            "local",
            "\n\
             # A server: add \"main\" to the chain above, between the two.\n\
             # [providers.main]\n\
             # type = \"vault\"\n\
             # location = \"vault://vault.example.com:8200/secret\"\n"
                .to_owned(),
        ),
    };
    format!(
        r#"# Where this project's secrets are. It holds none itself: keep it in version control.

# Answers every reference that names no provider, such as `${{secret:db/password}}`.
default = "project"

# Asked from left to right; the first that has the secret answers. Writes go to one of them.
[chains.project]
providers = [{members}]
write = "{write}"

# The environment: what is set there goes before everything else. Its variables are not listed among the secrets.
[providers.env]
type = "env"
unlisted = true
{provider}
# An encrypted file beside this one. It can be committed, its key cannot.
[providers.local]
type = "file"

# The secrets that the program needs. `secrets run -- COMMAND` hands them over as environment variables.
# [secrets.DATABASE_PASSWORD]
# reference = "db/password"
# description = "the password of the application's own user"
"#
    )
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
