//! Masking: no encoding of a value remains, wherever the text is split.

use std::cell::{OnceCell, RefCell};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use memchr::memmem;
use secrets::SecretValue;
use secrets::mask::Masker;

use super::input::parts;

/// The shortest value that is masked.
const SHORTEST: usize = 4;

/// The longest value from the input, since building a masker takes milliseconds per byte.
const LONGEST: usize = 8;

/// Marks a place in the text for a value: two bytes follow, for the value and its encoding.
const MARK: u8 = 0xfe;

/// Values that overlap each other or depend on how text is split.
const FIXED: [&[&[u8]]; 7] = [
    &[b"correct horse", b"hunter2", b"correct horse battery"],
    &[
        b"-----BEGIN KEY-----\nMIIabcdef\nghijkl==\n-----END KEY-----\n",
        b"two\r\n  lines",
    ],
    &[b"aaaa", b"aaab", b"baaa", b"aaaaaaaa"],
    &[br#"{"user":"admin","password":"s3cr3t \u00e9","port":5432,"pin":12345678}"#],
    &[b"\x80\xfe\xff\x00\x01", "é\"\\/<&'$%`".as_bytes()],
    &[b"    padded    ", b"\ttabs\n"],
    &[
        b"abcabcabd",
        b"abcabd",
        b"cabda",
        b"00112233445566778899aabbccddeeff",
    ],
];

thread_local! {
    /// The last masker for values from the input, which most inputs share with their predecessor.
    static LAST: RefCell<Option<(Vec<Vec<u8>>, Masker)>> = const { RefCell::new(None) };
    static MASKERS: [OnceCell<Masker>; FIXED.len()] = const { [const { OnceCell::new() }; FIXED.len()] };
}

/// The first letter selects the values: `f`ixed ones, from which the next byte selects a set, or two `o`wn ones. Then the
/// lengths of the pieces of the text, and the text with its marks.
pub fn masking(data: &[u8]) {
    match data {
        [b'f', set, rest @ ..] => {
            let set = usize::from(*set) % FIXED.len();
            let [lengths, text] = parts(rest);
            MASKERS.with(|maskers| {
                let masker = maskers[set].get_or_init(|| masker(FIXED[set]));
                hides(masker, FIXED[set], lengths, text);
            });
        }
        [b'o', rest @ ..] => {
            let [one, other, lengths, text] = parts(rest);
            let values = [one, other].map(|value| &value[..value.len().min(LONGEST)]);
            LAST.with_borrow_mut(|last| {
                let same = |(known, _): &&mut (Vec<Vec<u8>>, Masker)| *known == values;
                let (_, masker) = match last.as_mut().filter(same) {
                    Some(last) => last,
                    None => last.insert((values.map(<[u8]>::to_vec).to_vec(), masker(&values))),
                };
                hides(masker, &values, lengths, text);
            });
        }
        _ => {}
    }
}

fn masker(values: &[&[u8]]) -> Masker {
    Masker::new(values.iter().map(|value| ("v", SecretValue::from(*value))))
}

fn hides(masker: &Masker, values: &[&[u8]], lengths: &[u8], text: &[u8]) {
    let text = &spelled_out(values, text);
    let masked = masker.mask(text);
    assert_eq!(in_pieces(masker, text, lengths, false), masked, "in pieces");
    // Releasing early may reveal a part, but must not panic.
    in_pieces(masker, text, lengths, true);
    for value in values {
        // The replacement of a value must not form another value.
        if value.trim_ascii().len() < SHORTEST || value.contains(&b'*') {
            continue;
        }
        for way in 0..WAYS {
            let spelled = spelling(value, way);
            let is_there = memmem::find(&masked, &spelled).is_some();
            assert!(
                !is_there,
                "{:?} is in {:?}",
                String::from_utf8_lossy(&spelled),
                String::from_utf8_lossy(&masked)
            );
        }
    }
}

fn spelled_out(values: &[&[u8]], mut marked: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    loop {
        marked = match marked {
            [] => return text,
            [MARK, value, way, rest @ ..] => {
                text.extend(spelling(values[usize::from(*value) % values.len()], *way));
                rest
            }
            [byte, rest @ ..] => {
                text.push(*byte);
                rest
            }
        };
    }
}

fn in_pieces(masker: &Masker, text: &[u8], lengths: &[u8], released: bool) -> Vec<u8> {
    let mut lengths = lengths
        .iter()
        .map(|byte| usize::from(*byte % 32) + 1)
        .cycle();
    let mut stream = masker.stream();
    let (mut output, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(lengths.next().unwrap_or(rest.len()).min(rest.len()));
        stream.feed(piece, &mut output);
        if released && stream.patience().is_some() {
            stream.release(&mut output);
        }
        rest = behind;
    }
    stream.finish(&mut output);
    output
}

const WAYS: u8 = 8;

/// Encodes a value independently of the masker's own encoders.
fn spelling(value: &[u8], way: u8) -> Vec<u8> {
    let each =
        |format: fn(u8) -> String| value.iter().copied().map(format).collect::<String>().into();
    match way % WAYS {
        0 => value.to_vec(),
        1 => STANDARD.encode(value).into(),
        2 => URL_SAFE_NO_PAD.encode(value).into(),
        3 => each(|byte| format!("{byte:02x}")),
        4 => each(|byte| format!("{byte:02X}")),
        5 => each(|byte| format!("%{byte:02X}")),
        6 => match std::str::from_utf8(value) {
            Ok(text) => serde_json::to_vec(text).unwrap_or_default(),
            Err(_) => value.to_vec(),
        },
        _ => {
            let mut lines = String::new();
            for (at, character) in STANDARD.encode(value).chars().enumerate() {
                let _ = write!(
                    lines,
                    "{}{character}",
                    if at % 64 == 63 { "\n" } else { "" }
                );
            }
            lines.into_bytes()
        }
    }
}
