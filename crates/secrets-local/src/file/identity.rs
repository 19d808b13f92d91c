//! With what a store is opened: private keys from a file, from a variable or from the configuration, and a passphrase.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use age::secrecy::ExposeSecret as _;
use age::x25519;
use secrets_core::{Error, ErrorKind, NamedPath, Result, SecretValue, SourcePosition};
use zeroize::Zeroizing;

use super::guard;
use super::store::IDENTITY_VARIABLE;

const KEY_START: &str = "AGE-SECRET-KEY-";

/// Where the private keys are.
#[derive(Debug, Clone)]
pub(super) enum IdentitySource {
    /// The text of the keys, from the variable.
    Variable(SecretValue),
    /// The text of the keys, from the configuration.
    Setting(SecretValue),
    /// A file that was named, and has to be there.
    File(NamedPath),
    /// The file of the user, which may be absent.
    Default(PathBuf),
    /// Neither named nor to be guessed.
    None,
}

/// What opens a store: any one of them.
pub(super) struct Unlock {
    pub(super) identities: Vec<Box<dyn age::Identity>>,
    pub(super) passphrase: Option<SecretValue>,
    /// The file in which an identity was looked for and that is not there.
    pub(super) absent: Option<PathBuf>,
}

/// Whether the text is a key rather than the path of a file.
pub(super) fn is_key_text(text: &str) -> bool {
    // In lowercase it is not a key, but must not be reported as a path either.
    let mut windows = text.as_bytes().windows(KEY_START.len());
    windows.any(|part| part.eq_ignore_ascii_case(KEY_START.as_bytes()))
        || text.contains("-----BEGIN ")
}

impl IdentitySource {
    pub(super) fn load(&self) -> Result<Vec<Box<dyn age::Identity>>> {
        Ok(self
            .parse()?
            .into_iter()
            .map(ParsedIdentity::into_identity)
            .collect())
    }

    /// The public keys that belong to the private ones.
    pub(super) fn recipients(&self) -> Result<Vec<String>> {
        self.parse()?
            .iter()
            .map(ParsedIdentity::recipient)
            .collect()
    }

    fn parse(&self) -> Result<Vec<ParsedIdentity>> {
        match self {
            Self::Variable(text) => parse(text.expose_bytes(), Origin::Text(IDENTITY_VARIABLE)),
            Self::Setting(text) => parse(text.expose_bytes(), Origin::Text("`identity_key`")),
            Self::File(file) => match guard::read_identity(file.path())? {
                Some(bytes) => parse(&bytes, Origin::File(file.path())),
                None => Err(Error::new(
                    ErrorKind::Unauthenticated,
                    match file.shown() {
                        Some(path) => format!("there is no identity file {path}"),
                        None => format!("there is no identity file at {}", file.setting()),
                    },
                )
                .with_hint(
                    "check `identity` and SECRETS_IDENTITY; `secrets init` makes an identity",
                )),
            },
            Self::Default(path) => match guard::read_identity(path)? {
                Some(bytes) => parse(&bytes, Origin::File(path)),
                None => Ok(Vec::new()),
            },
            Self::None => Ok(Vec::new()),
        }
    }

    /// The file where an identity is looked for if none is named.
    pub(super) fn default_path(&self) -> Option<&Path> {
        match self {
            Self::Default(path) => Some(path),
            _ => None,
        }
    }
}

enum ParsedIdentity {
    Native(x25519::Identity),
    #[cfg(feature = "file-ssh")]
    Ssh(age::ssh::Identity),
}

impl ParsedIdentity {
    fn into_identity(self) -> Box<dyn age::Identity> {
        match self {
            Self::Native(identity) => Box::new(identity),
            #[cfg(feature = "file-ssh")]
            Self::Ssh(identity) => Box::new(identity),
        }
    }

    fn recipient(&self) -> Result<String> {
        match self {
            Self::Native(identity) => Ok(identity.to_public().to_string()),
            #[cfg(feature = "file-ssh")]
            Self::Ssh(identity) => age::ssh::Recipient::try_from(identity.clone())
                .map(|recipient| recipient.to_string())
                .map_err(|_| {
                    Error::new(
                        ErrorKind::InvalidConfig,
                        "the SSH key has no usable public key",
                    )
                }),
        }
    }
}

/// Where a text of keys is from.
#[derive(Clone, Copy)]
enum Origin<'a> {
    File(&'a Path),
    Text(&'static str),
}

fn wrong(what: &str, line: usize, origin: Origin<'_>) -> Error {
    let position = SourcePosition::new(line, 1);
    let error = match origin {
        Origin::File(path) => Error::new(ErrorKind::InvalidConfig, what.to_owned())
            .with_position(position.in_file(path)),
        Origin::Text(name) => Error::new(ErrorKind::InvalidConfig, format!("{what}, in {name}"))
            .with_position(position),
    };
    error.with_hint("an identity is a line `AGE-SECRET-KEY-1…`, or an SSH private key")
}

fn parse(bytes: &[u8], origin: Origin<'_>) -> Result<Vec<ParsedIdentity>> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| wrong("the identity is not text", 1, origin))?;
    if text.trim_start().starts_with("-----BEGIN ") {
        return parse_ssh(text, origin).map(|identity| vec![identity]);
    }
    let mut identities = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let identity = x25519::Identity::from_str(line)
            .map_err(|_| wrong("the line is not an identity", number + 1, origin))?;
        identities.push(ParsedIdentity::Native(identity));
    }
    match identities.is_empty() {
        true => Err(wrong("there is no identity", 1, origin)),
        false => Ok(identities),
    }
}

#[cfg(feature = "file-ssh")]
fn parse_ssh(text: &str, origin: Origin<'_>) -> Result<ParsedIdentity> {
    use age::ssh::Identity;

    match Identity::from_buffer(text.trim_start().as_bytes(), None) {
        Ok(identity @ Identity::Unencrypted(_)) => Ok(ParsedIdentity::Ssh(identity)),
        Ok(Identity::Encrypted(_)) => {
            Err(wrong("the SSH key is protected by a passphrase", 1, origin)
                .with_hint("use an identity of its own for the store; `secrets init` makes one"))
        }
        Ok(Identity::Unsupported(_)) | Err(_) => Err(wrong(
            "the SSH key is of a kind that is not supported",
            1,
            origin,
        )
        .with_hint("ssh-ed25519 and ssh-rsa keys in OpenSSH's own format are supported")),
    }
}

#[cfg(not(feature = "file-ssh"))]
fn parse_ssh(_: &str, origin: Origin<'_>) -> Result<ParsedIdentity> {
    Err(wrong("SSH keys are not supported by this build", 1, origin)
        .with_hint("build with the feature `file-ssh`, or use an identity `AGE-SECRET-KEY-1…`"))
}

/// Makes a new identity and answers with its public key.
pub(super) fn generate(path: &Path) -> Result<String> {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let key = identity.to_string();
    let note = "# A private key: whoever has it reads the stores that are encrypted for it. Keep a backup.";
    let public = format!("# public key: {recipient}");
    let key = key.expose_secret();
    // The buffer never grows, since growing would leave a copy behind that nobody wipes.
    let mut text = Zeroizing::new(String::with_capacity(
        note.len() + public.len() + key.len() + 3,
    ));
    for line in [note, &public, key] {
        text.push_str(line);
        text.push('\n');
    }
    guard::create_private(path, text.as_bytes())?;
    Ok(recipient)
}
