use std::fmt;

use zeroize::Zeroizing;

/// A string that grows without leaving copies of itself behind.
pub(crate) struct ZeroizingWriter(Zeroizing<String>);

impl ZeroizingWriter {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(String::with_capacity(bytes)))
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        if text.len() > self.0.capacity() - self.0.len() {
            self.grow(text.len());
        }
        self.0.push_str(text);
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let needed = self.0.len() + more;
        let mut larger = String::with_capacity(needed.max(self.0.capacity() * 2));
        larger.push_str(&self.0);
        self.0 = Zeroizing::new(larger);
    }

    pub(crate) fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }

    /// Writes `text` with `escape` for each character that `special` names, the rest in runs.
    pub(crate) fn push_escaped(
        &mut self,
        text: &str,
        escape: impl Fn(&mut Self, char),
        special: impl Fn(char) -> bool,
    ) {
        let mut plain = 0;
        for (at, character) in text.char_indices() {
            if special(character) {
                self.push_str(&text[plain..at]);
                escape(self, character);
                plain = at + character.len_utf8();
            }
        }
        self.push_str(&text[plain..]);
    }

    pub(crate) fn into_inner(self) -> Zeroizing<String> {
        self.0
    }
}

impl fmt::Write for ZeroizingWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}
