use std::io;

use secrets_core::SecretValue;
use zeroize::Zeroizing;

/// A byte buffer that leaves no copy of its content behind: it wipes itself on drop, and wipes the old memory when it
/// grows.
#[derive(Default)]
pub struct WipedBuffer(Zeroizing<Vec<u8>>);

impl WipedBuffer {
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    /// Appends bytes.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.max(2 * self.0.capacity()));
            larger.extend_from_slice(&self.0);
            self.0 = Zeroizing::new(larger);
        }
        self.0.extend_from_slice(bytes);
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, without a copy.
    pub fn into_zeroizing(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// The bytes as a value, without a copy.
    pub fn into_value(self) -> SecretValue {
        SecretValue::from_zeroizing(self.0)
    }
}

impl std::fmt::Debug for WipedBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WipedBuffer(***)")
    }
}

impl io::Write for WipedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_appended_while_it_grows() {
        let mut buffer = WipedBuffer::with_capacity(2);
        for number in 0..1000u16 {
            buffer.extend_from_slice(&number.to_be_bytes());
        }
        let bytes = buffer.into_zeroizing();
        let expected: Vec<u8> = (0..1000u16).flat_map(u16::to_be_bytes).collect();
        assert_eq!(*bytes, expected);
    }

    #[test]
    fn debug_shows_nothing_of_the_content() {
        let mut buffer = WipedBuffer::default();
        buffer.extend_from_slice(b"hunter2");
        assert_eq!(format!("{buffer:?}"), "WipedBuffer(***)");
    }
}
