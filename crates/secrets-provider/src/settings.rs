//! Settings and variables, read and refused alike by every provider.

use secrets_core::{Environment, Error, ErrorKind, Location, OpenContext, Result, SecretValue};

/// The environment variables that a provider may read: none if someone else chose the location.
#[derive(Debug, Clone, Copy)]
pub struct Ambient<'a>(Option<&'a Environment>);

impl<'a> Ambient<'a> {
    /// The variables that a provider may read in this context.
    pub fn for_context(context: &'a OpenContext) -> Self {
        let is_allowed = context.allow_ambient("the environment's settings").is_ok();
        Self(is_allowed.then_some(&context.environment))
    }

    /// The first of these variables that is set and not empty, and its name.
    pub fn variable<'n>(self, names: &[&'n str]) -> Option<(&'n str, &'a SecretValue)> {
        let environment = self.0?;
        names.iter().find_map(|name| {
            let value = environment.var(name)?;
            (!value.is_empty()).then_some((*name, value))
        })
    }

    /// The same, if it is text.
    pub fn text(self, names: &[&str]) -> Option<&'a str> {
        self.variable(names)?.1.expose_str().ok()
    }
}

/// Refuses more than one credential.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] with the names of those that are set.
pub fn at_most_one_credential(given: &[(&str, bool)]) -> Result<()> {
    let given: Vec<&str> = given
        .iter()
        .filter_map(|(name, is_given)| is_given.then_some(*name))
        .collect();
    if given.len() < 2 {
        return Ok(());
    }
    Err(
        invalid(format!("more than one credential: {}", given.join(", ")))
            .with_hint("keep the one to use"),
    )
}

/// `https`, or `http` if the location has `tls=off`.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] for another value of `tls`.
pub fn http_scheme(location: &Location) -> Result<&'static str> {
    match location.parameter("tls") {
        None | Some("on") => Ok("https"),
        Some("off") => Ok("http"),
        Some(_) => Err(
            invalid("`tls` in the location is neither `on` nor `off`".to_owned())
                .with_hint("leave it out for https, write `tls=off` for plain http"),
        ),
    }
}

/// The value of a setting that the chosen login needs.
///
/// # Errors
/// That of [`missing`].
pub fn required<T>(value: Option<T>, setting: &str) -> Result<T> {
    value.ok_or_else(|| missing(setting))
}

/// [`ErrorKind::InvalidConfig`]: the chosen login needs this setting.
pub fn missing(setting: &str) -> Error {
    invalid(format!("`{setting}` is missing")).with_hint("the chosen login needs it")
}

/// [`ErrorKind::InvalidConfig`]: two settings of a table exclude each other.
pub fn both(table: &str, one: &str, other: &str) -> Error {
    invalid(format!("`{table}` has both `{one}` and `{other}`")).with_hint("keep one of them")
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use secrets_core::AmbientCredentials;

    use super::*;

    fn context() -> OpenContext {
        let variables = [("A", &b""[..]), ("B", b"b"), ("C", b"\xff")];
        OpenContext::new("main").with_environment(variables.into_iter().collect())
    }

    #[test]
    fn the_first_variable_that_says_something_counts() {
        let context = context();
        let ambient = Ambient::for_context(&context);
        assert_eq!(
            ambient.variable(&["X", "A", "B", "C"]),
            Some(("B", &"b".into()))
        );
        assert_eq!(ambient.text(&["A", "B"]), Some("b"));
        assert_eq!(ambient.variable(&["X", "A"]), None);
        assert_eq!(
            ambient.variable(&["C"]).map(|(name, _)| name),
            Some("C"),
            "what is not text is there all the same"
        );
        assert_eq!(ambient.text(&["C"]), None);
    }

    #[test]
    fn a_config_of_somebody_else_hears_nothing() {
        let context = context().with_ambient(AmbientCredentials::Refused {
            config: "/repo/secrets.toml".into(),
        });
        assert_eq!(Ambient::for_context(&context).variable(&["B"]), None);
        assert_eq!(Ambient::for_context(&context).text(&["B"]), None);
    }

    #[test]
    fn a_location_is_of_https_unless_it_says_otherwise() {
        for (text, scheme) in [
            ("vault://h", Some("https")),
            ("vault://h?tls=on", Some("https")),
            ("vault://h?tls=off", Some("http")),
            ("vault://h?tls=no", None),
        ] {
            let found = http_scheme(&text.parse().unwrap());
            assert_eq!(found.ok(), scheme, "{text}");
        }
    }

    #[test]
    fn two_credentials_are_one_too_many() {
        at_most_one_credential(&[("token", false), ("jwt", false)]).unwrap();
        at_most_one_credential(&[("token", false), ("jwt", true)]).unwrap();
        let given = [("token", true), ("jwt", false), ("cert", true)];
        let failure = at_most_one_credential(&given).unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::InvalidConfig);
        assert_eq!(failure.message(), "more than one credential: token, cert");
        assert!(failure.hint().is_some());
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(required(Some(1), "jwt.role").unwrap(), 1);
        let failure = required::<u8>(None, "jwt.role").unwrap_err();
        assert_eq!(failure.message(), "`jwt.role` is missing");
    }
}
