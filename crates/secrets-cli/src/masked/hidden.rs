//! The values that must not be shown, on their way to another process of ours.

use std::io::{self, Read, Write};

use secrets::SecretValue;
use secrets::mask::Masker;

use super::frames;
use crate::cli::{MaskWith, Masking};
use crate::commands::values;

/// What is masked, and how.
#[derive(Debug)]
pub(crate) struct Hidden {
    /// Each with its name.
    pub(crate) values: Vec<(String, SecretValue)>,
    pub(crate) masking: Masking,
}

impl From<&Hidden> for Masker {
    fn from(hidden: &Hidden) -> Self {
        values::masker(hidden.values.clone(), &hidden.masking)
    }
}

impl Hidden {
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let with = match self.masking.mask_with {
            MaskWith::Stars => "stars",
            MaskWith::Name => "name",
        };
        let least = self.masking.mask_min.to_string();
        let mut texts = vec![least.as_bytes(), with.as_bytes()];
        for (name, value) in &self.values {
            texts.extend([name.as_bytes(), value.expose_bytes()]);
        }
        frames::write(to, texts.into_iter())
    }

    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut texts = frames::read(from)?.into_iter();
        let mut text = || {
            let text = texts.next().ok_or_else(invalid)?;
            String::from_utf8(text.to_vec()).map_err(|_| invalid())
        };
        let mask_min = text()?.parse().map_err(|_| invalid())?;
        let mask_with = match text()?.as_str() {
            "name" => MaskWith::Name,
            _ => MaskWith::Stars,
        };
        let mut values = Vec::new();
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            let name = String::from_utf8_lossy(&name).into_owned();
            values.push((name, SecretValue::from_zeroizing(value)));
        }
        Ok(Self {
            values,
            masking: Masking {
                mask_min,
                mask_with,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_arrive_as_they_were() {
        let hidden = Hidden {
            values: vec![("A".to_owned(), "a\0b".into()), ("B".to_owned(), "".into())],
            masking: Masking {
                mask_min: 1,
                mask_with: MaskWith::Name,
            },
        };
        let mut bytes = Vec::new();
        hidden.write(&mut bytes).unwrap();
        let again = Hidden::read(&mut bytes.as_slice()).unwrap();
        assert_eq!((again.values.len(), again.masking.mask_min), (2, 1));
        assert_eq!(again.values[0].1.expose_bytes(), b"a\0b");
        assert_eq!(Masker::from(&again).mask_text("-a\0b-"), "-[A]-");
    }
}
