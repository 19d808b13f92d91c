use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, PoisonError, RwLock};

use secrets_core::SecretValue;
use zeroize::Zeroizing;

use super::masker::{MaskOptions, Masker};

/// A masker that learns values while it works: for the log of a program that reads secrets as it runs.
///
/// Clones share what they know. To learn a value costs a logarithm of their number more than to have known it from the
/// start, and so does to look for them.
///
/// ```
/// use std::io::Write;
///
/// use secrets::mask::LiveMasker;
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
    levels: RwLock<Vec<Level>>,
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
            levels: RwLock::default(),
        }))
    }

    /// Masks this value from now on. One that is known already changes nothing.
    pub fn learn(&self, name: impl Into<String>, value: &SecretValue) {
        let mut levels = self.0.levels.write().unwrap_or_else(PoisonError::into_inner);
        let mut known = levels.iter().flat_map(|level| &level.values);
        if known.any(|(_, other)| other == value) {
            return;
        }
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
        let levels = self.0.levels.read().unwrap_or_else(PoisonError::into_inner);
        let mut masked = Masker::all(levels.iter().map(|level| &level.masker), text);
        mem::take(&mut *masked)
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
    pub fn make_writer<M>(&self, inner: M) -> MaskMakeWriter<M> {
        MaskMakeWriter {
            masker: self.clone(),
            inner,
        }
    }
}

/// Masks what is written through it, all at once when it is flushed or dropped.
#[derive(Debug)]
pub struct MaskWriter<W: Write> {
    masker: LiveMasker,
    inner: W,
    text: Zeroizing<Vec<u8>>,
}
