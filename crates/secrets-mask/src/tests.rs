use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use proptest::sample::Index;
use secrets_core::SecretValue;

use crate::{LiveMasker, MaskOptions, MaskStream, Masker, Replacement};

fn masker(values: &[&str]) -> Masker {
    Masker::new(
        values
            .iter()
            .map(|value| (*value, SecretValue::from(*value))),
    )
}

/// Feeds pieces of these lengths, again and again.
fn in_pieces(masker: &Masker, text: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut output = Vec::new();
    let mut stream = masker.stream();
    let mut rest = text;
    for length in lengths.iter().cycle() {
        let (piece, after) = rest.split_at(rest.len().min((*length).max(1)));
        stream.feed(piece, &mut output);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    stream.finish(&mut output);
    output
}

fn masked(masker: &Masker, text: &str) -> String {
    let whole = masker.mask_text(text);
    for length in [1, 2, 3, 7] {
        let pieces = in_pieces(masker, text.as_bytes(), &[length]);
        assert_eq!(
            String::from_utf8_lossy(&pieces),
            whole,
            "pieces of {length}"
        );
    }
    whole
}

#[test]
fn values_are_found_wherever_the_text_is_cut() {
    let masker = masker(&["hunter2", "s3cr3t"]);
    assert_eq!(masked(&masker, "a hunter2 b s3cr3t"), "a *** b ***");
    assert_eq!(masked(&masker, "hunter2hunter2"), "******");
    assert_eq!(masked(&masker, "hunthunter2unter2"), "hunt***unter2");
    assert_eq!(
        masked(&masker, "nothing\nhere hunter"),
        "nothing\nhere hunter"
    );
}

#[test]
fn of_overlapping_values_no_rest_is_left() {
    let masker = masker(&["abcdef", "defghi", "bcd!", "abcdefghijkl"]);
    assert_eq!(masked(&masker, "<abcdefghi>"), "<***>");
    assert_eq!(masked(&masker, "<abcdefghijkl>"), "<***>");
    assert_eq!(masked(&masker, "<abcdefghijk>"), "<***jk>");
    assert_eq!(masked(&masker, "<abcdefdefghi>"), "<******>");
    let same = super::tests::masker(&["aaaa", "aaaaaa"]);
    assert_eq!(masked(&same, &"a".repeat(1000)), "***");
}

#[test]
fn line_breaks_hide_nothing() {
    let key =
        "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSj\n-----END KEY-----\n";
    let masker = masker(&[key]);
    assert_eq!(masked(&masker, &format!("key: {key}.")), "key: ***\n.");
    let terminal = key.replace('\n', "\r\n");
    assert_eq!(
        masked(&masker, &format!("key: {terminal}.")),
        "key: ***\r\n."
    );
    let indented = key.replace('\n', "\n    ");
    assert_eq!(
        masked(&masker, &format!("key: |\n    {indented}.")),
        "key: |\n    ***\n    ."
    );
    let logged: String = key
        .lines()
        .map(|line| format!("12:00 | {line}\n"))
        .collect();
    let wanted =
        "12:00 | -----BEGIN KEY-----\n12:00 | ***\n12:00 | ***\n12:00 | -----END KEY-----\n";
    assert_eq!(masked(&masker, &logged), wanted);
    for width in [1, 3, 60, 64, 76] {
        let encoded = wrapped(&STANDARD.encode(key), width, "\n");
        assert_eq!(masked(&masker, &format!("<{encoded}>")), "<***>", "{width}");
    }
    // A short word that a break takes apart is no value.
    let short = super::tests::masker(&["1213"]);
    assert_eq!(masked(&short, "12\n13\n1213"), "12\n13\n***");
}

#[test]
fn blanks_around_a_value_do_not_hide_it() {
    let masker = masker(&["  pass word\n\n"]);
    assert_eq!(masked(&masker, "x\n  pass word"), "x\n  ***");
    assert_eq!(masked(&masker, "xpass wordx"), "x***x");
    assert_eq!(masked(&masker, &STANDARD.encode("  pass word\n\n")), "***");
}

#[test]
fn an_endless_break_is_not_held_back() {
    let masker = masker(&["bcdefghijklmnop"]);
    let mut stream = masker.stream();
    let mut output = Vec::new();
    let piece = [b'\n'; 4096];
    stream.feed(b"ab", &mut output);
    for _ in 0..100 {
        stream.feed(&piece, &mut output);
    }
    assert!(output.len() > 99 * piece.len());
}

#[test]
fn the_start_of_a_value_waits_until_it_is_released() {
    let masker = masker(&["password: 1234"]);
    let mut stream = masker.stream();
    let mut output = Vec::new();
    let patience = |stream: &MaskStream| stream.patience().map(|time| time.as_millis());
    stream.feed(b"the pas", &mut output);
    assert_eq!((&output[..], patience(&stream)), (&b"the "[..], Some(300)));
    stream.release(&mut output);
    assert_eq!((&output[..], patience(&stream)), (&b"the pas"[..], None));
    // What has started counts, not what is still held.
    stream.feed(b"sword: ", &mut output);
    assert_eq!(patience(&stream), Some(1000));
    stream.feed(b"123", &mut output);
    assert_eq!(patience(&stream), Some(1000));
    stream.release(&mut output);
    stream.feed(b"4!", &mut output);
    assert_eq!(output, b"the password: 123***!");
}

#[test]
fn what_cannot_grow_is_not_held_back() {
    let masker = masker(&["correct-horse"]);
    let mut stream = masker.stream();
    let mut output = Vec::new();
    stream.feed(b"a correct-horse", &mut output);
    assert_eq!((&output[..], stream.patience()), (&b"a ***"[..], None));
    // Padding may follow, though what is there is a value.
    stream.feed(b" Y29ycmVjdC1ob3JzZQ", &mut output);
    assert_eq!(stream.patience().map(|time| time.as_millis()), Some(20));
    stream.release(&mut output);
    assert_eq!(output, b"a *** ***");
}

#[test]
fn lines_stay_whole() {
    let masker = masker(&["hunter2-hunter2"]);
    let mut stream = masker.stream();
    let mut output = Vec::new();
    stream.feed(b"first\nthe last letter is h\n", &mut output);
    assert_eq!(output, b"first\n");
    output.clear();
    stream.feed(b"nothing\n", &mut output);
    assert_eq!(output, b"the last letter is h\nnothing\n");
    output.clear();
    // What is longer than a pipe takes at once is not one write in any case.
    let long = "x".repeat(5000) + "h\n";
    stream.feed(long.as_bytes(), &mut output);
    assert_eq!(output.len(), 5000);
}

#[test]
fn the_longest_of_several_gives_its_name() {
    let options = MaskOptions::default().with_replacement(Replacement::Name);
    let values = [("A", SecretValue::from("abcd")), ("B", "abcdefgh".into())];
    let masker = Masker::with_options(values, &options);
    assert_eq!(masked(&masker, "abcd abcdefgh abcdef"), "[A] [B] [A]ef");
}

#[test]
fn writers_mix_their_escapes() {
    let masker = masker(&["a/b+c==\"d'é"]);
    for text in [
        "a/b+c==\"d'é",
        "a%2Fb%2bc==%22d'%C3%A9",
        "a\\/b\\u002bc\\u003d\\u003D\\\"d\\u0027\\u00e9",
        "a\\\\/b+c==\\\\\\\"d'\\\\u00e9",
        "a&sol;b&#43;c&#x3d;&equals;&quot;d&#39;&eacute;",
        "'a/b+c==\"d'\\''é'",
        "a/b+c==\\\"d\\'\\xe9",
        "\\x61\\x{2f}\\142\\U0000002bc=%3D\\42d\\47\\303\\251",
    ] {
        let quoted = format!("<{text}>");
        let wanted = if text.starts_with('\'') {
            "<'***'>"
        } else {
            "<***>"
        };
        assert_eq!(masked(&masker, &quoted), wanted, "{text}");
        // Also among much else, which is searched in another way.
        let long = format!("{}{quoted}{}", "x y\n".repeat(40), "z".repeat(100));
        let wanted = format!("{}{wanted}{}", "x y\n".repeat(40), "z".repeat(100));
        assert_eq!(masked(&masker, &long), wanted, "{text}");
    }
}

#[test]
fn one_reading_does_not_hide_another() {
    // The first backslash, the line feed and the plus sign are a value too short to be broken over lines.
    assert_eq!(masked(&masker(&["\\+a}"]), r#"\\n\\\\+a}"#), r#"\\n***"#);
}

#[test]
fn the_password_of_an_address_is_masked_by_itself() {
    let masker = masker(&["postgres://app:p%40ss-word@db:5432/main"]);
    assert_eq!(
        masked(&masker, "user app, password p@ss-word, p%40ss-word"),
        "user app, password ***, ***"
    );
    assert_eq!(
        masked(&masker, "<postgres://app:p%40ss-word@db:5432/main>"),
        "<***>"
    );
    assert_eq!(
        masked(&masker, "postgres://app:p%40ss-word@other"),
        "postgres://app:***@other"
    );
}

#[test]
fn a_long_value_takes_little_memory() {
    let mut random = fastrand::Rng::with_seed(1);
    let value: String = (0..60_000).map(|_| random.alphanumeric()).collect();
    let masker = masker(&[&value]);
    assert!(masker.memory() <= 16 << 20, "{}", masker.memory());
    assert_eq!(masked(&masker, &format!("<{value}>")), "<***>");
    let encoded = wrapped(&STANDARD.encode(format!("u:{value}")), 76, "\n");
    let shown = masked(&masker, &encoded);
    assert!(shown.starts_with("dT") && shown.ends_with("***") && shown.len() == 6);
}

#[test]
fn short_values_are_masked_when_it_is_asked() {
    let values = || [("PIN", SecretValue::from("123")), ("LONG", "12345".into())];
    let masker = Masker::new(values());
    assert_eq!(masker.unmasked(), ["PIN"]);
    assert_eq!(masked(&masker, "123 12345"), "123 ***");
    let masker = Masker::with_options(values(), &MaskOptions::default().with_shortest(1));
    assert!(masker.unmasked().is_empty());
    assert_eq!(masked(&masker, "123 12345"), "*** ***");
    let empty = Masker::new([("EMPTY", SecretValue::from(""))]);
    assert!(empty.is_empty());
    assert_eq!(masked(&empty, "text"), "text");
}

#[test]
fn names_can_stand_for_values() {
    let options = MaskOptions::default().with_replacement(Replacement::Name);
    let masker = Masker::with_options(
        [("A", "abcdef".into()), ("B", SecretValue::from("defghi"))],
        &options,
    );
    assert_eq!(masked(&masker, "abcdef defghi abcdefghi"), "[A] [B] [A]");
}

#[test]
fn the_fields_of_an_object_are_values() {
    let value =
        r#"{"user":"admin","password":"pa\"ss","port":5432,"tls":true,"more":{"token":"t-1234"}}"#;
    let masker = masker(&[value]);
    assert_eq!(
        masked(&masker, "admin pa\"ss 5432 true t-1234"),
        "*** *** 5432 true ***"
    );
    assert_eq!(masked(&masker, value), "***");
    let options = MaskOptions::default().with_fields(false);
    let masker = Masker::with_options([("A", SecretValue::from(value))], &options);
    assert_eq!(masked(&masker, "admin"), "admin");
}

#[test]
fn many_values_and_few_are_found_alike() {
    let values: Vec<String> = (0..500)
        .map(|at| format!("value-{at:04}-of-many"))
        .collect();
    let all = Masker::new(
        values
            .iter()
            .map(|value| ("v", SecretValue::from(value.as_str()))),
    );
    let text = format!("{} {}", values.join(" "), "x".repeat(300));
    let wanted = format!("{} {}", vec!["***"; 500].join(" "), "x".repeat(300));
    assert_eq!(masked(&all, &text), wanted);
    let one = Masker::new([("v", SecretValue::from(values[7].as_str()))]);
    let wanted = text.replace(&values[7], "***");
    assert_eq!(masked(&one, &text), wanted);
}

#[test]
fn a_live_masker_learns() {
    let masker = LiveMasker::default();
    let mut log = Vec::new();
    for at in 0..20 {
        masker.learn("v", &format!("value-{at}-").as_str().into());
        masker.learn("v", &"value-0-".into());
        assert_eq!(masker.mask(b"value-0-1"), b"***1");
    }
    for at in 0..20 {
        write!(masker.writer(&mut log), "<value-{at}-|value-20->").unwrap();
    }
    assert_eq!(
        String::from_utf8(log).unwrap(),
        "<***|value-20->".repeat(20)
    );
}

#[cfg(feature = "tracing")]
#[test]
fn an_event_is_masked_whole() {
    use std::sync::{Arc, Mutex};

    let log: Arc<Mutex<Vec<u8>>> = Arc::default();
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let masker = LiveMasker::default();
    let sink = Arc::clone(&log);
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_writer(masker.make_writer(move || Sink(Arc::clone(&sink))));
    tracing::subscriber::with_default(subscriber.finish(), || {
        masker.learn("TOKEN", &"t0p\"secret".into());
        tracing::info!(debug = ?"t0p\"secret", "display t0p\"secret");
    });
    let text = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert!(text.contains("display *** debug=\"***\"\n"), "{text}");
}

fn wrapped(text: &str, width: usize, ending: &str) -> String {
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(width)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    lines.join(ending)
}

/// The ways in which a program may write a value.
const SPELLINGS: usize = 16;

fn spelled(value: &str, how: usize, width: usize, around: (&str, &str)) -> String {
    let (before, after) = around;
    let inside = format!("{before}{value}{after}");
    let hex = |upper: bool| -> String {
        let digit = |byte: u8| {
            if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            }
        };
        inside.bytes().map(digit).collect()
    };
    match how {
        0 => value.to_owned(),
        1 => STANDARD.encode(&inside),
        2 => URL_SAFE.encode(&inside),
        3 => STANDARD_NO_PAD.encode(&inside),
        4 => URL_SAFE_NO_PAD.encode(&inside),
        5 => wrapped(&STANDARD.encode(&inside), width, "\n"),
        6 => wrapped(&STANDARD.encode(&inside), width, "\r\n  "),
        7 => hex(false),
        8 => hex(true),
        9 => wrapped(&hex(false), width, "\n"),
        10 => serde_json::to_string(&inside).unwrap(),
        11 => serde_json::to_string(&serde_json::to_string(&inside).unwrap()).unwrap(),
        12 => percent_encoding::utf8_percent_encode(&inside, percent_encoding::NON_ALPHANUMERIC)
            .to_string(),
        13 => format!("'{}'", inside.replace('\'', "'\\''")),
        14 => format!("{inside:?}"),
        _ => value.replace('\n', "\r\n"),
    }
}

/// What an attentive reader gets out of a text: itself, and each run of characters of an encoding, decoded.
fn readings(text: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![text.to_vec()];
    let joined: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    all.push(joined.clone());
    for run in joined.split(|byte| !byte.is_ascii_alphanumeric() && !b"+/-_".contains(byte)) {
        let standard: Vec<u8> = run
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            })
            .collect();
        for start in 0..standard.len().min(4) {
            let mut part = &standard[start..];
            part = &part[..part.len() / 4 * 4];
            all.extend(STANDARD.decode(part));
        }
        for start in 0..run.len().min(2) {
            let digits = &run[start..];
            all.push(
                digits
                    .chunks_exact(2)
                    .map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                    .collect(),
            );
        }
    }
    let decoded: Vec<u8> = percent_encoding::percent_decode(text).collect();
    all.push(decoded);
    all
}

#[test]
fn the_attentive_reader_reads_what_is_not_masked() {
    let value = "hunter2 hunter2!";
    // The rest are escapes, which the property looks for as they are.
    for how in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15] {
        let text = spelled(value, how, 20, ("ab:", ":cdef"));
        let found = readings(text.as_bytes()).iter().any(|reading| {
            reading
                .windows(value.len())
                .any(|at| at == value.as_bytes())
        });
        assert!(found, "{how}: {text}");
    }
}

/// A character as one of many writers writes it.
fn written(letter: char, way: u8) -> String {
    let bytes = |before: &str, upper: bool| -> String {
        let mut utf8 = [0; 4];
        let utf8 = letter.encode_utf8(&mut utf8).bytes();
        utf8.map(|byte| {
            if upper {
                format!("{before}{byte:02X}")
            } else {
                format!("{before}{byte:02x}")
            }
        })
        .collect()
    };
    let units = |before: &str, upper: bool| -> String {
        let mut utf16 = [0; 2];
        let utf16 = letter.encode_utf16(&mut utf16).iter();
        utf16
            .map(|unit| {
                if upper {
                    format!("{before}{unit:04X}")
                } else {
                    format!("{before}{unit:04x}")
                }
            })
            .collect()
    };
    let code = u32::from(letter);
    match way % 24 {
        0 => bytes("%", true),
        1 => bytes("%", false),
        2 => bytes("\\x", true),
        3 => bytes("\\x", false),
        4 => units("\\u", false),
        5 => units("\\u", true),
        6 => units("\\\\u", false),
        7 => units("%u", true),
        8 => format!("\\u{{{code:x}}}"),
        9 => format!("\\x{{{code:X}}}"),
        10 => format!("\\U{code:08x}"),
        11 => format!("&#{code};"),
        12 => format!("&#x{code:x};"),
        13 => format!("&#X{code:04X};"),
        14 if letter.is_ascii_punctuation() => format!("\\{letter}"),
        15 if letter.is_ascii() => format!("\\{code:03o}"),
        16 if code < 256 => format!("\\x{code:02x}"),
        17 => match letter {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&apos;".to_owned(),
            'é' => "&eacute;".to_owned(),
            '$' => "&dollar;".to_owned(),
            other => other.to_string(),
        },
        18 if letter == ' ' => "+".to_owned(),
        19 if letter == '\'' => "'\\''".to_owned(),
        20 if letter == '\\' => "\\\\\\\\".to_owned(),
        21 if letter == '"' => "\\\\\\\"".to_owned(),
        _ => letter.to_string(),
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(10_000)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_value_leaks_in_any_spelling_cut_anywhere(
        values in proptest::collection::vec("[a-zA-Z0-9 \"'\\\\/+%&$\n=é{}:@_.-]{4,40}", 1..4),
        uses in proptest::collection::vec((any::<Index>(), 0..SPELLINGS, 1_usize..80, "[a-z:]{0,4}", "[a-z:]{0,4}"), 1..5),
        noise in proptest::collection::vec("[ -~\n]{0,20}", 6),
        lengths in proptest::collection::vec(1_usize..50, 1..6),
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).filter(|value| value.trim().len() >= 4).collect();
        prop_assume!(!values.is_empty());
        let mut text = noise[0].clone();
        for (at, (which, how, width, before, after)) in uses.iter().enumerate() {
            text.push_str(&spelled(which.get::<&str>(&values), *how, *width, (before, after)));
            text.push('\n');
            text.push_str(&noise[at + 1]);
        }
        let masker = masker(&values);
        let whole = masker.mask(text.as_bytes());
        let pieces = in_pieces(&masker, text.as_bytes(), &lengths);
        prop_assert_eq!(String::from_utf8_lossy(&pieces), String::from_utf8_lossy(&whole));
        for reading in readings(&whole) {
            for value in &values {
                let value = value.trim_ascii().as_bytes();
                prop_assert!(
                    !reading.windows(value.len()).any(|window| window == value),
                    "{:?} is in {:?}", value, String::from_utf8_lossy(&whole)
                );
            }
        }
        // Nothing of a value's escapes survives either.
        for (which, how, width, before, after) in &uses {
            let whole_spelling = spelled(which.get::<&str>(&values), *how, *width, (before, after));
            prop_assert!(!whole.windows(whole_spelling.len()).any(|window| window == whole_spelling.as_bytes()));
        }
    }

    /// Short pieces are searched byte by byte, a whole text by the heads of spellings, which line breaks may part.
    #[test]
    fn to_look_for_heads_overlooks_nothing(
        value in "[a-d]{12,16}",
        parts in proptest::collection::vec((0..64_usize, "[\\n\\r]{1,2}[ \\t]{0,2}", "[a-dx-z \\n]{0,30}"), 3..12),
        lengths in proptest::collection::vec(1_usize..60, 1..6),
    ) {
        let masker = masker(&[&value]);
        let mut text = "x".repeat(64);
        for (cut, line_break, other) in &parts {
            let (start, rest) = value.split_at(cut % value.len());
            text.push_str(start);
            // A half of them go on behind a break, some of these behind two.
            if cut % 2 == 0 {
                let (middle, rest) = rest.split_at(cut / 2 % rest.len());
                let second = if cut % 4 == 0 { line_break } else { "" };
                text.extend([line_break.as_str(), middle, second, rest]);
            }
            text.push_str(other);
        }
        let whole = masker.mask(text.as_bytes());
        let pieces = in_pieces(&masker, text.as_bytes(), &lengths);
        prop_assert_eq!(String::from_utf8_lossy(&pieces), String::from_utf8_lossy(&whole));
    }

    /// Each character as another writer would write it, cut anywhere, with pauses in which a slow writer makes the next.
    #[test]
    fn no_mixture_of_escapes_leaks(
        values in proptest::collection::vec("[!-~é😀][ -~ßé😀]{6,38}[!-~é😀]", 1..4),
        which in any::<Index>(),
        ways in proptest::collection::vec(any::<u8>(), 120),
        noise in proptest::collection::vec("[ -~\n]{0,90}", 2),
        lengths in proptest::collection::vec(1_usize..40, 1..8),
        pauses in proptest::collection::vec(0_u64..75, 1..8),
    ) {
        let value = which.get(&values);
        let spelled: String = value.chars().zip(ways.iter().cycle()).map(|(letter, way)| written(letter, *way)).collect();
        let text = format!("{}<{spelled}>{}", noise[0], noise[1]);
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        let masker = masker(&texts);
        let whole = masker.mask_text(&text);
        prop_assert!(whole.contains("<***>"), "{value:?} as {spelled:?}: {whole}");
        let mut stream = masker.stream();
        let mut output = Vec::new();
        let mut rest = text.as_bytes();
        for (length, pause) in lengths.iter().cycle().zip(pauses.iter().cycle()) {
            let (piece, after) = rest.split_at(rest.len().min(*length));
            stream.feed(piece, &mut output);
            if stream.patience().is_some_and(|patience| patience.as_millis() <= u128::from(*pause)) {
                stream.release(&mut output);
            }
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        stream.finish(&mut output);
        prop_assert_eq!(String::from_utf8_lossy(&output), whole);
    }

    #[test]
    fn bytes_of_any_kind_are_found(
        value in proptest::collection::vec(any::<u8>(), 4..40),
        before in proptest::collection::vec(any::<u8>(), 0..200),
        after in proptest::collection::vec(any::<u8>(), 0..200),
        lengths in proptest::collection::vec(1_usize..50, 1..6),
        how in 0_usize..5,
    ) {
        prop_assume!(value.trim_ascii().len() >= 4);
        let spelled = match how {
            0 => value.clone(),
            1 => STANDARD.encode([&before[..], &value].concat()).into_bytes(),
            2 => wrapped(&STANDARD.encode([&value[..], &after].concat()), 64, "\n").into_bytes(),
            3 => value.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes(),
            _ => value.iter().map(|byte| format!("%{byte:02X}")).collect::<String>().into_bytes(),
        };
        let text = [&before[..], b"<", &spelled, b">", &after].concat();
        let masker = Masker::new([("v", SecretValue::from(value.clone()))]);
        let whole = masker.mask(&text);
        prop_assert_eq!(&in_pieces(&masker, &text, &lengths), &whole);
        prop_assert!(!whole.windows(spelled.len()).any(|window| window == spelled));
    }
}
