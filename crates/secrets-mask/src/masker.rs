use std::fmt;
use std::sync::Arc;

use crate::automaton::Patterns;
use crate::scan;
use crate::stream::MaskStream;
use crate::values;
use secrets_core::SecretValue;

/// How values are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MaskOptions {
    /// Values with fewer bytes are not masked, white space around them not counted. 4 by default, and at least 1: a shorter
    /// one occurs everywhere by chance.
    pub shortest: usize,
    /// What stands for a value.
    pub replacement: Replacement,
    /// Whether the fields of a value that is a JSON object are masked as well as the whole; on by default. `true`, `false`,
    /// `null` and numbers of fewer than 8 digits, such as ports, are not.
    pub fields: bool,
}

/// What stands for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Replacement {
    /// `***`, as in the logs of CI servers.
    #[default]
    Stars,
    /// `[NAME]`.
    Name,
}

const STARS: &[u8] = b"***";

/// Finds values in text, as they are and in the spellings in which they travel, and puts `***` in their place.
///
/// It finds the value itself; base64 and base64url, alone or in the middle of something longer; hexadecimal; and escapes,
/// which it reads one by one, whoever wrote them and however they are mixed: `%2F`, `\/`, `\n`, `\x2f`, `\057`, `\u002f`,
/// `\u{2f}`, `\U0000002f`, `&#47;`, `&#x2f;`, `&sol;`, the quoting of shells, JSON within JSON. Line breaks, with the blanks
/// that follow, may stand anywhere in base64, in hexadecimal and in 12 characters or more. It finds each line of a value with
/// several by itself, and the password of a value that is an address. Where values overlap it masks all that they cover.
///
/// Cheap to clone.
///
/// ```
/// use polysecrets_mask::Masker;
///
/// let masker = Masker::new([("DB_PASSWORD", "correct horse".into())]);
/// assert_eq!(masker.mask_text("db://app:correct%20horse@host"), "db://app:***@host");
/// assert_eq!(masker.mask_text("Y29ycmVjdCBob3JzZQ=="), "***");
/// ```
#[derive(Clone)]
pub struct Masker(Arc<Inner>);

struct Inner {
    patterns: Option<Patterns>,
    replacements: Vec<Box<[u8]>>,
    unmasked: Vec<String>,
}

impl Default for MaskOptions {
    fn default() -> Self {
        Self {
            shortest: 4,
            replacement: Replacement::default(),
            fields: true,
        }
    }
}

impl MaskOptions {
    /// The same with another shortest value.
    #[must_use]
    pub fn with_shortest(mut self, bytes: usize) -> Self {
        self.shortest = bytes;
        self
    }

    /// The same with another replacement.
    #[must_use]
    pub fn with_replacement(mut self, replacement: Replacement) -> Self {
        self.replacement = replacement;
        self
    }

    /// The same with or without the fields of JSON objects.
    #[must_use]
    pub fn with_fields(mut self, fields: bool) -> Self {
        self.fields = fields;
        self
    }
}

impl Masker {
    /// A masker of these values, each with the name that `[NAME]` is made of.
    pub fn new<N: Into<String>>(values: impl IntoIterator<Item = (N, SecretValue)>) -> Self {
        Self::with_options(values, &MaskOptions::default())
    }

    /// The same with options.
    ///
    /// The time and the memory are proportional to the bytes of the values: about 13 bytes of patterns for each, and up to 512
    /// bytes of transitions for each byte of few and short patterns, 12 for many.
    pub fn with_options<N: Into<String>>(
        values: impl IntoIterator<Item = (N, SecretValue)>,
        options: &MaskOptions,
    ) -> Self {
        let values: Vec<(String, SecretValue)> = values
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect();
        Self::of(&values, options)
    }

    pub(crate) fn of(values: &[(String, SecretValue)], options: &MaskOptions) -> Self {
        let shortest = options.shortest.max(1);
        let mut parts = Vec::new();
        let mut unmasked = Vec::new();
        for (index, (name, value)) in (0..).zip(values) {
            if value.expose_bytes().trim_ascii().len() < shortest {
                unmasked.push(name.clone());
            }
            let inside = values::inside(value, options.fields).into_iter();
            parts.extend(inside.map(|text| (index, text)));
        }
        let texts = parts.iter().map(|(index, text)| (*index, text.as_slice()));
        let patterns = Patterns::new(texts, shortest);
        let replacements = values.iter().map(|(name, _)| match options.replacement {
            Replacement::Stars => STARS.into(),
            Replacement::Name => format!("[{name}]").into_bytes().into(),
        });
        Self(Arc::new(Inner {
            patterns,
            replacements: replacements.collect(),
            unmasked,
        }))
    }

    /// The names of the values that are not masked because they are too short.
    pub fn unmasked(&self) -> &[String] {
        &self.0.unmasked
    }

    /// Whether there is nothing to look for, so that all text stays as it is.
    pub fn is_empty(&self) -> bool {
        self.0.patterns.is_none()
    }

    /// How many bytes of memory the automaton has.
    pub fn memory(&self) -> usize {
        self.0.patterns.as_ref().map_or(0, Patterns::memory)
    }

    /// The whole of a text, masked.
    pub fn mask(&self, text: &[u8]) -> Vec<u8> {
        Self::mask_with(std::slice::from_ref(self), text)
    }

    /// A text masked by what any of these knows.
    pub(crate) fn mask_with<'a>(
        maskers: impl IntoIterator<Item = &'a Self>,
        text: &[u8],
    ) -> Vec<u8> {
        let mut found = Vec::new();
        let mut count = 0;
        for masker in maskers {
            count += 1;
            let places = masker.patterns().map(|one| scan::find(one, text));
            let places = places.unwrap_or_default().into_iter();
            found.extend(places.map(|(start, end, value)| (start, end, masker.replacement(value))));
        }
        if count > 1 {
            found.sort_unstable_by_key(|(start, end, _)| (*start, usize::MAX - end));
        }
        let mut output = Vec::with_capacity(text.len());
        let mut covered = 0;
        for (start, end, replacement) in found {
            if start >= covered {
                output.extend_from_slice(&text[covered..start]);
                output.extend_from_slice(replacement);
            }
            covered = covered.max(end);
        }
        output.extend_from_slice(&text[covered..]);
        output
    }

    /// The whole of a text, masked. A character that is broken by that, half of it being a value, becomes U+FFFD.
    pub fn mask_text(&self, text: &str) -> String {
        match String::from_utf8(self.mask(text.as_bytes())) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }

    /// For a text that comes in pieces.
    pub fn stream(&self) -> MaskStream {
        MaskStream::new(self.clone())
    }

    pub(crate) fn patterns(&self) -> Option<&Patterns> {
        self.0.patterns.as_ref()
    }

    pub(crate) fn replacement(&self, value: u32) -> &[u8] {
        match self.0.replacements.get(value as usize) {
            Some(text) => text,
            None => STARS,
        }
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker")
            .field("values", &self.0.replacements.len())
            .field(
                "patterns",
                &self.0.patterns.as_ref().map_or(0, Patterns::len),
            )
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MaskStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskStream")
    }
}
