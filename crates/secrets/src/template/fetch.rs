//! Rendering through a handle: the secrets that a template names are fetched together before it is rendered.

use std::cell::RefCell;
use std::collections::HashMap;

use secrets_core::{Error, ErrorKind, Result, SecretRef, SecretValue};
use zeroize::Zeroizing;

use super::Template;
use crate::Secrets;

impl Secrets {
    /// Renders a template with the secrets that it names; `extra` are further variables.
    ///
    /// Secrets whose keys the template computes are fetched when they are met, and rendering starts again then: once for
    /// each group of keys that could not be known before.
    ///
    /// # Errors
    /// What is wrong with the template or a secret, with line and column.
    pub async fn render_template(
        &self,
        template: &Template,
        extra: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Result<Zeroizing<String>> {
        let mut values = HashMap::new();
        let mut wanted = template.references().to_vec();
        loop {
            self.fetch_keys(&wanted, &mut values).await;
            let met = RefCell::new(Vec::new());
            let lookup = |key: &str| -> Result<Option<SecretValue>> {
                values.get(key).cloned().unwrap_or_else(|| {
                    met.borrow_mut().push(key.to_owned());
                    Err(Error::new(
                        ErrorKind::Unexpected,
                        "a key was met that is not fetched yet",
                    ))
                })
            };
            let rendered = template.render(&lookup, extra);
            wanted = met.into_inner();
            if rendered.is_ok() || wanted.is_empty() {
                return rendered;
            }
        }
    }

    async fn fetch_keys(
        &self,
        keys: &[String],
        values: &mut HashMap<String, Result<Option<SecretValue>>>,
    ) {
        let (mut asked, mut references) = (Vec::new(), Vec::new());
        for key in keys {
            match key.parse::<SecretRef>() {
                Ok(reference) => {
                    asked.push(key);
                    references.push(reference);
                }
                Err(error) => {
                    values.insert(key.clone(), Err(error));
                }
            }
        }
        for (key, answer) in asked.into_iter().zip(self.get_many(&references).await) {
            let value = match answer {
                Ok(answer) => Ok(Some(answer.secret.value)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
            values.insert(key.clone(), value);
        }
    }
}
