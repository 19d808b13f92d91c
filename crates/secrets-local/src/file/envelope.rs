//! Wrapping the data key for recipients and a passphrase, with age.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, EncryptError, Encryptor, scrypt, x25519};
use secrets_core::{Error, ErrorKind, Result, SecretValue};

use super::format::Envelope;
use super::identity::Unlock;
use super::keys::DataKey;

/// The most work that a file may ask for: 2^20 rounds, which take 1 GiB of memory and some seconds.
pub(super) const MAX_WORK_FACTOR: u8 = 20;
/// The bounds of the work factor that is measured: 32 MiB and 256 MiB of memory.
const MEASURED: std::ops::RangeInclusive<u8> = 15..=18;
const ONE_SECOND: Duration = Duration::from_secs(1);

/// Checks a public key, and gives it in the form in which it is kept: without comment and surrounding space.
pub(super) fn canonical_recipient(text: &str) -> Result<String> {
    let text = text.trim();
    if text.starts_with("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY") {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "a private key was given where a public key is meant",
        )
        .with_hint("give the line `age1…`; treat the private key as known to others"));
    }
    parse_recipient(text).map(|(text, _)| text)
}

fn parse_recipient(text: &str) -> Result<(String, Box<dyn age::Recipient>)> {
    if let Ok(recipient) = x25519::Recipient::from_str(text) {
        return Ok((recipient.to_string(), Box::new(recipient)));
    }
    parse_ssh_recipient(text)
}

fn wrong_recipient(hint: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, "a recipient is not a public key").with_hint(hint)
}

#[cfg(feature = "file-ssh")]
fn parse_ssh_recipient(text: &str) -> Result<(String, Box<dyn age::Recipient>)> {
    match age::ssh::Recipient::from_str(text) {
        Ok(recipient) => Ok((recipient.to_string(), Box::new(recipient))),
        Err(_) => Err(wrong_recipient(
            "a recipient is `age1…`, or an SSH public key of type ssh-ed25519 or ssh-rsa",
        )),
    }
}

#[cfg(not(feature = "file-ssh"))]
fn parse_ssh_recipient(text: &str) -> Result<(String, Box<dyn age::Recipient>)> {
    Err(wrong_recipient(match text.starts_with("ssh-") {
        true => "SSH keys need a build with the feature `file-ssh`",
        false => "a recipient is a line `age1…`",
    }))
}

/// Wraps the data key. The recipients are in their canonical form, sorted and without repetition.
pub(super) fn wrap(
    data_key: &DataKey,
    recipients: Vec<String>,
    passphrase: Option<&SecretValue>,
    work_factor: Option<u8>,
) -> Result<Envelope> {
    if recipients.is_empty() && passphrase.is_none() {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "a store without recipients and passphrase could never be opened",
        )
        .with_hint("keep at least one recipient"));
    }
    let public = match recipients.is_empty() {
        true => None,
        false => {
            let parsed = recipients
                .iter()
                .map(|text| parse_recipient(text).map(|(_, recipient)| recipient))
                .collect::<Result<Vec<_>>>()?;
            let each = parsed.iter().map(|recipient| &**recipient);
            Some(encrypt(each, data_key.as_slice())?)
        }
    };
    let passphrase = passphrase
        .map(|passphrase| wrap_with_passphrase(data_key, passphrase, work_factor))
        .transpose()?;
    Ok(Envelope {
        recipients,
        public,
        passphrase,
    })
}

fn wrap_with_passphrase(
    data_key: &DataKey,
    passphrase: &SecretValue,
    work_factor: Option<u8>,
) -> Result<Vec<u8>> {
    if passphrase.is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "the passphrase is empty",
        ));
    }
    let mut recipient = scrypt::Recipient::new(to_age(passphrase)?);
    recipient.set_work_factor(match work_factor {
        Some(factor) => factor.clamp(1, MAX_WORK_FACTOR),
        None => measured_work_factor()?,
    });
    encrypt(std::iter::once(&recipient as _), data_key.as_slice())
}

/// The most work that this machine does in a second, within bounds that keep the file readable on others.
fn measured_work_factor() -> Result<u8> {
    let probe = *MEASURED.start() - 1;
    let mut recipient = scrypt::Recipient::new(SecretString::from("probe".to_owned()));
    recipient.set_work_factor(probe);
    let start = Instant::now();
    encrypt(std::iter::once(&recipient as _), &[])?;
    let mut cost = start.elapsed() * 2;
    let mut factor = *MEASURED.start();
    while factor < *MEASURED.end() && cost * 2 <= ONE_SECOND {
        factor += 1;
        cost *= 2;
    }
    Ok(factor)
}

fn to_age(passphrase: &SecretValue) -> Result<SecretString> {
    let text = passphrase
        .expose_str()
        .map_err(|_| Error::new(ErrorKind::InvalidConfig, "the passphrase is not text"))?;
    Ok(SecretString::from(text.to_owned()))
}

fn encrypt<'a>(
    recipients: impl Iterator<Item = &'a dyn age::Recipient>,
    content: &[u8],
) -> Result<Vec<u8>> {
    let failed = |_| {
        Error::new(
            ErrorKind::Unexpected,
            "the key of the store cannot be wrapped",
        )
    };
    let encryptor = Encryptor::with_recipients(recipients).map_err(|error| match error {
        EncryptError::IncompatibleRecipients { .. } => Error::new(
            ErrorKind::InvalidConfig,
            "the recipients cannot be combined in one store",
        ),
        _ => Error::new(
            ErrorKind::Unexpected,
            "the key of the store cannot be wrapped",
        ),
    })?;
    let mut wrapped = Vec::with_capacity(512);
    let mut writer = encryptor.wrap_output(&mut wrapped).map_err(failed)?;
    writer.write_all(content).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(wrapped)
}

/// Unwraps the data key with whatever fits first.
pub(super) fn unwrap(envelope: &Envelope, unlock: &Unlock) -> Result<DataKey> {
    let mut refusal = None;
    if let Some(section) = &envelope.public
        && !unlock.identities.is_empty()
    {
        match decrypt(
            section,
            unlock.identities.iter().map(|identity| &**identity),
        ) {
            Ok(key) => return Ok(key),
            Err(DecryptError::NoMatchingKeys) => {
                refusal = Some(
                    unauthenticated("none of the identities opens the store").with_hint(
                        "use an identity that is a recipient, or have one added with `secrets store recipients add`",
                    ),
                );
            }
            Err(error) => return Err(damaged_section(&error)),
        }
    }
    if let (Some(section), Some(passphrase)) = (&envelope.passphrase, &unlock.passphrase) {
        let mut identity = scrypt::Identity::new(to_age(passphrase)?);
        identity.set_max_work_factor(MAX_WORK_FACTOR);
        return match decrypt(section, std::iter::once(&identity as _)) {
            Ok(key) => Ok(key),
            Err(DecryptError::DecryptionFailed | DecryptError::NoMatchingKeys) => {
                Err(unauthenticated("the passphrase does not open the store"))
            }
            Err(error) => Err(damaged_section(&error)),
        };
    }
    Err(refusal.unwrap_or_else(|| {
        let (message, hint) = match (&envelope.public, &envelope.passphrase) {
            (None, _) => (
                "the store is opened with a passphrase, and none is given",
                "set `passphrase`, for example to `${STORE_PASSPHRASE}`",
            ),
            (Some(_), None) => (
                "there is no identity to open the store with",
                "set `identity` or SECRETS_IDENTITY; `secrets init` makes an identity",
            ),
            (Some(_), Some(_)) => (
                "there is neither an identity nor a passphrase to open the store with",
                "set `identity`, SECRETS_IDENTITY or `passphrase`",
            ),
        };
        let message = match &unlock.absent {
            Some(path) if envelope.public.is_some() => {
                format!("{message}: there is no file {}", path.display())
            }
            _ => message.to_owned(),
        };
        unauthenticated(message).with_hint(hint)
    }))
}

/// Checks that the passphrase is the one of the store.
pub(super) fn check_passphrase(envelope: &Envelope, passphrase: &SecretValue) -> Result<()> {
    let only_passphrase = Envelope {
        recipients: Vec::new(),
        public: None,
        passphrase: envelope.passphrase.clone(),
    };
    let unlock = Unlock {
        identities: Vec::new(),
        passphrase: Some(passphrase.clone()),
        absent: None,
    };
    unwrap(&only_passphrase, &unlock).map(drop)
}

fn unauthenticated(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Unauthenticated, message)
}

/// age's own text is not repeated; it is meant for another program's users, and may have several lines.
fn damaged_section(error: &DecryptError) -> Error {
    match error {
        DecryptError::ExcessiveWork { required, .. } => Error::new(
            ErrorKind::IntegrityFailure,
            format!("the passphrase section asks for 2^{required} rounds of work, the limit is 2^{MAX_WORK_FACTOR}"),
        )
        .with_hint("somebody may have changed the file to exhaust this machine"),
        _ => Error::new(
            ErrorKind::IntegrityFailure,
            "the store is damaged: the wrapped key cannot be read",
        )
        .with_hint("take the last good version from version control or a backup"),
    }
}

fn decrypt<'a>(
    section: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<DataKey, DecryptError> {
    let mut reader = Decryptor::new_buffered(section)?.decrypt(identities)?;
    let mut key = DataKey::default();
    reader.read_exact(key.as_mut_slice())?;
    match reader.read(&mut [0])? {
        0 => Ok(key),
        _ => Err(DecryptError::InvalidHeader),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::keys::new_data_key;

    fn unlock(identity: Option<x25519::Identity>, passphrase: Option<&str>) -> Unlock {
        Unlock {
            absent: None,
            identities: identity
                .into_iter()
                .map(|identity| Box::new(identity) as _)
                .collect(),
            passphrase: passphrase.map(SecretValue::from),
        }
    }

    #[test]
    fn recipients_and_passphrase_each_open_it() {
        let identity = x25519::Identity::generate();
        let recipients = vec![identity.to_public().to_string()];
        let key = new_data_key().unwrap();
        let passphrase = SecretValue::from("correct horse");
        let envelope = wrap(&key, recipients, Some(&passphrase), Some(4)).unwrap();
        for unlock in [
            unlock(Some(identity), None),
            unlock(None, Some("correct horse")),
            unlock(Some(x25519::Identity::generate()), Some("correct horse")),
        ] {
            assert_eq!(*unwrap(&envelope, &unlock).unwrap(), *key);
        }
        for unlock in [
            unlock(None, None),
            unlock(None, Some("wrong")),
            unlock(Some(x25519::Identity::generate()), None),
        ] {
            let error = unwrap(&envelope, &unlock).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        }
    }

    #[test]
    fn a_file_cannot_ask_for_any_amount_of_work() {
        let key = new_data_key().unwrap();
        let passphrase = SecretValue::from("p");
        let mut envelope = wrap(&key, vec![], Some(&passphrase), Some(4)).unwrap();
        let section = envelope.passphrase.take().unwrap();
        let header = section
            .windows(3)
            .position(|bytes| bytes == b" 4\n")
            .unwrap();
        let mut heavy = section[..header].to_vec();
        heavy.extend_from_slice(b" 23\n");
        heavy.extend_from_slice(&section[header + 3..]);
        envelope.passphrase = Some(heavy);
        let start = Instant::now();
        let error = unwrap(&envelope, &unlock(None, Some("p"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_private_key_is_not_taken_for_a_public_one_and_not_repeated() {
        use age::secrecy::ExposeSecret as _;
        let key = x25519::Identity::generate().to_string();
        let error = canonical_recipient(key.expose_secret()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!format!("{error:?}").contains(key.expose_secret()));
    }

    #[test]
    fn nobody_is_no_recipient() {
        let error = wrap(&new_data_key().unwrap(), vec![], None, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    }
}
