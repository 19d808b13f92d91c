use std::ops::Range;
use std::sync::Arc;

use super::{
    BYTE_ORDER_MARK, Entry, Failure, MAX_DEPTH, Node, Style, Text, Value, first_duplicate,
};

/// Reads strict JSON (RFC 8259) in which no key of an object occurs twice.
pub(super) fn parse(text: &str) -> Result<Node, Failure> {
    let mut parser = Parser {
        text,
        bytes: text.as_bytes(),
        at: 0,
    };
    if text.starts_with(BYTE_ORDER_MARK) {
        parser.at = BYTE_ORDER_MARK.len_utf8();
    }
    parser.skip_space();
    let root = parser.value(0)?;
    parser.skip_space();
    if parser.at < parser.bytes.len() {
        return Err(parser.fail("expected the end of the document"));
    }
    Ok(root)
}

struct Parser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

impl Parser<'_> {
    fn fail(&self, message: &'static str) -> Failure {
        Failure::syntax(message, self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Failure> {
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(Text::new(self.string()?, Style::Json)),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(_) => return Err(self.fail("expected a value")),
            None => return Err(self.fail("expected a value, found the end of the document")),
        };
        Ok(Node::new(start..self.at, value))
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value, Failure> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.fail("expected a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn enter(&mut self, depth: usize) -> Result<usize, Failure> {
        if depth == MAX_DEPTH {
            return Err(Failure::too_deep(self.at));
        }
        self.at += 1;
        self.skip_space();
        Ok(depth + 1)
    }

    fn object(&mut self, depth: usize) -> Result<Value, Failure> {
        let depth = self.enter(depth)?;
        let mut entries = Vec::new();
        if self.take(b'}') {
            return Ok(Value::Table(Arc::new(entries)));
        }
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.fail("expected a key in double quotes"));
            }
            let key = self.string()?;
            let key_span = start..self.at;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.fail("expected `:` after the key"));
            }
            self.skip_space();
            let value = self.value(depth)?;
            entries.push(Entry {
                key,
                key_span,
                value,
            });
            self.skip_space();
            if self.take(b'}') {
                break;
            }
            if !self.take(b',') {
                return Err(self.fail("expected `,` or `}`"));
            }
            self.skip_space();
        }
        match first_duplicate(&entries) {
            Some(entry) => Err(Failure::duplicate(&entry.key, entry.key_span.start)),
            None => Ok(Value::Table(Arc::new(entries))),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Failure> {
        let depth = self.enter(depth)?;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Value::Array(Arc::new(items)));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::Array(Arc::new(items)));
            }
            if !self.take(b',') {
                return Err(self.fail("expected `,` or `]`"));
            }
            self.skip_space();
        }
    }

    fn digits(&mut self) -> Range<usize> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        start..self.at
    }

    fn number(&mut self) -> Result<Value, Failure> {
        let start = self.at;
        let mut whole = true;
        self.take(b'-');
        let digits = self.digits();
        if digits.is_empty() {
            return Err(self.fail("expected a digit"));
        }
        if digits.len() > 1 && self.bytes[digits.start] == b'0' {
            return Err(Failure::syntax(
                "a number must not start with a zero",
                digits.start,
            ));
        }
        if self.take(b'.') {
            whole = false;
            if self.digits().is_empty() {
                return Err(self.fail("expected a digit after the decimal point"));
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            whole = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits().is_empty() {
                return Err(self.fail("expected a digit in the exponent"));
            }
        }
        let source = &self.text[start..self.at];
        // The sign of a zero is no integer's to keep.
        let integer = (whole && source != "-0")
            .then(|| source.parse().ok())
            .flatten();
        Ok(integer.map_or_else(|| Value::Float(Arc::from(source)), Value::Integer))
    }

    fn string(&mut self) -> Result<String, Failure> {
        let open = self.at;
        self.at += 1;
        let mut decoded = String::new();
        let mut run = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    decoded.push_str(&self.text[run..self.at]);
                    self.at += 1;
                    return Ok(decoded);
                }
                Some(b'\\') => {
                    decoded.push_str(&self.text[run..self.at]);
                    decoded.push(self.escape()?);
                    run = self.at;
                }
                Some(0..=0x1f) => {
                    return Err(self.fail("control characters in strings must be escaped"));
                }
                Some(_) => self.at += 1,
                None => return Err(Failure::syntax("this string is never closed", open)),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Failure> {
        let start = self.at;
        self.at += 1;
        let letter = self.peek();
        self.at += 1;
        let character = match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => return Err(Failure::syntax("unknown escape in a string", start)),
        };
        Ok(character)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, Failure> {
        let lone = || Failure::syntax("a surrogate escape without its pair", start);
        let first = self.hex(start)?;
        let code = match first {
            0xd800..=0xdbff => {
                if !self.bytes[self.at..].starts_with(b"\\u") {
                    return Err(lone());
                }
                self.at += 2;
                match self.hex(start)? {
                    second @ 0xdc00..=0xdfff => {
                        0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    _ => return Err(lone()),
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(lone)
    }

    fn hex(&mut self, start: usize) -> Result<u32, Failure> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self
                .peek()
                .and_then(|byte| char::from(byte).to_digit(16))
                .ok_or_else(|| Failure::syntax("expected four hexadecimal digits", start))?;
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}
