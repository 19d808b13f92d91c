//! How the parts of an input are told apart.

/// Stands between the parts. It is in no text of UTF-8, so that texts need no other care.
const BETWEEN: u8 = 0xff;

/// The first parts of an input, empty where there are fewer; the last one has all that is left.
pub(crate) fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |byte| *byte == BETWEEN);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// The same, for texts alone.
pub(crate) fn texts<const N: usize>(data: &[u8]) -> Option<[&str; N]> {
    let mut texts = [""; N];
    for (text, part) in texts.iter_mut().zip(parts::<N>(data)) {
        *text = std::str::from_utf8(part).ok()?;
    }
    Some(texts)
}

/// Changes to a text that is right: each is a place (two bytes), how many bytes go (one), and how many come (one), then
/// those.
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
