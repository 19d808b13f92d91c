use jiff::{SignedDuration, Timestamp};

/// As protobuf writes a time, which the service keeps to the microsecond: UTC, with no more threes of decimals than it
/// needs.
pub(super) fn rfc3339(time: Timestamp) -> String {
    let format = match time.subsec_nanosecond() / 1000 {
        0 => "%Y-%m-%dT%H:%M:%SZ",
        micros if micros % 1000 == 0 => "%Y-%m-%dT%H:%M:%S%.3fZ",
        _ => "%Y-%m-%dT%H:%M:%S%.6fZ",
    };
    time.strftime(format).to_string()
}

/// A duration as JSON has it: seconds, with up to nine decimals, and `s`.
pub(super) fn parse_duration(text: &str) -> Option<SignedDuration> {
    let number = text.strip_suffix('s')?;
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    // Ten thousand years, the bound of the type.
    if seconds > 315_576_000_000 {
        return None;
    }
    let duration = SignedDuration::new(seconds, nanos);
    Some(if negative { -duration } else { duration })
}

pub(super) fn format_duration(duration: SignedDuration) -> String {
    let sign = if duration.is_negative() { "-" } else { "" };
    let (seconds, nanos) = (
        duration.as_secs().unsigned_abs(),
        duration.subsec_nanos().unsigned_abs(),
    );
    if nanos == 0 {
        return format!("{sign}{seconds}s");
    }
    let fraction = format!("{nanos:09}");
    format!("{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_json_has_them() {
        for (text, again) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.5+01:00", "2026-01-02T02:04:05.500Z"),
            (
                "2026-01-02T03:04:05.123456789Z",
                "2026-01-02T03:04:05.123456Z",
            ),
        ] {
            assert_eq!(rfc3339(text.parse().unwrap()), again);
        }
    }

    #[test]
    fn durations_as_json_has_them() {
        for (text, again) in [
            ("3600s", "3600s"),
            ("1.5s", "1.5s"),
            ("-2.000s", "-2s"),
            ("0.000000001s", "0.000000001s"),
        ] {
            assert_eq!(
                parse_duration(text).map(format_duration).as_deref(),
                Some(again)
            );
        }
        for wrong in [
            "3600",
            "1h",
            "s",
            ".5s",
            "1.s",
            "1.0000000001s",
            "1e3s",
            "+1s",
            "315576000001s",
        ] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
