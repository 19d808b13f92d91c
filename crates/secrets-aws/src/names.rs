//! Our names and those of the service, to and fro.

use secrets_core::{CanonicalName, Error, ErrorKind, NameMapping, NameRules, Result, SecretName};

use crate::limits::{MAX_FILTER_BYTES, MAX_NAME_BYTES};

/// What AWS takes in a name besides ASCII letters and digits (API reference, CreateSecret, Name).
const EXTRA: &str = "/_+=.@-";
const ESCAPE: char = '_';
/// How many random characters AWS appends to a name in an ARN, after a hyphen (IAM policy examples of AWS Secrets Manager).
const SUFFIX_CHARS: usize = 6;
/// What the translation of a name that AWS does not take begins with.
const TRANSLATED: &str = "x__";

const MAPPING: NameMapping = NameMapping::new(NameRules::new(EXTRA, ESCAPE, MAX_NAME_BYTES));

/// Whether AWS's own services made the name, such as `rds!db-…` (user guide, "Secrets managed by other AWS services"). Nobody
/// else can make a name with `!`, so such a name is never a translation of ours.
fn is_managed(name: &str) -> bool {
    let Some((service, rest)) = name.split_once('!') else {
        return false;
    };
    let is_service = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    service.starts_with(|first: char| first.is_ascii_lowercase())
        && service.bytes().all(is_service)
        && !rest.is_empty()
        && is_native(rest)
}

/// An Amazon Resource Name of a secret: `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
}

impl<'a> Arn<'a> {
    /// The parts, if this is an ARN of a secret and not a name.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(7, ':');
        let is_arn = parts.next() == Some("arn");
        let _partition = parts.next()?;
        let is_ours = parts.next() == Some("secretsmanager");
        let (region, account) = (parts.next()?, parts.next()?);
        let is_secret = parts.next() == Some("secret") && parts.next().is_some();
        (is_arn && is_ours && is_secret).then_some(Self { region, account })
    }
}

/// The names below a prefix.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    prefix: String,
}

/// What a listing is narrowed down by on the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// By nothing.
    All,
    /// By these beginnings of names; what comes back has to be looked at once more.
    BeginningWith(Vec<String>),
}

impl Names {
    /// Names that all begin with this text in AWS.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if AWS takes no such name.
    pub(crate) fn under(prefix: &str) -> Result<Self> {
        let is_legal = is_native(prefix) || is_managed(&format!("{prefix}x"));
        if !is_legal || prefix.len() >= MAX_NAME_BYTES {
            return Err(Error::invalid_config(
                "`secret_prefix` holds a character that no name in AWS has, or is too long",
            )
            .with_hint("names have ASCII letters, digits and the characters / _ + = . @ -"));
        }
        Ok(Self {
            prefix: prefix.to_owned(),
        })
    }

    /// What the service calls the secret. An ARN stays as it is.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if that is longer than AWS takes.
    pub(crate) fn id(&self, name: &SecretName) -> Result<String> {
        if Arn::parse(name.as_str()).is_some() {
            return Ok(name.as_str().to_owned());
        }
        let as_it_is = format!("{}{name}", self.prefix);
        let id = match is_managed(&as_it_is) {
            true => as_it_is,
            false => format!("{}{}", self.prefix, MAPPING.encode(name)?),
        };
        if id.len() > MAX_NAME_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidName,
                format!("the name is longer than the {MAX_NAME_BYTES} bytes that AWS takes, `secret_prefix` included"),
            )
            .with_name(name));
        }
        Ok(id)
    }

    /// Our name for what the service calls so; `None` for what lies outside the prefix or cannot be a name of ours.
    pub(crate) fn name(&self, id: &str) -> Option<SecretName> {
        let name = id.strip_prefix(&self.prefix)?;
        match is_managed(id) {
            true => SecretName::new(name).ok(),
            false => MAPPING.decode(name).ok(),
        }
    }

    /// Whether what the service calls so lies below the prefix.
    pub(crate) fn covers(&self, id: &str) -> bool {
        id.starts_with(&self.prefix)
    }

    /// The name that an ARN addresses. If its end may be the suffix that AWS appends, or the name's own, both readings count.
    pub(crate) fn canonical(&self, name: &SecretName) -> CanonicalName {
        if Arn::parse(name.as_str()).is_none() {
            return CanonicalName::AsAsked;
        }
        let id = name.as_str().splitn(7, ':').last().unwrap_or_default();
        let short = id.rsplit_once('-').filter(|(_, suffix)| {
            suffix.len() == SUFFIX_CHARS && suffix.chars().all(|c| c.is_ascii_alphanumeric())
        });
        let ids = [Some(id), short.map(|(id, _)| id)];
        let mut readings = ids.into_iter().flatten().filter_map(|id| self.name(id));
        match (readings.next(), readings.next()) {
            (None, _) => CanonicalName::AsAsked,
            (Some(one), None) => CanonicalName::Other(one),
            (Some(one), Some(other)) => CanonicalName::AnyOf(vec![one, other]),
        }
    }

    /// How the service is asked for the names that begin with a text.
    pub(crate) fn filter(&self, text: &str) -> Filter {
        if text.is_empty() {
            return match self.prefix.as_str() {
                "" => Filter::All,
                prefix => Filter::BeginningWith(vec![prefix.to_owned()]),
            };
        }
        let mut values = vec![format!("{}{TRANSLATED}", self.prefix)];
        if is_native(text) || is_managed(&format!("{}{text}x", self.prefix)) {
            values.push(format!("{}{text}", self.prefix));
        }
        values.retain(|value| value.len() <= MAX_FILTER_BYTES);
        Filter::BeginningWith(values)
    }
}

/// Whether AWS has such names.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && (is_native(text) || is_managed(text))
}

fn is_native(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || EXTRA.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    #[test]
    fn an_arn_is_known_by_the_names_that_it_may_address() {
        let names = Names::under("prod/").unwrap();
        let arn = |id: &str| name(&format!("arn:aws:secretsmanager:eu-west-1:1:secret:{id}"));
        for (asked, canonical) in [
            (name("db/password"), CanonicalName::AsAsked),
            (arn("prod/db"), CanonicalName::Other(name("db"))),
            (arn("prod/db-a-b"), CanonicalName::Other(name("db-a-b"))),
            (
                arn("prod/db-AbC123"),
                CanonicalName::AnyOf(vec![name("db-AbC123"), name("db")]),
            ),
            (arn("dev/db-AbC123"), CanonicalName::AsAsked),
        ] {
            assert_eq!(names.canonical(&asked), canonical, "{asked}");
        }
    }

    #[test]
    fn names_come_back() {
        let names = Names::under("/prod/").unwrap();
        for text in [
            "db/password",
            "OPENAI_API_KEY",
            "a b",
            "ключ",
            "x__a",
            "x__s",
            "a=b+c@d.e",
        ] {
            let id = names.id(&name(text)).unwrap();
            assert!(id.starts_with("/prod/") && is_native(&id), "{id}");
            assert_eq!(names.name(&id), Some(name(text)), "{id}");
        }
        assert_eq!(names.id(&name("db/password")).unwrap(), "/prod/db/password");
        assert_eq!(names.name("/dev/db"), None);
        assert_eq!(Names::default().name("/dev/db"), None);
    }

    #[test]
    fn a_name_that_a_service_of_aws_made_stays_as_it_is() {
        let managed = "rds!db-0b4e1a2c-1111-2222";
        let all = Names::default();
        assert_eq!(all.id(&name(managed)).unwrap(), managed);
        assert_eq!(all.name(managed), Some(name(managed)));
        assert_eq!(
            all.filter("rds!"),
            Filter::BeginningWith(vec!["x__".to_owned(), "rds!".to_owned()])
        );
        let rds = Names::under("rds!").unwrap();
        assert_eq!(rds.id(&name("db-1")).unwrap(), "rds!db-1");
        assert_eq!(rds.name(managed), Some(name("db-0b4e1a2c-1111-2222")));
        for (other, is_name) in [
            ("rds!", false),
            ("!db", false),
            ("Rds!db", false),
            ("a!b!c", false),
            ("events!connection/x/y", true),
        ] {
            assert_eq!(is_managed(other), is_name, "{other}");
        }
        let id = all.id(&name("a/b!c")).unwrap();
        assert!(is_native(&id));
        assert_eq!(all.name(&id), Some(name("a/b!c")));
    }

    #[test]
    fn an_arn_stays_as_it_is() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app/db-AbCdEf";
        assert_eq!(Names::under("p/").unwrap().id(&name(arn)).unwrap(), arn);
        assert_eq!(
            Arn::parse(arn),
            Some(Arn {
                region: "eu-west-1",
                account: "123456789012"
            })
        );
        for other in [
            "arn:aws:s3:::bucket",
            "arn",
            "arn:aws:secretsmanager:r:a:other:x",
            "app/db",
        ] {
            assert_eq!(Arn::parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_aws_does_not_take_is_refused() {
        assert_eq!(
            Names::under("a b").unwrap_err().kind(),
            ErrorKind::InvalidConfig
        );
        let long = Names::under(&"p".repeat(500)).unwrap();
        assert_eq!(
            long.id(&name("0123456789abc")).unwrap_err().kind(),
            ErrorKind::InvalidName
        );
        assert_eq!(long.id(&name("0123456789ab")).unwrap().len(), 512);
    }

    #[test]
    fn a_listing_is_narrowed_down_on_the_server() {
        let (all, some) = (Names::default(), Names::under("app/").unwrap());
        assert_eq!(all.filter(""), Filter::All);
        let beginning = |values: &[&str]| {
            Filter::BeginningWith(values.iter().map(|value| (*value).to_owned()).collect())
        };
        assert_eq!(some.filter(""), beginning(&["app/"]));
        assert_eq!(some.filter("db/"), beginning(&["app/x__", "app/db/"]));
        assert_eq!(all.filter("!a"), beginning(&["x__"]));
    }
}
