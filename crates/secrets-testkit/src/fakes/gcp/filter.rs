//! The language of `filter`: `name:db AND (labels.env=prod OR NOT labels:env) AND create_time>"2026-01-01T00:00:00Z"`.

use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::error::ApiError;
use super::format::parse_duration;
use super::schema::{Schema, camel};

/// Decides which resources of a list are shown.
#[derive(Debug, PartialEq)]
pub(super) struct Filter(Expression);

#[derive(Debug, PartialEq)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    /// A word on its own looks at the name.
    Word(String),
    Compare {
        path: Vec<String>,
        operator: Operator,
        value: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Has,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// An empty text lets everything through. `schema` has the fields that may be asked for.
    pub(super) fn parse(text: &str, schema: &Schema) -> Result<Self, ApiError> {
        let mut parser = Parser { rest: text, schema };
        let parsed = parser.expression().and_then(|parsed| {
            parser.space();
            parser.rest.is_empty().then_some(parsed)
        });
        parsed
            .map(Self)
            .ok_or_else(|| ApiError::invalid_argument(format!("The filter [{text}] is invalid.")))
    }

    /// Whether a resource, in JSON, is let through.
    pub(super) fn fits(&self, item: &Value) -> bool {
        self.0.fits(item)
    }
}

impl Expression {
    fn fits(&self, item: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.fits(item)),
            Self::Any(parts) => parts.iter().any(|part| part.fits(item)),
            Self::Not(part) => !part.fits(item),
            Self::Word(word) => has(&item["name"], word),
            Self::Compare {
                path,
                operator: Operator::NotEqual,
                value,
            } => !found(item, path)
                .iter()
                .any(|found| compare(found, value) == Some(Ordering::Equal)),
            Self::Compare {
                path,
                operator,
                value,
            } => found(item, path).iter().any(|found| match operator {
                Operator::Has => has(found, value),
                Operator::Equal => compare(found, value) == Some(Ordering::Equal),
                Operator::Less => compare(found, value) == Some(Ordering::Less),
                Operator::LessOrEqual => matches!(
                    compare(found, value),
                    Some(Ordering::Less | Ordering::Equal)
                ),
                Operator::Greater => compare(found, value) == Some(Ordering::Greater),
                Operator::GreaterOrEqual => {
                    matches!(
                        compare(found, value),
                        Some(Ordering::Greater | Ordering::Equal)
                    )
                }
                Operator::NotEqual => false,
            }),
        }
    }
}

/// What lies at `path`; every member of a list on the way is looked into.
fn found<'a>(item: &'a Value, path: &[String]) -> Vec<&'a Value> {
    match (item, path) {
        (Value::Array(items), _) => items.iter().flat_map(|item| found(item, path)).collect(),
        (_, []) => vec![item],
        (Value::Object(members), [first, rest @ ..]) => members
            .get(first)
            .or_else(|| members.get(&camel(first)))
            .map(|item| found(item, rest))
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn has(value: &Value, wanted: &str) -> bool {
    match value {
        _ if wanted == "*" => true,
        Value::String(text) => text.to_lowercase().contains(&wanted.to_lowercase()),
        Value::Object(members) => members.contains_key(wanted),
        other => compare(other, wanted) == Some(Ordering::Equal),
    }
}

/// As times, as durations, as numbers, else as texts.
fn compare(value: &Value, wanted: &str) -> Option<Ordering> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return None,
    };
    if let (Ok(one), Ok(other)) = (text.parse::<Timestamp>(), wanted.parse::<Timestamp>()) {
        return Some(one.cmp(&other));
    }
    if let (Some(one), Some(other)) = (parse_duration(&text), duration(wanted)) {
        return Some(one.cmp(&other));
    }
    if let (Ok(one), Ok(other)) = (text.parse::<i64>(), wanted.parse::<i64>()) {
        return Some(one.cmp(&other));
    }
    Some(text.as_str().cmp(wanted))
}

/// `30d`, `12h`, `5m` or seconds.
fn duration(text: &str) -> Option<SignedDuration> {
    let hours = |unit: char, each: i64| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(SignedDuration::from_secs(count.checked_mul(each)?))
    };
    parse_duration(text)
        .or_else(|| hours('d', 86_400))
        .or_else(|| hours('h', 3600))
        .or_else(|| hours('m', 60))
}

struct Parser<'a> {
    rest: &'a str,
    schema: &'a Schema,
}

impl Parser<'_> {
    /// `OR` binds closer than `AND`, and what only stands side by side is joined by `AND`.
    fn expression(&mut self) -> Option<Expression> {
        let mut parts = Vec::new();
        loop {
            self.space();
            if self.rest.is_empty() || self.rest.starts_with(')') {
                break;
            }
            if self.keyword("AND") && parts.is_empty() {
                return None;
            }
            parts.push(self.alternatives()?);
        }
        Some(Expression::All(parts))
    }

    fn alternatives(&mut self) -> Option<Expression> {
        let mut parts = vec![self.term()?];
        while self.keyword("OR") {
            parts.push(self.term()?);
        }
        if parts.len() == 1 {
            parts.pop()
        } else {
            Some(Expression::Any(parts))
        }
    }

    fn term(&mut self) -> Option<Expression> {
        if self.keyword("NOT") || self.eat("-") {
            return Some(Expression::Not(Box::new(self.term()?)));
        }
        if self.eat("(") {
            let inner = self.expression()?;
            return self.eat(")").then_some(inner);
        }
        self.restriction()
    }

    fn restriction(&mut self) -> Option<Expression> {
        let (word, quoted) = self.word(&[':', '=', '<', '>', '!'])?;
        let operators = [
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
            ("=", Operator::Equal),
            (":", Operator::Has),
        ];
        let Some((_, operator)) = operators.into_iter().find(|(sign, _)| self.eat(sign)) else {
            return Some(Expression::Word(word));
        };
        let path: Vec<String> = word.split('.').map(str::to_owned).collect();
        // A field that does not exist is a mistake of the caller's, not an empty list.
        if quoted || self.schema.find(&path[0]).is_none() {
            return None;
        }
        let compare = |value| Expression::Compare {
            path: path.clone(),
            operator,
            value,
        };
        if !self.eat("(") {
            return self.word(&[]).map(|(value, _)| compare(value));
        }
        let mut values = vec![compare(self.word(&[])?.0)];
        while self.keyword("OR") {
            values.push(compare(self.word(&[])?.0));
        }
        self.eat(")").then_some(Expression::Any(values))
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, text: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A keyword is upper case and ends where a word ends.
    fn keyword(&mut self, keyword: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(keyword) {
            Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t', '(']) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// In quotes, or up to a space, a bracket or one of `ends`. Tells whether it was quoted.
    fn word(&mut self, ends: &[char]) -> Option<(String, bool)> {
        self.space();
        if let Some(quote) = self
            .rest
            .chars()
            .next()
            .filter(|first| matches!(first, '"' | '\''))
        {
            let mut word = String::new();
            let mut letters = self.rest.char_indices().skip(1);
            while let Some((at, letter)) = letters.next() {
                match letter {
                    '\\' => word.push(letters.next()?.1),
                    letter if letter == quote => {
                        self.rest = &self.rest[at + 1..];
                        return Some((word, true));
                    }
                    letter => word.push(letter),
                }
            }
            return None;
        }
        let ends_here = |letter: char| {
            letter.is_whitespace()
                || matches!(letter, '(' | ')' | '"' | '\'')
                || ends.contains(&letter)
        };
        let end = self.rest.find(ends_here).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then(|| (word.to_owned(), false))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fakes::gcp::messages::SECRET;

    fn fits(filter: &str) -> bool {
        let item = json!({
            "name": "projects/1/secrets/db-Password",
            "createTime": "2026-03-01T00:00:00.000000Z",
            "labels": {"env": "prod", "team_a": "x"},
            "topics": [{"name": "projects/p/topics/t"}],
            "rotation": {"rotationPeriod": "2592000s"},
            "replication": {"userManaged": {"replicas": [{"location": "us-central1"}, {"location": "us-east1"}]}},
            "versionAliases": {"stable": "12"},
        });
        Filter::parse(filter, &SECRET).unwrap().fits(&item)
    }

    #[test]
    fn what_the_service_documents() {
        for filter in [
            "",
            "name:password",
            "password",
            "name:x OR name:db",
            "labels.env=prod",
            "labels:env AND labels.team_a:*",
            "NOT labels:stage",
            "-labels:stage",
            "create_time>\"2026-01-01T00:00:00Z\" AND createTime<2026-04-01T00:00:00Z",
            "replication.user_managed.replicas.location=us-east1",
            "replication.userManaged:*",
            "rotation.rotation_period>=30d",
            "topics:*",
            "labels.env:(stage OR prod)",
            "labels.env!=stage",
            "name:db labels.env=prod",
            "versionAliases.stable>9",
            // OR binds closer than AND.
            "name:db OR name:x AND labels.env=prod",
        ] {
            assert!(fits(filter), "{filter}");
        }
        for filter in [
            "name:other",
            "labels.env=pro",
            "labels.env=PROD",
            "expire_time:*",
            "NOT (name:db OR name:x)",
            "rotation.rotation_period>30d",
            "name:db AND labels.env=stage",
            "name:db OR name:x AND labels.env=stage",
            "replication.automatic:*",
        ] {
            assert!(!fits(filter), "{filter}");
        }
    }

    #[test]
    fn what_is_no_filter() {
        for filter in [
            "nothing:x",
            "name:",
            "(name:x",
            "name:x)",
            "AND name:x",
            "name:\"x",
            "name:x OR",
            "NOT",
            "labels.env:(a OR",
        ] {
            assert!(Filter::parse(filter, &SECRET).is_err(), "{filter}");
        }
    }
}
