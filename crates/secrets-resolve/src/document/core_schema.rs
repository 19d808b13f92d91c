//! The core schema of YAML 1.2: which plain scalars are not strings.

use std::sync::Arc;

use super::Value;

/// The typed value of a plain scalar; `None` for a string.
pub(crate) fn core_scalar(text: &str) -> Option<Value> {
    let first = *text.as_bytes().first()?;
    match first {
        b'~' | b'n' | b'N' => match text {
            "~" | "null" | "Null" | "NULL" => Some(Value::Null),
            _ => None,
        },
        b't' | b'T' => match text {
            "true" | "True" | "TRUE" => Some(Value::Bool(true)),
            _ => None,
        },
        b'f' | b'F' => match text {
            "false" | "False" | "FALSE" => Some(Value::Bool(false)),
            _ => None,
        },
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(text),
        _ => None,
    }
}

fn number(text: &str) -> Option<Value> {
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let all = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
            return all.then(|| {
                i64::from_str_radix(digits, radix)
                    .map_or_else(|_| Value::Float(Arc::from(text)), Value::Integer)
            });
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let float = || Some(Value::Float(Arc::from(text)));
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return float(),
        ".nan" | ".NaN" | ".NAN" if unsigned.len() == text.len() => return float(),
        _ => {}
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let fraction_digits = fraction.unwrap_or_default();
    if !digits(whole) || !digits(fraction_digits) || whole.is_empty() && fraction_digits.is_empty()
    {
        return None;
    }
    if let Some(exponent) = exponent {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if exponent.is_empty() || !digits(exponent) {
            return None;
        }
        return float();
    }
    if fraction.is_some() {
        return float();
    }
    text.parse()
        .map_or_else(|_| float(), |integer| Some(Value::Integer(integer)))
}
