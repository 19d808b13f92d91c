//! Rendering through a handle: the secrets that a template names are fetched together before it is rendered.

use std::collections::HashMap;
use std::thread;

use secrets_core::{Error, ErrorKind, Result, SecretRef};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::{Answer, Template};
use crate::Secrets;

/// A key that a template met while it was rendered.
struct Question {
    key: String,
    answer: oneshot::Sender<Answer>,
}

impl Question {
    /// Asks and waits; not on a thread of the runtime.
    fn put(ask: &mpsc::UnboundedSender<Self>, key: &str) -> Answer {
        let (answer, answered) = oneshot::channel();
        let key = key.to_owned();
        ask.send(Self { key, answer }).map_err(|_| interrupted())?;
        answered.blocking_recv().map_err(|_| interrupted())?
    }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Unexpected, "rendering was interrupted")
}

impl Secrets {
    /// Renders a template with the secrets that it names; `extra` are further variables.
    ///
    /// Secrets whose keys the template computes are fetched one by one, when they are met.
    ///
    /// # Errors
    /// What is wrong with the template or a secret, with line and column.
    pub async fn render_template(
        &self,
        template: &Template,
        extra: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Result<Zeroizing<String>> {
        let mut known = HashMap::new();
        self.fetch_keys(template.references(), &mut known).await;

        let (ask, mut asked) = mpsc::unbounded_channel::<Question>();
        let (done, rendered) = oneshot::channel();
        let (template, extra) = (template.clone(), extra.cloned());
        let render = move || {
            let lookup = |key: &str| match known.get(key) {
                Some(answer) => answer.clone(),
                None => Question::put(&ask, key),
            };
            // Nobody waits for it any more if the caller gave up.
            let _ = done.send(template.render(&lookup, extra.as_ref()));
        };
        thread::Builder::new()
            .name("render".to_owned())
            .spawn(render)
            .map_err(|error| {
                Error::new(ErrorKind::Unexpected, "no thread to render a template on")
                    .with_source(error)
            })?;
        // Ends when the thread does: it owns the other end.
        while let Some(Question { key, answer }) = asked.recv().await {
            let mut found = HashMap::new();
            self.fetch_keys(std::slice::from_ref(&key), &mut found)
                .await;
            let _ = answer.send(found.remove(&key).unwrap_or(Ok(None)));
        }
        rendered.await.unwrap_or_else(|_| Err(interrupted()))
    }

    async fn fetch_keys(&self, keys: &[String], values: &mut HashMap<String, Answer>) {
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
