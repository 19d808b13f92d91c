use std::ops::Range;

/// A key that the text of a template names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyUse {
    pub(super) key: String,
    /// The byte at which its expression starts.
    pub(super) offset: usize,
}

/// Finds `secrets.KEY`, `secrets["KEY"]`, `secrets.get("KEY"…)` and `secrets.has("KEY")` in the tags of a template.
///
/// It only has to find what is worth fetching early: what it misses is looked up later, and what it finds too much (the
/// name may be bound to something else) is fetched in vain.
pub(super) fn scan(source: &str) -> Vec<KeyUse> {
    let mut uses = Vec::new();
    let mut at = 0;
    while let Some(length) = source[at..].find('{') {
        let open = at + length;
        at = match source.as_bytes().get(open + 1) {
            Some(b'#') => source[open..]
                .find("#}")
                .map_or(source.len(), |length| open + length + 2),
            Some(b'{' | b'%') => {
                let (tokens, end) = tokens(source, open + 2);
                let first = tokens.first().and_then(|token| source.get(token.clone()));
                if first == Some("raw") {
                    end_of_raw(source, end)
                } else {
                    find_uses(source, &tokens, &mut uses);
                    end
                }
            }
            _ => open + 1,
        };
    }
    uses
}

/// The offset after `{% endraw %}`.
fn end_of_raw(source: &str, from: usize) -> usize {
    source[from..]
        .match_indices("{%")
        .map(|(at, _)| from + at + 2)
        .find(|inside| {
            let word = source[*inside..]
                .trim_start_matches(['-', '+'])
                .trim_start();
            word.starts_with("endraw")
        })
        .map_or(source.len(), |inside| tokens(source, inside).1)
}

/// The tokens of a tag whose inside starts at `at`, and the offset after the tag. The sign that trims space is no token.
fn tokens(source: &str, mut at: usize) -> (Vec<Range<usize>>, usize) {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let mut braces = 0usize;
    if let Some(b'-' | b'+') = bytes.get(at) {
        at += 1;
    }
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1);
        let start = at;
        at += 1;
        match byte {
            b'"' | b'\'' => {
                while let Some(inside) = bytes.get(at) {
                    at += if *inside == b'\\' { 2 } else { 1 };
                    if inside == byte {
                        break;
                    }
                }
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
                at += bytes[at..].iter().take_while(word).count();
            }
            b'{' => braces += 1,
            b'}' if braces > 0 => braces -= 1,
            b'}' | b'%' if next == Some(&b'}') => return (tokens, at + 1),
            _ if byte.is_ascii_whitespace() => continue,
            _ => {}
        }
        at = at.min(bytes.len());
        tokens.push(start..at);
    }
    (tokens, bytes.len())
}

fn find_uses(source: &str, tokens: &[Range<usize>], uses: &mut Vec<KeyUse>) {
    let text = |index: usize| {
        tokens
            .get(index)
            .and_then(|token| source.get(token.clone()))
    };
    let string = |index: usize| {
        let quoted = text(index)?;
        let inside = quoted
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .or_else(|| quoted.strip_prefix('\'')?.strip_suffix('\''))?;
        (!inside.contains('\\')).then_some(inside)
    };
    for (index, token) in tokens.iter().enumerate() {
        let attribute = index > 0 && text(index - 1) == Some(".");
        if attribute || text(index) != Some("secrets") {
            continue;
        }
        let key = match (text(index + 1), text(index + 2)) {
            (Some("."), Some("get" | "has")) if text(index + 3) == Some("(") => string(index + 4),
            (Some("."), Some(name))
                if name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') =>
            {
                Some(name)
            }
            (Some("["), Some(_)) if text(index + 3) == Some("]") => string(index + 2),
            _ => None,
        };
        if let Some(key) = key {
            uses.push(KeyUse {
                key: key.to_owned(),
                offset: token.start,
            });
        }
    }
}
