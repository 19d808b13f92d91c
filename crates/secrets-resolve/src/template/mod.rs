//! `{{ secrets.KEY }}`: templates (Jinja syntax) with the secrets in them.

mod keys;
mod rendering;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Object, ObjectRepr, from_args};
use minijinja::{AutoEscape, Environment, State, UndefinedBehavior, Value};
use secrets_core::{Error, ErrorKind, Result, SecretName, SecretValue, SourcePosition};
use zeroize::Zeroizing;

use crate::document::LineIndex;
use crate::zeroizing_writer::ZeroizingWriter;
use keys::KeyUse;

pub use rendering::render_templates;

/// The name under which the engine knows the one template of an environment.
const ENTRY: &str = "template";

/// A template in Jinja's syntax, in which `secrets` is the one thing defined.
///
/// `{{ secrets.KEY }}` and `{{ secrets["db/password"] }}` are values, and errors if there is none;
/// `{{ secrets.get("KEY", "default") }}` has a default, and `{% if secrets.has("KEY") %}` asks. Nothing is escaped, a
/// final line break stays, and a name that is not defined is an error.
///
/// While it renders, the engine holds values in memory that is not wiped; the result is.
///
/// ```
/// use polysecrets_resolve::Template;
/// use secrets_core::{Result, SecretValue};
///
/// let template = Template::parse("app.conf", "password = {{ secrets.DB_PASSWORD }}\n")?;
/// assert_eq!(template.references(), ["DB_PASSWORD"]);
///
/// let lookup = |key: &str| -> Result<Option<SecretValue>> {
///     Ok((key == "DB_PASSWORD").then(|| "hunter2".into()))
/// };
/// assert_eq!(*template.render(&lookup, None)?, "password = hunter2\n");
/// # Ok::<(), secrets_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Template {
    environment: Environment<'static>,
    name: Arc<str>,
    source: Arc<str>,
    uses: Arc<[KeyUse]>,
    references: Arc<[String]>,
}

impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Template")
            .field("name", &self.name)
            .field("references", &self.references)
            .finish_non_exhaustive()
    }
}

impl Template {
    /// Reads a template. `name` is what errors call it, a file's path for example.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] with the place, if the syntax is wrong.
    pub fn parse(name: &str, source: &str) -> Result<Self> {
        let uses = keys::scan(source);
        let mut references = Vec::new();
        let mut known = HashSet::new();
        for used in &uses {
            if known.insert(used.key.as_str()) {
                references.push(used.key.clone());
            }
        }
        let mut template = Self {
            environment: Environment::new(),
            name: name.into(),
            source: source.into(),
            references: references.into(),
            uses: uses.into(),
        };
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
        if let Ok(syntax) = syntax {
            template.environment.set_syntax(syntax);
        }
        template
            .environment
            .set_auto_escape_callback(|_| AutoEscape::None);
        template
            .environment
            .set_undefined_behavior(UndefinedBehavior::Strict);
        // It would print the engine's state, values included.
        template.environment.remove_global("debug");
        template
            .environment
            .add_template_owned(ENTRY, source.to_owned())
            .map_err(|error| template.failure(&error))?;
        Ok(template)
    }

    /// The keys that the template's text names, each once, in their order: what to fetch before it is rendered. A key
    /// that the template computes is not among them, and is looked up when it is met.
    pub fn references(&self) -> &[String] {
        &self.references
    }

    /// Renders the template, with `extra` as further variables; `secrets` hides one of that name.
    ///
    /// `lookup` returns the value of a key, a declared secret's name or a reference, and `None` if there is no such secret.
    /// This thread calls it once a key: first for each of [`references`](Self::references), then for each key that the
    /// template computes. The error of a key that the template does not use is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a missing secret, the errors of `lookup`, [`ErrorKind::InvalidValue`] for a value that
    /// is not text, [`ErrorKind::InvalidConfig`] for a fault of the template; each with line and column.
    pub fn render(
        &self,
        lookup: &LookupFn<'_>,
        extra: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Result<Zeroizing<String>> {
        let known = self
            .references
            .iter()
            .map(|key| (key.clone(), look_up(lookup, key)))
            .collect::<HashMap<_, _>>();
        let (ask, asked) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let session = Arc::new(Mutex::new(Session {
            known,
            ask: ask.clone(),
            answers,
            failure: None,
        }));
        let secrets = Value::from_object(SecretsObject(Arc::clone(&session)));
        // The engine wants what it calls to live as long as it likes; a lookup lives only for this call. So the engine
        // runs beside it, and asks. The channel's ends move in, so that a lookup that panics leaves the engine no one to
        // wait for.
        let rendered = thread::scope(move |scope| {
            let engine = move || {
                let _finished = Finished(ask);
                self.run(secrets, extra)
            };
            let engine = thread::Builder::new()
                .name("template".to_owned())
                .stack_size(STACK)
                .spawn_scoped(scope, engine)
                .map_err(|error| {
                    Error::new(ErrorKind::Unexpected, "no thread for the template engine")
                        .with_source(error)
                })?;
            while let Ok(Message::LookUp(key)) = asked.recv() {
                // The engine waits for it.
                let _ = answer.send(look_up(lookup, &key));
            }
            engine
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let failure = lock(&session).failure.take();
        rendered.map_err(|error| match failure {
            Some((key, failure)) => {
                let line = error.position().map_or(1, |position| position.line);
                failure.with_position(self.position_of(line, Some(&key)))
            }
            None => error,
        })
    }

    fn run(
        &self,
        secrets: Value,
        extra: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Result<Zeroizing<String>> {
        let context = extra
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), to_value(value)))
            .chain([("secrets", secrets)])
            .collect::<BTreeMap<_, _>>();
        let mut sink = Sink(ZeroizingWriter::with_capacity(self.source.len()));
        self.environment
            .get_template(ENTRY)
            .and_then(|template| {
                template
                    .render_captured_to(Value::from_pairs(context), &mut sink)
                    .map(drop)
            })
            .map_err(|error| self.failure(&error))?;
        Ok(sink.0.into_inner())
    }

    /// Our words for the engine's complaint. Its own may hold values where an operation fails on one.
    fn failure(&self, error: &minijinja::Error) -> Error {
        use minijinja::ErrorKind as Kind;

        let detail = error.detail().filter(|detail| {
            const LONGEST_SHOWN: usize = 160;
            detail.len() <= LONGEST_SHOWN && !detail.contains(char::is_control)
        });
        let (message, hint) = match (error.kind(), detail) {
            (Kind::SyntaxError, Some(detail)) => (
                format!("invalid template: {detail}"),
                "wrap text that is not meant as a template in `{% raw %}` and `{% endraw %}`",
            ),
            (Kind::SyntaxError, None) => ("invalid template".to_owned(), "see the syntax of Jinja"),
            (Kind::UndefinedError, _) => (
                "a name that is not defined".to_owned(),
                "only `secrets` and the variables that were passed in are defined",
            ),
            (
                Kind::UnknownFilter
                | Kind::UnknownTest
                | Kind::UnknownFunction
                | Kind::UnknownMethod,
                Some(detail),
            ) => (detail.to_owned(), "see the names that minijinja defines"),
            (Kind::MissingArgument | Kind::TooManyArguments, _) => (
                "a call with too few or too many arguments".to_owned(),
                "`secrets.get` takes a key and perhaps a default, `secrets.has` takes a key",
            ),
            _ => (
                "an operation that its operands do not allow".to_owned(),
                "`secrets` holds text; see the filters and tests that minijinja defines",
            ),
        };
        Error::new(ErrorKind::InvalidConfig, message)
            .with_hint(hint)
            .with_position(self.position_of(error.line().unwrap_or(1), None))
    }

    /// The engine tells only the line: the column is that of the key on it, else of the first thing that it evaluates.
    fn position_of(&self, line: usize, key: Option<&str>) -> SourcePosition {
        let index = LineIndex::new(&self.source);
        let used = self.uses.iter().find_map(|used| {
            let position = index.position(used.offset);
            let meant = key.is_some_and(|key| key == used.key);
            (meant && position.line == line).then_some(position.column)
        });
        let column = used.unwrap_or_else(|| {
            let text = self.source.lines().nth(line - 1).unwrap_or_default();
            let tag = text.find("{{").into_iter().chain(text.find("{%")).min();
            tag.map_or(1, |at| text[..at].chars().count() + 1)
        });
        SourcePosition::new(line, column).in_file(&*self.name)
    }
}

const STACK: usize = 8 << 20;

/// Reads the value of a key; `None` if there is no such secret.
type LookupFn<'l> = dyn Fn(&str) -> Result<Option<SecretValue>> + 'l;

type Answer = Result<Option<SecretValue>>;

fn look_up(lookup: &LookupFn<'_>, key: &str) -> Answer {
    match lookup(key) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        answer => answer,
    }
}

enum Message {
    LookUp(String),
    Finished,
}

/// Says that the engine has ended, however it did.
struct Finished(Sender<Message>);

impl Drop for Finished {
    fn drop(&mut self) {
        // Nobody listens any more only when the caller has gone itself.
        let _ = self.0.send(Message::Finished);
    }
}

struct Session {
    known: HashMap<String, Answer>,
    ask: Sender<Message>,
    answers: Receiver<Answer>,
    /// Our own error with its key, for which the engine's is only a signal.
    failure: Option<(String, Error)>,
}

impl Session {
    fn get(&mut self, key: &str) -> Answer {
        if let Some(answer) = self.known.get(key) {
            return answer.clone();
        }
        let gone = || Error::new(ErrorKind::Unexpected, "the template is rendered no more");
        self.ask
            .send(Message::LookUp(key.to_owned()))
            .map_err(|_| gone())?;
        let answer = self.answers.recv().map_err(|_| gone())?;
        self.known.insert(key.to_owned(), answer.clone());
        answer
    }

    /// The value as the template sees it; `None` if there is no such secret.
    fn value(&mut self, key: &str) -> Result<Option<Value>, minijinja::Error> {
        let found = self.get(key).and_then(|value| match value {
            Some(value) => match value.expose_str() {
                Ok(text) => Ok(Some(Value::from(text))),
                Err(error) => Err(named(error, key)),
            },
            None => Ok(None),
        });
        found.map_err(|error| self.fail(key, error))
    }

    fn required(&mut self, key: &str) -> Result<Value, minijinja::Error> {
        match self.value(key)? {
            Some(value) => Ok(value),
            None => {
                let error = match SecretName::new(key) {
                    Ok(name) => Error::not_found(&name),
                    Err(_) => Error::new(
                        ErrorKind::NotFound,
                        format!("secret not found: {}", key.escape_debug()),
                    ),
                };
                let error = error.with_hint(
                    "store it, or write `secrets.get(\"KEY\", \"default\")` if it may be missing",
                );
                Err(self.fail(key, error))
            }
        }
    }

    /// Keeps the first failure: the engine ends with it.
    fn fail(&mut self, key: &str, error: Error) -> minijinja::Error {
        self.failure.get_or_insert((key.to_owned(), error));
        minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, "no secret")
    }
}

fn named(error: Error, key: &str) -> Error {
    match SecretName::new(key) {
        Ok(name) => error.with_name(&name),
        Err(_) => error,
    }
}

fn lock(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the template knows as `secrets`.
struct SecretsObject(Arc<Mutex<Session>>);

impl fmt::Debug for SecretsObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<secrets>")
    }
}

impl Object for SecretsObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let mut session = lock(&self.0);
        let value = match key.as_str() {
            Some(key) => session.required(key),
            None => {
                let error = Error::new(ErrorKind::InvalidConfig, "a secret's key must be a string")
                    .with_hint("write `secrets.KEY` or `secrets[\"a/key\"]`");
                Err(session.fail("", error))
            }
        };
        // A value that is an error ends the rendering where it is used.
        Some(value.unwrap_or_else(Value::from))
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, minijinja::Error> {
        match method {
            "get" => {
                let (key, default, options): (&str, Option<&Value>, Kwargs) = from_args(args)?;
                let named_default = options.get::<Option<&Value>>("default")?;
                options.assert_all_used()?;
                let mut session = lock(&self.0);
                match default.or(named_default) {
                    Some(default) => Ok(session.value(key)?.unwrap_or_else(|| default.clone())),
                    None => session.required(key),
                }
            }
            "has" => {
                let (key,): (&str,) = from_args(args)?;
                let mut session = lock(&self.0);
                match session.get(key) {
                    Ok(value) => Ok(Value::from(value.is_some())),
                    Err(error) => Err(session.fail(key, error)),
                }
            }
            _ => Err(minijinja::Error::from(minijinja::ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<secrets>")
    }
}

fn to_value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(bool) => Value::from(*bool),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (None, Some(integer)) => Value::from(integer),
            (None, None) => Value::from(number.as_f64()),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items.iter().map(to_value).collect(),
        serde_json::Value::Object(entries) => Value::from_pairs(
            entries
                .iter()
                .map(|(key, value)| (key.as_str(), to_value(value))),
        ),
    }
}

/// Takes the engine's output up without leaving copies of it behind.
struct Sink(ZeroizingWriter);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        self.0.push_str(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
