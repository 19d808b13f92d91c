use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use secrets_core::SecretValue;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::masker::{MaskOptions, Masker};

/// A masker that learns values while it works: for the log of a program that reads secrets as it runs.
///
/// Clones share what they know. To learn a value costs a logarithm of their number more than to have known it from the
/// start, and so does to look for them.
///
/// ```
/// use std::io::Write;
///
/// use polysecrets_mask::LiveMasker;
///
/// let masker = LiveMasker::default();
/// let mut log = Vec::new();
/// masker.learn("TOKEN", &"t0p-secret".into());
/// writeln!(masker.writer(&mut log), "got t0p-secret")?;
/// assert_eq!(log, b"got ***\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct LiveMasker(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    options: MaskOptions,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    levels: Vec<Level>,
    /// SHA-256 of each value.
    digests: HashSet<[u8; 32]>,
}

/// Values that were learned one after the other. Each level has at least twice as many as the one after it.
#[derive(Debug)]
struct Level {
    values: Vec<(String, SecretValue)>,
    masker: Masker,
}

impl LiveMasker {
    /// One that knows nothing yet.
    pub fn new(options: MaskOptions) -> Self {
        Self(Arc::new(Shared {
            options,
            known: RwLock::default(),
        }))
    }

    /// Masks this value from now on. One that is known already changes nothing.
    pub fn learn(&self, name: impl Into<String>, value: &SecretValue) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known
            .digests
            .insert(Sha256::digest(value.expose_bytes()).into())
        {
            return;
        }
        let levels = &mut known.levels;
        let mut values = vec![(name.into(), value.clone())];
        while let Some(mut level) = levels.pop_if(|level| level.values.len() < 2 * values.len()) {
            level.values.append(&mut values);
            values = level.values;
        }
        let masker = Masker::of(&values, &self.0.options);
        levels.push(Level { values, masker });
    }

    /// The whole of a text, masked by what is known now.
    pub fn mask(&self, text: &[u8]) -> Vec<u8> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let levels = &known.levels;
        Masker::mask_with(levels.iter().map(|level| &level.masker), text)
    }

    /// A writer that masks what is written through it, all at once when it is flushed or dropped.
    pub fn writer<W: Write>(&self, inner: W) -> MaskWriter<W> {
        MaskWriter {
            masker: self.clone(),
            inner,
            text: Zeroizing::new(Vec::new()),
        }
    }

    /// Writers for the log of `tracing-subscriber`, each of which masks an event.
    #[cfg(feature = "tracing")]
    pub fn make_writer<M>(&self, inner: M) -> crate::MaskMakeWriter<M> {
        crate::MaskMakeWriter::new(self.clone(), inner)
    }
}

/// Masks what is written through it, all at once when it is flushed or dropped.
#[derive(Debug)]
pub struct MaskWriter<W: Write> {
    masker: LiveMasker,
    inner: W,
    text: Zeroizing<Vec<u8>>,
}

impl<W: Write> MaskWriter<W> {
    fn write_out(&mut self) -> io::Result<()> {
        let masked = self.masker.mask(&self.text);
        self.text = Zeroizing::new(Vec::new());
        self.inner.write_all(&masked)
    }
}

impl<W: Write> Write for MaskWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let needed = self.text.len() + bytes.len();
        if needed > self.text.capacity() {
            // A buffer that grows by itself leaves its old bytes behind.
            let mut larger = Vec::with_capacity(needed.max(2 * self.text.capacity()));
            larger.extend_from_slice(&self.text);
            self.text = Zeroizing::new(larger);
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.inner.flush()
    }
}

impl<W: Write> Drop for MaskWriter<W> {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            // Who wants to know flushes.
            let _ = self.write_out();
        }
    }
}
