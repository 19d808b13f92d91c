use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};
use zeroize::Zeroizing;

use super::forms::{self, Form};

/// A random value to plant, and the scanner that finds it.
///
/// The value and all patterns are kept masked, so that a search through this process's memory finds what the code under
/// test left there and not the scanner. `Debug` shows nothing of the value.
pub struct Canary {
    masked: Vec<u8>,
    pad: Vec<u8>,
    forms: Vec<(Form, usize)>,
    patterns: AhoCorasick,
    mask: u8,
}

/// One place where a canary was found. It holds nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Hit {
    /// How the value looked.
    pub form: Form,
    /// Where it begins, in bytes from the start of what was scanned.
    pub offset: usize,
}

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const LENGTH: usize = 32;

impl Canary {
    /// A value of 32 letters and digits.
    pub fn generate() -> Self {
        Self::from_value(&random(LENGTH))
    }

    /// A value of 48 letters and digits with quotes, a backslash, a line feed, a space, `+`, `/`, `%`, `é` and `&`
    /// among them, so that each escaping changes it.
    pub fn generate_with_escapes() -> Self {
        let mut value = random(8);
        for special in ['"', '\\', '\n', ' ', '+', '/', '%', 'é', '&'] {
            value.push(special);
            value.push_str(&random(5));
        }
        Self::from_value(&value)
    }

    /// A scanner for a value that something else has chosen, such as a token that a server made.
    ///
    /// # Panics
    ///
    /// When the value has fewer than 12 bytes: it would be found by chance.
    pub fn from_value(value: &str) -> Self {
        assert!(value.len() >= 12, "a canary needs 12 bytes or more");
        let pad: Vec<u8> = (0..value.len()).map(|_| fastrand::u8(..)).collect();
        let masked = xor(value.as_bytes(), &pad);
        // The top bit is set, so that no masked pattern of ASCII text equals any plain one.
        let mask = fastrand::u8(0x80..=0xff);
        let patterns = forms::patterns(value);
        let masked_patterns = patterns
            .iter()
            .map(|(_, text)| text.iter().map(|byte| byte ^ mask).collect::<Vec<u8>>());
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(masked_patterns);
        Self {
            masked,
            pad,
            forms: patterns
                .iter()
                .map(|(form, text)| (*form, text.len()))
                .collect(),
            patterns: match automaton {
                Ok(automaton) => automaton,
                Err(_) => unreachable!("a few dozen short patterns fit any automaton"),
            },
            mask,
        }
    }

    /// The value in clear, to be planted. The copy is wiped when it is dropped.
    pub fn reveal(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(xor(&self.masked, &self.pad));
        Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Every place where the value stands in `haystack`, in the order of position.
    ///
    /// A place that fits several forms is reported once, under the most specific form, and parts of a longer find are left out.
    /// The cost is linear in the length of `haystack`, of which a masked copy is made.
    pub fn scan(&self, haystack: impl AsRef<[u8]>) -> Vec<Hit> {
        let haystack = haystack.as_ref();
        let mut found = Vec::new();
        let masked: Vec<u8> = haystack.iter().map(|byte| byte ^ self.mask).collect();
        self.search(&masked, |form, start, length| {
            found.push((form, start, start + length));
        });

        // Encodings broken over lines and byte lists printed one to a line are found without their white space.
        let mut squeezed = Vec::with_capacity(haystack.len());
        let mut positions = Vec::with_capacity(haystack.len());
        for (position, byte) in haystack.iter().enumerate() {
            if !byte.is_ascii_whitespace() {
                squeezed.push(byte ^ self.mask);
                positions.push(position);
            }
        }
        if squeezed.len() < haystack.len() {
            self.search(&squeezed, |form, start, length| {
                found.push((form, positions[start], positions[start + length - 1] + 1));
            });
        }

        found.sort_by_key(|(form, start, end)| (*start, usize::MAX - end, rank(*form)));
        let mut hits: Vec<Hit> = Vec::new();
        let mut covered = 0;
        for (form, start, end) in found {
            if end > covered {
                covered = end;
                hits.push(Hit {
                    form,
                    offset: start,
                });
            }
        }
        hits
    }

    /// Plants every form in noise and scans for it.
    ///
    /// # Errors
    ///
    /// The forms that the scan did not find, or a hit in noise without a canary: the scanner is broken.
    pub fn positive_control(&self) -> Result<(), String> {
        let value = self.reveal();
        for (form, text) in forms::patterns(&value) {
            let mut planted = Zeroizing::new(b"noise \x00\xff before> ".to_vec());
            let offset = planted.len();
            planted.extend_from_slice(&text);
            planted.extend_from_slice(b" <noise after");
            let hit = self
                .scan(&*planted)
                .into_iter()
                .find(|hit| hit.form == form && hit.offset == offset);
            if hit.is_none() {
                return Err(format!("the scan does not find the {form} form"));
            }
        }
        if !self.scan(b"noise before and <noise after").is_empty() {
            return Err("the scan finds a value where there is none".to_owned());
        }
        Ok(())
    }

    fn search(&self, masked: &[u8], mut found: impl FnMut(Form, usize, usize)) {
        for hit in self.patterns.find_overlapping_iter(masked) {
            let (form, length) = self.forms[hit.pattern().as_usize()];
            found(form, hit.start(), length);
        }
    }
}

impl fmt::Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canary")
            .field("length", &self.masked.len())
            .field("patterns", &self.forms.len())
            .finish_non_exhaustive()
    }
}

fn rank(form: Form) -> usize {
    Form::ALL
        .iter()
        .position(|candidate| *candidate == form)
        .unwrap_or(Form::ALL.len())
}

fn random(length: usize) -> String {
    (0..length)
        .map(|_| char::from(ALPHABET[fastrand::usize(..ALPHABET.len())]))
        .collect()
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(a, b)| a ^ b).collect()
}
