//! Rendering with a [`Lookup`]: the secrets that the templates name are read together before the first one is rendered.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use secrets_core::{Error, ErrorKind, Result, SecretRef};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::{Answer, Template};
use crate::Lookup;

/// A key that a template meets while it is rendered.
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

/// Renders templates, in their order; `extra` are further variables.
///
/// One batch reads the secrets that the templates name. Secrets whose keys a template computes are read one by one, when
/// the template meets them.
///
/// # Errors
/// The first thing that is wrong with a template or a secret, with line and column.
pub async fn render_templates<L: Lookup>(
    lookup: &L,
    templates: &[Template],
    extra: Option<&serde_json::Map<String, serde_json::Value>>,
) -> Result<Vec<Zeroizing<String>>> {
    let mut known = HashMap::new();
    let keys = templates.iter().flat_map(Template::references);
    read(lookup, keys, &mut known).await;

    let (ask, mut asked) = mpsc::unbounded_channel::<Question>();
    let (done, rendered) = oneshot::channel();
    let (templates, extra) = (templates.to_vec(), extra.cloned());
    let known = Arc::new(known);
    let render = move || {
        let lookup = |key: &str| match known.get(key) {
            Some(answer) => answer.clone(),
            None => Question::put(&ask, key),
        };
        let templates = templates.iter();
        let texts = templates.map(|template| template.render(&lookup, extra.as_ref()));
        // Nobody waits for it if the caller gave up.
        let _ = done.send(texts.collect());
    };
    thread::Builder::new()
        .name("render".to_owned())
        .spawn(render)
        .map_err(|error| {
            Error::new(ErrorKind::Unexpected, "cannot start a thread for templates")
                .with_source(error)
        })?;
    // Ends when the thread does: it owns the other end.
    while let Some(Question { key, answer }) = asked.recv().await {
        let mut found = HashMap::new();
        read(lookup, [&key], &mut found).await;
        let _ = answer.send(found.remove(&key).unwrap_or(Ok(None)));
    }
    rendered.await.unwrap_or_else(|_| Err(interrupted()))
}

async fn read<L: Lookup>(
    lookup: &L,
    keys: impl IntoIterator<Item = &String>,
    answers: &mut HashMap<String, Answer>,
) {
    let (mut asked, mut references) = (Vec::new(), Vec::new());
    for key in keys {
        if answers.contains_key(key) {
            continue;
        }
        // Taken, so a second template that names the key adds nothing.
        answers.insert(key.clone(), Ok(None));
        match key.parse::<SecretRef>() {
            Ok(reference) => {
                asked.push(key);
                references.push(reference);
            }
            Err(error) => {
                answers.insert(key.clone(), Err(error));
            }
        }
    }
    for (key, value) in asked.into_iter().zip(lookup.get_many(&references).await) {
        let answer = match value {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        answers.insert(key.clone(), answer);
    }
}
