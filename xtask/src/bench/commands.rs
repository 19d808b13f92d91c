//! Our command: its configurations and the names in them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Bench;
use super::row::Invocation;
use crate::shell::{Result, at};

/// A token. The counting server accepts any.
pub(super) const TOKEN: &str = "bench-token";

/// A variable and the secret and field of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) variable: String,
    pub(super) name: String,
    pub(super) field: String,
}

/// `count` secrets, each in its own document.
pub(super) fn separate(count: usize) -> Vec<Wanted> {
    (0..count)
        .map(|number| Wanted {
            variable: format!("S{number:04}"),
            name: format!("app/s{number:04}"),
            field: "value".to_owned(),
        })
        .collect()
}

/// `count` secrets with names without folders.
pub(super) fn flat(count: usize) -> Vec<Wanted> {
    let mut wanted = separate(count);
    for one in &mut wanted {
        one.name = one.name.replace('/', "-");
    }
    wanted
}

/// `fields` fields in each of `documents` documents.
pub(super) fn together(documents: usize, fields: usize) -> Vec<Wanted> {
    (0..documents)
        .flat_map(|document| {
            (0..fields).map(move |field| Wanted {
                variable: format!("D{document}K{field:02}"),
                name: format!("app/doc{document}"),
                field: format!("k{field:02}"),
            })
        })
        .collect()
}

/// The value that the counting server returns.
pub(super) fn value(wanted: &Wanted) -> String {
    format!("{}-of-{}", wanted.field, wanted.name.replace('/', "."))
}

/// Writes the list of variables for the baseline.
pub(super) fn names_file(folder: &Path, wanted: &[Wanted]) -> Result<PathBuf> {
    let mut text = String::new();
    for one in wanted {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} {}", one.variable, one.name, one.field);
    }
    write(&folder.join("names.txt"), &text)
}

/// A key/value server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// An http or https URL.
    pub(super) address: String,
    pub(super) token: String,
    /// The CA's certificate, for https.
    pub(super) ca: Option<String>,
}

impl Server {
    /// The counting server.
    pub(super) fn counting(address: &str) -> Self {
        Self {
            address: format!("http://{address}"),
            token: TOKEN.to_owned(),
            ca: None,
        }
    }
}

/// Our command, configured for a key/value server, with these secrets declared.
pub(super) fn vault(
    bench: &Bench,
    folder: &Path,
    server: &Server,
    wanted: &[Wanted],
) -> Result<Invocation> {
    let mut text = format!(
        "default = \"main\"\n\n[providers.main]\ntype = \"vault\"\naddress = \"{}\"\ntoken = \"{}\"\n",
        server.address, server.token
    );
    if let Some(ca) = &server.ca {
        let _ = writeln!(text, "ca_cert = \"{ca}\"");
    }
    declared(bench, folder, text, wanted)
}

/// Our command, with a configuration that has a provider `main` and these secrets declared in it.
pub(super) fn declared(
    bench: &Bench,
    folder: &Path,
    mut text: String,
    wanted: &[Wanted],
) -> Result<Invocation> {
    for one in wanted {
        // The provider returns the value of a document whose only field is `value`.
        let field = match one.field.as_str() {
            "value" => String::new(),
            field => format!("#{field}"),
        };
        let _ = write!(
            text,
            "\n[secrets.{}]\nreference = \"main://{}{field}\"\n",
            one.variable, one.name
        );
    }
    write(&folder.join("secrets.toml"), &text)?;
    Ok(command(bench, folder))
}

/// Our command in a folder with a configuration.
pub(super) fn command(bench: &Bench, folder: &Path) -> Invocation {
    Invocation::new(&bench.secrets, &[], folder)
        .with(
            "XDG_CONFIG_HOME",
            folder.join("config").display().to_string(),
        )
        .with("XDG_STATE_HOME", folder.join("state").display().to_string())
        .with(
            "SECRETS_CONFIG",
            folder.join("secrets.toml").display().to_string(),
        )
}

/// Writes a file that only its owner can read, since it may hold a token or values.
pub(super) fn write(path: &Path, text: &str) -> Result<PathBuf> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = at(path, options.open(path))?;
    at(path, file.write_all(text.as_bytes()))?;
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_many_fields() {
        let wanted = together(5, 20);
        assert_eq!(wanted.len(), 100);
        assert_eq!(value(&wanted[21]), "k01-of-app.doc1");
        assert_eq!(value(&separate(2)[1]), "value-of-app.s0001");
    }
}
