use std::borrow::Cow;

/// What has to be allowed at a vendor so that some secrets can be read, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grants {
    /// What it is, such as `IAM policy`.
    pub title: Cow<'static, str>,
    /// The language of the text: `json`, `hcl` or `sh`.
    pub language: &'static str,
    /// The text, in the vendor's language and with its own names for the secrets.
    pub text: String,
    /// What is not known here and left to whoever uses it, a line each.
    pub notes: Vec<Cow<'static, str>>,
}

impl Grants {
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
