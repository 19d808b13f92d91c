use std::borrow::Cow;
use std::fmt::Debug;

use crate::{Result, SecretName};

/// The rights that reads need at a vendor.
pub trait Permissions: Debug + Send + Sync {
    /// The least that the vendor has to allow so that these secrets can be read, one by one and together, and nothing else.
    /// Sends nothing.
    ///
    /// # Errors
    /// [`InvalidName`](crate::ErrorKind::InvalidName) for a name that the vendor cannot hold.
    fn least_privilege(&self, names: &[SecretName]) -> Result<LeastPrivilege>;
}

/// The least that a vendor has to allow so that some secrets can be read, in the vendor's own policy language.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeastPrivilege {
    /// What it is, such as `IAM policy`.
    pub title: Cow<'static, str>,
    /// The language of the text: `json`, `hcl` or `sh`.
    pub language: &'static str,
    /// The text, in the vendor's language and with its own names for the secrets.
    pub text: String,
    /// What is not known here and left to whoever uses it, a line each.
    pub notes: Vec<Cow<'static, str>>,
}

impl LeastPrivilege {
    /// This text, which leaves nothing open.
    pub fn new(
        title: impl Into<Cow<'static, str>>,
        language: &'static str,
        text: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            language,
            text: text.into(),
            notes: Vec::new(),
        }
    }

    /// With something that is left to whoever uses it.
    pub fn with_note(mut self, note: impl Into<Cow<'static, str>>) -> Self {
        self.notes.push(note.into());
        self
    }
}
