//! Who may open a store, and the new data key that each change of that brings.

use std::collections::BTreeSet;

use secrets_core::{Error, ErrorKind, Result, SecretValue};

use super::contents::{Change, Contents};
use super::envelope;
use super::keys;
use super::store::FileStore;

/// Who may open a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipients {
    /// The public keys, sorted: `age1…`, `ssh-ed25519 …`.
    pub public_keys: Vec<String>,
    /// Whether a passphrase opens it too.
    pub passphrase: bool,
}

impl FileStore {
    /// Who may open the store.
    ///
    /// # Errors
    /// As for every reading.
    pub fn recipients(&self) -> Result<Recipients> {
        let opened = self.read()?;
        let envelope = &opened.contents.header.envelope;
        Ok(Recipients {
            public_keys: envelope.recipients.clone(),
            passphrase: envelope.passphrase.is_some(),
        })
    }

    /// Lets another public key open the store. Answers whether it could not before.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if it is not a public key; else as for every reading and writing.
    pub fn add_recipient(&self, recipient: &str) -> Result<bool> {
        let recipient = envelope::canonical_recipient(recipient)?;
        self.change_recipients(|recipients| recipients.insert(recipient))
    }

    /// Takes a public key's right to open the store. The store gets a new key and all values are encrypted again; copies
    /// that were made before stay readable, so the secrets themselves should be changed too. Answers whether it had the
    /// right.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if nobody would be left; else as for every reading and writing.
    pub fn remove_recipient(&self, recipient: &str) -> Result<bool> {
        // A key that this build cannot parse can still be removed.
        let recipient = envelope::canonical_recipient(recipient)
            .unwrap_or_else(|_| recipient.trim().to_owned());
        self.change_recipients(|recipients| recipients.remove(&recipient))
    }

    /// Gives the store a new key, for the same recipients, and encrypts all values again.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if the store has a passphrase and the configuration does not give it; else as for
    /// every reading and writing.
    pub fn rekey(&self) -> Result<()> {
        self.change_recipients(|_| true).map(drop)
    }

    /// Gives the store another passphrase, or takes it away with `None`. The store gets a new key. The configuration has
    /// to be changed by the caller.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if nobody could open it any more; else as for every reading and writing.
    pub fn set_passphrase(&self, passphrase: Option<&SecretValue>) -> Result<()> {
        self.change(|contents| {
            let recipients = contents.header.envelope.recipients.clone();
            *contents = self.with_new_key(contents, recipients, passphrase)?;
            Ok(Change::Made(()))
        })
    }

    fn change_recipients(
        &self,
        change: impl FnOnce(&mut BTreeSet<String>) -> bool,
    ) -> Result<bool> {
        self.change(|contents| {
            let envelope = &contents.header.envelope;
            let mut recipients = envelope.recipients.iter().cloned().collect();
            if !change(&mut recipients) {
                return Ok(Change::Nothing(false));
            }
            let passphrase = match (&envelope.passphrase, &self.0.passphrase) {
                (None, _) => None,
                (Some(_), Some(passphrase)) => {
                    // Wrapping with a mistyped one would lock out everybody who has the right one.
                    envelope::check_passphrase(envelope, passphrase)?;
                    Some(passphrase)
                }
                (Some(_), None) => {
                    return Err(Error::new(
                        ErrorKind::Unauthenticated,
                        "the new key has to be wrapped with the passphrase of the store",
                    )
                    .with_hint("set `passphrase`, for example to `${STORE_PASSPHRASE}`"));
                }
            };
            *contents =
                self.with_new_key(contents, recipients.into_iter().collect(), passphrase)?;
            Ok(Change::Made(true))
        })
    }

    fn with_new_key(
        &self,
        contents: &Contents,
        recipients: Vec<String>,
        passphrase: Option<&SecretValue>,
    ) -> Result<Contents> {
        let data_key = keys::new_data_key()?;
        let envelope = envelope::wrap(&data_key, recipients, passphrase, self.0.work_factor)?;
        contents.rekey(envelope, &data_key)
    }
}
