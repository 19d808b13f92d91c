//! Pages of a listing that the provider holds in memory.

use secrets_core::{Error, PageToken, Result};

/// The part of `items` that follows the page token, at most `size` of them, and the token of the rest: the `key` of the
/// last item.
///
/// # Errors
/// [`Error::invalid_page_token`] if no item has the token as its key.
pub fn page_after<'i, T>(
    items: &'i [T],
    token: Option<&PageToken>,
    size: Option<usize>,
    key: impl Fn(&T) -> &str,
) -> Result<(&'i [T], Option<PageToken>)> {
    let start = match token {
        None => 0,
        Some(token) => items
            .iter()
            .position(|item| key(item) == token.as_str())
            .map(|at| at + 1)
            .ok_or_else(Error::invalid_page_token)?,
    };
    let rest = &items[start..];
    let page = &rest[..rest.len().min(size.map_or(usize::MAX, |size| size.max(1)))];
    let next = match page.last() {
        Some(last) if page.len() < rest.len() => Some(PageToken::new(key(last))),
        _ => None,
    };
    Ok((page, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn following_the_tokens_lists_everything_once() {
        let items: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        for size in [None, Some(0), Some(1), Some(3), Some(7), Some(9)] {
            let (mut seen, mut token) = (Vec::new(), None);
            loop {
                let (page, next) = page_after(&items, token.as_ref(), size, |one| one).unwrap();
                seen.extend_from_slice(page);
                token = next;
                if token.is_none() {
                    break;
                }
            }
            assert_eq!(seen, items, "{size:?}");
        }
    }

    #[test]
    fn a_foreign_token_is_refused() {
        let token = PageToken::new("x");
        let failure = page_after(&["a"], Some(&token), None, |one| one).unwrap_err();
        assert_eq!(failure.message(), "invalid page token");
    }
}
