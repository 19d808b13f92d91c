use std::iter;

/// A random UUID of version 4, as the server's database makes them.
pub(super) fn uuid() -> String {
    let bits = (fastrand::u128(..) & !(0xf000_c000_0000_0000_0000)) | 0x4000_8000_0000_0000_0000;
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// What `reqId` holds.
pub(super) fn request() -> String {
    format!("req-{}", text(14))
}

/// Letters and digits, at random.
pub(super) fn text(length: usize) -> String {
    iter::repeat_with(fastrand::alphanumeric)
        .take(length)
        .collect()
}

pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
