//! The delay that a server requests with its headers.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::input::parts;

const HEADERS: [&str; 5] = [
    "retry-after",
    "date",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "x-amz-retry-after",
];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The local clock (seconds since 1970), then each header.
pub fn retry_after(data: &[u8]) {
    let [clock, fields @ ..] = parts::<6>(data);
    let seconds = std::str::from_utf8(clock)
        .ok()
        .and_then(|text| text.parse::<u32>().ok());
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unwrap_or_default().into());
    let headers: HeaderMap = HEADERS
        .into_iter()
        .zip(fields)
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| {
            let value = HeaderValue::from_bytes(value).ok()?;
            Some((HeaderName::from_static(name), value))
        })
        .collect();
    let wait = secrets_provider::retry_after(&headers, now);
    assert!(wait.is_none_or(|wait| wait <= DAY), "{wait:?}");

    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let whole = |name: &str| {
        let text = text(name)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    if let Some(exact) = HEADERS[2..]
        .iter()
        .find_map(|name| Some((name, text(name)?)))
    {
        if let Some(number) = whole(exact.0) {
            assert_eq!(
                wait,
                Some(Duration::from_millis(number).min(DAY)),
                "{headers:?}"
            );
        }
        return;
    }
    let Some(asked) = text("retry-after") else {
        assert_eq!(wait, None, "{headers:?}");
        return;
    };
    if let Some(number) = whole("retry-after") {
        assert_eq!(
            wait,
            Some(Duration::from_secs(number).min(DAY)),
            "{headers:?}"
        );
    } else if let Ok(until) = httpdate::parse_http_date(asked) {
        let date = text("date").and_then(|date| httpdate::parse_http_date(date).ok());
        let rest = until
            .duration_since(date.unwrap_or(now))
            .unwrap_or_default();
        assert_eq!(wait, Some(rest.min(DAY)), "{headers:?}");
    }
}
