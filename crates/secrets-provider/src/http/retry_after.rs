use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// The longest wait that is believed; a server that asks for more has a broken clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Headers in milliseconds, of Azure and AWS. They are more exact than `Retry-After` and go before it.
const MILLISECONDS: [&str; 3] = ["retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after"];

/// How long the server asks to be left alone: `Retry-After` in seconds or as an HTTP date, or one of the headers that
/// vendors have for milliseconds.
///
/// A date is measured from the answer's own `Date` if it has one, so that a local clock that is wrong does no harm, else
/// from `now`. What lies in the past is no wait; more than 24 hours are 24 hours. `None` where there is no such header or
/// none that is understood.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let exact = MILLISECONDS
        .iter()
        .find_map(|name| number(text(name)?, 1.0e-3));
    exact.or_else(|| {
        let wait = text("retry-after")?;
        number(wait, 1.0).or_else(|| {
            let until = httpdate::parse_http_date(wait).ok()?;
            let from = text("date")
                .and_then(|date| httpdate::parse_http_date(date).ok())
                .unwrap_or(now);
            Some(until.duration_since(from).unwrap_or_default().min(LONGEST))
        })
    })
}

/// A decimal number, without the exponents, signs and words that `f64` would also take.
fn number(text: &str, unit: f64) -> Option<Duration> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let seconds = plain.then(|| digits.parse::<f64>().ok())?? * unit;
    Some(if negative {
        Duration::ZERO
    } else {
        Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64()))
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn wait(headers: &[(&str, &str)]) -> Option<Duration> {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 07:00:00 GMT").unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::try_from(*name).unwrap(),
                    HeaderValue::try_from(*value).unwrap(),
                )
            })
            .collect();
        retry_after(&headers, now)
    }

    #[test]
    fn understands_every_spelling() {
        let seconds = |s| Some(Duration::from_secs(s));
        let millis = |ms| Some(Duration::from_millis(ms));
        for (headers, expected) in [
            (&[][..], None),
            (&[("retry-after", "7")], seconds(7)),
            (&[("retry-after", " 7 ")], seconds(7)),
            (&[("retry-after", "0")], seconds(0)),
            (&[("retry-after", "1.5")], millis(1500)),
            (&[("retry-after", "-5")], seconds(0)),
            (&[("retry-after", "1000000000")], Some(LONGEST)),
            (
                &[("retry-after", "99999999999999999999999999")],
                Some(LONGEST),
            ),
            (
                &[("retry-after", "Sun, 22 Nov 2026 07:01:00 GMT")],
                seconds(60),
            ),
            (
                &[("retry-after", "Sun, 22 Nov 2026 06:00:00 GMT")],
                seconds(0),
            ),
            (
                &[("retry-after", "Sun, 22 Nov 2099 06:00:00 GMT")],
                Some(LONGEST),
            ),
            (
                &[
                    ("retry-after", "Sun, 22 Nov 2026 09:00:05 GMT"),
                    ("date", "Sun, 22 Nov 2026 09:00:00 GMT"),
                ],
                seconds(5),
            ),
            (&[("retry-after-ms", "250")], millis(250)),
            (&[("x-ms-retry-after-ms", "250")], millis(250)),
            (&[("x-amz-retry-after", "250")], millis(250)),
            (
                &[("retry-after-ms", "250"), ("retry-after", "1")],
                millis(250),
            ),
            (
                &[("retry-after-ms", "soon"), ("retry-after", "1")],
                seconds(1),
            ),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "")], None),
            (&[("retry-after", "1e9")], None),
            (&[("retry-after", "inf")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "+5")], None),
            (&[("retry-after", "1.2.3")], None),
            (&[("retry-after", "-")], None),
        ] {
            assert_eq!(wait(headers), expected, "{headers:?}");
        }
    }
}
