//! Patterns for names.

use std::fmt;
use std::str::FromStr;

use secrets_core::{Error, ErrorKind, MAX_NAME_BYTES, Result, SecretName, SourcePosition};

/// A pattern for the names of secrets: `db/*`, `team/**`.
///
/// `*` stands for any text within one segment, `**` for any number of whole segments: none or more in front and in the
/// middle, one or more at the end. A pattern has at most one `**`. `\*` and `\\` are the characters themselves; every other
/// character means itself.
#[derive(Debug, Clone)]
pub struct NameGlob {
    text: String,
    pub(super) before: Vec<Pattern>,
    /// What stands behind the `**`, where there is one.
    pub(super) after: Option<Vec<Pattern>>,
    position: Option<SourcePosition>,
}

impl NameGlob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for one that cannot match any name.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let (before, after) = parse(&text).map_err(|(what, hint)| {
            Error::new(
                ErrorKind::InvalidConfig,
                format!("the pattern {} matches no name: {what}", shown(&text)),
            )
            .with_hint(hint)
        })?;
        Ok(Self {
            text,
            before,
            after,
            position: None,
        })
    }

    /// With its place in the configuration.
    pub fn with_position(mut self, position: Option<SourcePosition>) -> Self {
        self.position = position;
        self
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it is written.
    pub fn position(&self) -> Option<&SourcePosition> {
        self.position.as_ref()
    }

    /// Whether the name is one that it stands for.
    pub fn matches(&self, name: &SecretName) -> bool {
        let segments: Vec<&str> = name.segments().collect();
        let all = |patterns: &[Pattern], segments: &[&str]| {
            let pairs = patterns.iter().zip(segments);
            pairs.into_iter().all(|(pattern, one)| pattern.matches(one))
        };
        match &self.after {
            None => segments.len() == self.before.len() && all(&self.before, &segments),
            Some(after) => {
                segments.len() >= self.least()
                    && all(&self.before, &segments)
                    && all(after, &segments[segments.len() - after.len()..])
            }
        }
    }

    /// The fewest segments of a name that it matches.
    pub(super) fn least(&self) -> usize {
        let after = self.after.as_ref();
        // Behind a `**` at the end there is something.
        let behind = after.map_or(0, |after| after.len().max(1));
        self.before.len() + behind
    }

    /// Whether it surely matches every name that the other one matches; `false` may be a lack of knowledge.
    pub(super) fn covers(&self, other: &Self) -> bool {
        if self.text == other.text {
            return true;
        }
        let Some(after) = &self.after else {
            return other.after.is_none()
                && self.before.len() == other.before.len()
                && covered(&self.before, &other.before);
        };
        if other.least() < self.least() || other.before.len() < self.before.len() {
            return false;
        }
        let ends: Vec<Pattern> = match &other.after {
            Some(ends) => ends.clone(),
            None => other.before.clone(),
        };
        ends.len() >= after.len()
            && covered(&self.before, &other.before)
            && covered(after, &ends[ends.len() - after.len()..])
    }
}

fn covered(wider: &[Pattern], narrower: &[Pattern]) -> bool {
    let mut pairs = wider.iter().zip(narrower);
    pairs.all(|(wide, narrow)| wide.is_any() || wide == narrow)
}

impl FromStr for NameGlob {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl fmt::Display for NameGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for NameGlob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NameGlob {}

/// One segment: the texts between which anything may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(pub(super) Vec<String>);

impl Pattern {
    /// The text, if it is nothing but one.
    pub(super) fn literal(&self) -> Option<&str> {
        match &self.0[..] {
            [text] => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_any(&self) -> bool {
        self.0.len() > 1 && self.0.iter().all(String::is_empty)
    }

    fn matches(&self, segment: &str) -> bool {
        let [first, middle @ .., last] = &self.0[..] else {
            return self.literal() == Some(segment);
        };
        let Some(mut rest) = segment
            .strip_prefix(first.as_str())
            .and_then(|rest| rest.strip_suffix(last.as_str()))
        else {
            return false;
        };
        middle.iter().all(|text| match rest.find(text.as_str()) {
            Some(at) => {
                rest = &rest[at + text.len()..];
                true
            }
            None => false,
        })
    }
}

type Parsed = (Vec<Pattern>, Option<Vec<Pattern>>);

fn parse(text: &str) -> Result<Parsed, (String, &'static str)> {
    const RULES: &str = "names have segments split by `/`, none of them empty, `.` or `..`; `*` stands for text within a segment, \
         `**` for whole segments, `\\*` for the character";
    let fails = |what: &str| Err((what.to_owned(), RULES));
    if text.is_empty() {
        return fails("it is empty");
    }
    if text.chars().any(char::is_control) {
        return fails("it holds a control character");
    }
    let mut before = Vec::new();
    let mut after: Option<Vec<Pattern>> = None;
    let mut least = 0;
    for segment in text.split('/') {
        match segment {
            "" => return fails("it has an empty segment"),
            "." | ".." => return fails("it has a segment `.` or `..`"),
            "**" if after.is_some() => {
                return fails("it has more than one `**`");
            }
            "**" => {
                after = Some(Vec::new());
                continue;
            }
            _ => {}
        }
        let pattern = pattern(segment).map_err(|what| (what, RULES))?;
        least += 1 + pattern.0.iter().map(String::len).sum::<usize>();
        after.as_mut().unwrap_or(&mut before).push(pattern);
    }
    if least > MAX_NAME_BYTES + 1 {
        return fails("names have at most 512 bytes");
    }
    Ok((before, after))
}

fn pattern(segment: &str) -> Result<Pattern, String> {
    let mut texts = vec![String::new()];
    let mut letters = segment.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '*' if letters.peek() == Some(&'*') => {
                return Err(format!(
                    "`**` stands for whole segments, not for a part of {}",
                    shown(segment)
                ));
            }
            '*' => texts.push(String::new()),
            '\\' => match letters.next() {
                Some(escaped @ ('*' | '\\')) => push(&mut texts, escaped),
                _ => return Err("a `\\` stands before `*` or `\\` only".to_owned()),
            },
            other => push(&mut texts, other),
        }
    }
    Ok(Pattern(texts))
}

fn push(texts: &mut [String], letter: char) {
    if let Some(last) = texts.last_mut() {
        last.push(letter);
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, name: &str) -> bool {
        NameGlob::new(glob)
            .unwrap()
            .matches(&SecretName::new(name).unwrap())
    }

    #[test]
    fn a_star_stays_within_its_segment() {
        for (glob, yes, no) in [
            ("db/password", "db/password", "db/password2"),
            ("db/*", "db/a", "db/a/b"),
            ("*", "a", "a/b"),
            ("a*c", "abc", "ac/c"),
            ("a*b*c", "axbxc", "axc"),
            ("a*a", "aa", "a"),
            ("*/x", "a/x", "x"),
            ("db/**", "db/a/b", "db"),
            ("**", "a/b/c", ""),
            ("**/x", "x", "a/xx"),
            ("**/x", "a/b/x", "x/a"),
            ("a/**/z", "a/z", "a"),
            ("a/**/z", "a/b/c/z", "a/b/c"),
            ("t/*/db/**", "t/a/db/x/y", "t/a/b/db/x"),
            (r"a\*b", "a*b", "axb"),
            (r"a\\b", r"a\b", "ab"),
        ] {
            assert!(matches(glob, yes), "{glob} {yes}");
            assert!(no.is_empty() || !matches(glob, no), "{glob} {no}");
        }
    }

    #[test]
    fn what_matches_no_name_is_refused_with_the_reason() {
        for (glob, why) in [
            ("", "empty"),
            ("/db", "empty segment"),
            ("db/", "empty segment"),
            ("a//b", "empty segment"),
            ("a/../b", "`..`"),
            ("a**", "whole segments"),
            ("**/a/**", "more than one"),
            (r"a\b", "before `*`"),
            ("a\n", "control"),
            (&"x".repeat(513), "512"),
        ] {
            let error = NameGlob::new(glob).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.message().contains(why), "{error}");
            assert!(error.hint().unwrap().contains("segments"));
        }
    }

    #[test]
    fn wider_patterns_cover_narrower_ones() {
        let covers = |wide: &str, narrow: &str| {
            NameGlob::new(wide)
                .unwrap()
                .covers(&NameGlob::new(narrow).unwrap())
        };
        for (wide, narrow) in [
            ("**", "db/*"),
            ("**", "x"),
            ("db/**", "db/a/**"),
            ("db/*", "db/x"),
            ("**/x", "a/x"),
            ("db/**", "db/*"),
        ] {
            assert!(covers(wide, narrow), "{wide} {narrow}");
        }
        for (wide, narrow) in [
            ("db/*", "db/**"),
            ("db/**", "**"),
            ("db/**", "api/*"),
            ("a/**/b", "a/**"),
            ("x", "*"),
            ("a/**", "a"),
        ] {
            assert!(!covers(wide, narrow), "{wide} {narrow}");
        }
    }
}
