//! Texts from one process of ours to another, through a pipe that nobody else sees.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

/// Writes the texts and how many they are.
pub(super) fn write<'a>(
    to: &mut impl Write,
    texts: impl ExactSizeIterator<Item = &'a [u8]>,
) -> io::Result<()> {
    let number = |count: usize| u32::try_from(count).map_err(|_| io::ErrorKind::FileTooLarge);
    to.write_all(&number(texts.len())?.to_le_bytes())?;
    for text in texts {
        to.write_all(&number(text.len())?.to_le_bytes())?;
        to.write_all(text)?;
    }
    to.flush()
}

/// Reads what was written.
pub(super) fn read(from: &mut impl Read) -> io::Result<Vec<Zeroizing<Vec<u8>>>> {
    let mut texts = Vec::new();
    for _ in 0..number(from)? {
        let mut text = Zeroizing::new(vec![0; number(from)? as usize]);
        from.read_exact(&mut text)?;
        texts.push(text);
    }
    Ok(texts)
}

fn number(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_arrive_as_they_were() {
        let texts = [&b""[..], b"a\0b", &[255; 70_000]];
        let mut bytes = Vec::new();
        write(&mut bytes, texts.into_iter()).unwrap();
        let read_again = read(&mut bytes.as_slice()).unwrap();
        assert!(read_again.iter().map(|text| text.as_slice()).eq(texts));
        assert!(read(&mut &bytes[..bytes.len() - 1]).is_err());
    }
}
