//! The scanner finds what leaks, in every form, and nothing else.

use std::fmt;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use polysecrets_testkit::canary::{Canary, CommandCapture, Form, Sinks, TraceCapture};

fn forms(canary: &Canary, text: impl AsRef<[u8]>) -> Vec<Form> {
    canary.scan(text).into_iter().map(|hit| hit.form).collect()
}

#[test]
fn positive_control_finds_every_form_of_a_thousand_canaries() {
    for _ in 0..500 {
        Canary::generate().positive_control().unwrap();
        Canary::generate_with_escapes().positive_control().unwrap();
    }
}

#[test]
fn finds_the_spellings_that_code_really_makes() {
    for canary in [Canary::generate(), Canary::generate_with_escapes()] {
        let value = canary.reveal();
        let found = |text: String| {
            let hits = canary.scan(format!("padding {text} padding"));
            assert!(!hits.is_empty(), "not found in a text of {}", text.len());
            hits[0].form
        };
        assert_eq!(found(value.to_string()), Form::Plain);
        for before in ["", "a", "ab", "user:"] {
            let inner = format!("{before}{}:after", &*value);
            let encoded = STANDARD.encode(&inner);
            let form = found(encoded.clone());
            assert!(matches!(form, Form::Base64 | Form::Base64Url));
            let form = found(URL_SAFE.encode(&inner));
            assert!(matches!(form, Form::Base64 | Form::Base64Url));
            let lines: Vec<_> = encoded
                .as_bytes()
                .chunks(19)
                .map(String::from_utf8_lossy)
                .collect();
            found(lines.join("\r\n"));
        }
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found(hex.to_uppercase()), Form::HexUpper);
        assert_eq!(found(hex), Form::HexLower);
        assert_eq!(found(format!("{:?}", value.as_bytes())), Form::ByteList);
        assert_eq!(found(format!("{:#?}", value.as_bytes())), Form::ByteList);
        found(serde_json::json!({ "k": &*value }).to_string());
        found(serde_json::json!({ "k": serde_json::json!([&*value]).to_string() }).to_string());
        found(format!("{:?}", &*value));
        found(format!("{:?}", Some(String::from(value.as_str()))));
        found(
            percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC)
                .to_string(),
        );
        let utf16: Vec<u8> = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(forms(&canary, utf16), [Form::Utf16]);
    }
}

#[test]
fn a_cut_value_is_found_and_a_whole_one_is_told_once() {
    let canary = Canary::generate();
    let value = canary.reveal();
    for start in 0..=17 {
        let text = format!("invalid value: \"{}…", &value[start..start + 15]);
        assert_eq!(forms(&canary, &text)[0], Form::Fragment);
    }
    let twice = format!("{0} {0}", &*value);
    let hits = canary.scan(&twice);
    assert_eq!(
        hits.iter()
            .map(|hit| (hit.form, hit.offset))
            .collect::<Vec<_>>(),
        [(Form::Plain, 0), (Form::Plain, 33)]
    );
}

#[test]
fn does_not_find_other_values_or_show_its_own() {
    let canary = Canary::generate_with_escapes();
    for _ in 0..100 {
        let other = Canary::generate_with_escapes().reveal();
        let text = format!("{} {:?} {:?}", &*other, &*other, other.as_bytes());
        assert_eq!(canary.scan(&text), []);
    }
    assert_eq!(canary.scan(format!("{canary:?} {canary:#?}")), []);
    assert_eq!(
        canary.scan(format!("{:?}", canary.scan(&*canary.reveal()))),
        []
    );
}

#[derive(Debug)]
#[expect(
    dead_code,
    reason = "the text is read by Debug alone, which is the leak"
)]
struct Leaky(String, Option<Box<Leaky>>);

impl fmt::Display for Leaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a harmless message")
    }
}

impl std::error::Error for Leaky {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.1.as_deref()?)
    }
}

#[test]
fn sinks_follow_debug_and_the_chain_of_sources() {
    let (canary, other) = (Canary::generate(), Canary::generate());
    let mut sinks = Sinks::new([&other, &canary]);
    let inner = Leaky(canary.reveal().to_string(), None);
    sinks.error("clean", &Leaky("x".into(), None));
    assert!(sinks.leaks().is_empty());
    sinks.error("outer", &Leaky("x".into(), Some(Box::new(inner))));
    let leaks: Vec<_> = sinks.leaks().iter().map(ToString::to_string).collect();
    assert_eq!(sinks.scanned(), 12);
    assert!(
        leaks
            .iter()
            .all(|leak| leak.starts_with("canary 1 in outer ")),
        "{leaks:?}"
    );
    assert!(
        leaks
            .iter()
            .any(|leak| leak.contains("source 1 {:?}: plain form"))
    );
    assert!(std::panic::catch_unwind(|| sinks.assert_clean()).is_err());
    let mut sinks = Sinks::new([&canary]);
    sinks.panic("quiet", || {});
    assert_eq!(sinks.scanned(), 0);
    let value = canary.reveal();
    sinks.panic("loud", move || panic!("cannot use {:?}", value.as_str()));
    assert_eq!(sinks.leaks()[0].sink, "loud panic");
    assert!(std::panic::catch_unwind(|| Sinks::new([&canary]).assert_clean()).is_err());
}

#[test]
fn tracing_is_captured_at_every_level_with_all_fields() {
    let canary = Canary::generate();
    let value = canary.reveal();
    let cases: [fn(&str); 6] = [
        |value| tracing::trace!("message {value}"),
        |value| tracing::debug!(field = %value, "m"),
        |value| tracing::info!(field = ?value.as_bytes(), "m"),
        |value| drop(tracing::trace_span!("span", secret = value)),
        |value| {
            let span = tracing::info_span!("span", late = tracing::field::Empty);
            span.record("late", value);
        },
        |value| {
            let error = Leaky("x".into(), Some(Box::new(Leaky(value.into(), None))));
            tracing::error!(error = &error as &(dyn std::error::Error + 'static));
        },
    ];
    for case in cases {
        let capture = TraceCapture::new();
        let guard = capture.on_this_thread();
        case(&value);
        drop(guard);
        assert_eq!(capture.event_count() + capture.span_count(), 1);
        let mut sinks = Sinks::new([&canary]);
        sinks.trace("case", &capture);
        assert!(
            !sinks.leaks().is_empty(),
            "not seen: {}",
            capture.text().len()
        );
    }
    let capture = TraceCapture::new();
    let guard = capture.on_this_thread();
    tracing::info!(name = "db/password", "put");
    drop(guard);
    tracing::info!("after the guard");
    assert!(capture.text().contains("db/password") && !capture.text().contains("after"));
    let mut sinks = Sinks::new([&canary]);
    sinks.trace("clean", &capture);
    sinks.assert_clean();
}

#[cfg(target_os = "linux")]
#[test]
fn commands_are_watched_through_proc() {
    let canary = Canary::generate();
    let value = canary.reveal();
    let run = |script: &str, argument: &str, variable: &str| {
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh", argument])
            .env("VARIABLE", variable);
        CommandCapture::run(&mut command, value.as_bytes(), Duration::from_secs(20)).unwrap()
    };
    let leaks = |capture: &CommandCapture| {
        let mut sinks = Sinks::new([&canary]);
        sinks.command("sh", capture);
        sinks
            .leaks()
            .iter()
            .map(|leak| leak.sink.clone())
            .collect::<Vec<_>>()
    };

    let capture = run("sleep 0.1; exit 3", "-", "-");
    assert_eq!(capture.status.code(), Some(3));
    assert!(capture.processes[0].is_root);
    assert!(leaks(&capture).is_empty());

    assert_eq!(leaks(&run("cat", "-", "-")), ["sh stdout"]);
    assert_eq!(leaks(&run("cat >&2", "-", "-")), ["sh stderr"]);
    let found = leaks(&run("sleep 0.1; :", "-", &value));
    assert!(
        found.len() == 1 && found[0].contains("environ of"),
        "{found:?}"
    );
    let found = leaks(&run("sleep 0.1; :", &value, "-"));
    assert!(
        found.iter().any(|sink| sink.contains("cmdline of")),
        "{found:?}"
    );

    // A descendant's arguments count as a leak, its environment is kept for the test to judge.
    let capture = run("V=\"$(cat)\" sleep 0.2; :", "-", "-");
    assert!(leaks(&capture).is_empty());
    let descendant = capture
        .processes
        .iter()
        .find(|process| !process.is_root && !canary.scan(&process.environ).is_empty());
    assert!(descendant.is_some(), "{}", capture.processes.len());
    let found = leaks(&run("sh -c 'sleep 0.2; :' \"$(cat)\"", "-", "-"));
    assert!(
        found.iter().any(|sink| sink.contains("cmdline of")),
        "{found:?}"
    );

    let mut slow = Command::new("sleep");
    let outcome = CommandCapture::run(slow.arg("30"), b"", Duration::from_millis(50));
    assert_eq!(outcome.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
}
