use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use super::error::ApiError;
use super::filter::Filter;
use super::schema::Schema;
use super::service::Call;

pub(super) struct Page {
    pub(super) items: Vec<Value>,
    pub(super) next: Option<String>,
    /// Of all pages; 0 behind a filter, as the service has it.
    pub(super) total: usize,
}

/// The page that is asked for, of `all` in the order of their falling numbers; `schema` is that of one item.
pub(super) fn page(
    call: &Call<'_>,
    schema: &Schema,
    all: Vec<(u64, Value)>,
) -> Result<Page, ApiError> {
    let text = |name: &str| {
        call.query
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let filter = text("filter");
    let token = Token {
        question: question(&call.target.resource(), filter),
        below: u64::MAX,
    };
    let below = match text("pageToken") {
        "" => u64::MAX,
        sent => token.read(sent)?,
    };
    let size = match call
        .query
        .get("pageSize")
        .and_then(Value::as_i64)
        .unwrap_or(0)
    {
        size @ ..0 => {
            return Err(ApiError::invalid_argument(format!(
                "The page size [{size}] must not be negative."
            )));
        }
        0 => call.page_limit,
        size => usize::try_from(size)
            .unwrap_or(usize::MAX)
            .min(call.page_limit),
    };
    let total = if filter.is_empty() { all.len() } else { 0 };
    let filter = Filter::parse(filter, schema)?;
    let mut left = all
        .into_iter()
        .filter(|(number, item)| *number < below && filter.fits(item))
        .peekable();
    let mut items = Vec::new();
    let mut last = 0;
    while items.len() < size {
        let Some((number, item)) = left.next() else {
            break;
        };
        last = number;
        items.push(item);
    }
    let next = left.peek().map(|_| {
        Token {
            below: last,
            ..token
        }
        .write()
    });
    Ok(Page { items, next, total })
}

/// Where the next page begins, good for one question only.
struct Token {
    question: u64,
    below: u64,
}

impl Token {
    fn write(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{:x}.{:x}", self.question, self.below))
    }

    fn read(&self, sent: &str) -> Result<u64, ApiError> {
        let below = || {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(sent).ok()?;
            let (question, below) = std::str::from_utf8(&bytes).ok()?.split_once('.')?;
            let same = u64::from_str_radix(question, 16) == Ok(self.question);
            u64::from_str_radix(below, 16).ok().filter(|_| same)
        };
        below().ok_or_else(|| ApiError::invalid_argument("The page token is invalid."))
    }
}

fn question(parent: &str, filter: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (parent, filter).hash(&mut hasher);
    hasher.finish()
}
