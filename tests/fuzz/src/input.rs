//! Splits an input into parts.

/// Separates the parts. It does not occur in UTF-8.
const BETWEEN: u8 = 0xff;

/// The first parts of an input. Missing parts are empty, and the last part is the rest.
pub(crate) fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |byte| *byte == BETWEEN);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// The first parts, if all of them are text.
pub(crate) fn texts<const N: usize>(data: &[u8]) -> Option<[&str; N]> {
    let mut texts = [""; N];
    for (text, part) in texts.iter_mut().zip(parts::<N>(data)) {
        *text = std::str::from_utf8(part).ok()?;
    }
    Some(texts)
}

/// Applies edits to a text. Each is a position (two bytes), the number of bytes to remove (one) and to insert (one), and the
/// inserted bytes.
pub(crate) fn edited(original: &[u8], mut edits: &[u8]) -> Vec<u8> {
    let mut text = original.to_vec();
    while let [high, low, gone, come, rest @ ..] = edits {
        let start = usize::from(u16::from_be_bytes([*high, *low])).min(text.len());
        let end = (start + usize::from(*gone)).min(text.len());
        let (new, rest) = rest.split_at(rest.len().min(usize::from(*come)));
        text.splice(start..end, new.iter().copied());
        edits = rest;
    }
    text
}
