use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::panic::{UnwindSafe, catch_unwind};

use super::command::CommandCapture;
use super::scanner::{Canary, Hit};
use super::trace::TraceCapture;

/// Runs outputs of all kinds through the scan of one or more canaries, and keeps account of what was scanned.
#[derive(Debug)]
pub struct Sinks<'a> {
    canaries: Vec<&'a Canary>,
    scanned: usize,
    leaks: Vec<Leak>,
}

/// A sink in which a canary was found. It holds nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// The name that the sink was given, and the part of it.
    pub sink: String,
    /// Which canary, by its position in [`Sinks::new`].
    pub canary: usize,
    /// How and where.
    pub hit: Hit,
}

impl Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "canary {} in {}: {} form at byte {}",
            self.canary, self.sink, self.hit.form, self.hit.offset
        )
    }
}

impl<'a> Sinks<'a> {
    /// No sink scanned yet.
    pub fn new(canaries: impl IntoIterator<Item = &'a Canary>) -> Self {
        Self {
            canaries: canaries.into_iter().collect(),
            scanned: 0,
            leaks: Vec::new(),
        }
    }

    /// Scans raw bytes or text: a file, a log, a reply.
    pub fn bytes(&mut self, name: impl Display, bytes: impl AsRef<[u8]>) {
        self.scanned += 1;
        let bytes = bytes.as_ref();
        for (number, canary) in self.canaries.iter().enumerate() {
            self.leaks
                .extend(canary.scan(bytes).into_iter().map(|hit| Leak {
                    sink: name.to_string(),
                    canary: number,
                    hit,
                }));
        }
    }

    /// Scans `{:?}` and `{:#?}`: two sinks.
    pub fn debug(&mut self, name: impl Display, value: &(impl Debug + ?Sized)) {
        self.bytes(format_args!("{name} {{:?}}"), format!("{value:?}"));
        self.bytes(format_args!("{name} {{:#?}}"), format!("{value:#?}"));
    }

    /// Scans `{}` and `{:#}`: two sinks.
    pub fn display(&mut self, name: impl Display, value: &(impl Display + ?Sized)) {
        self.bytes(format_args!("{name} {{}}"), format!("{value}"));
        self.bytes(format_args!("{name} {{:#}}"), format!("{value:#}"));
    }

    /// Scans `{}`, `{:#}`, `{:?}` and `{:#?}`: four sinks.
    pub fn format(&mut self, name: impl Display, value: &(impl Debug + Display + ?Sized)) {
        self.display(&name, value);
        self.debug(&name, value);
    }

    /// Scans an error and each of its sources, four sinks an error.
    pub fn error(&mut self, name: impl Display, error: &(dyn Error + 'static)) {
        self.format(&name, error);
        let mut depth = 1;
        let mut source = error.source();
        while let Some(error) = source {
            self.format(format_args!("{name} source {depth}"), error);
            source = error.source();
            depth += 1;
        }
    }

    /// Scans the message of a panic, if `work` panics. What the panic hook prints goes to stderr and is not seen here.
    pub fn panic(&mut self, name: impl Display, work: impl FnOnce() + UnwindSafe) {
        let Err(payload) = catch_unwind(work) else {
            return;
        };
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        self.bytes(format_args!("{name} panic"), text.unwrap_or_default());
    }

    /// Scans what a capture has recorded so far.
    pub fn trace(&mut self, name: impl Display, capture: &TraceCapture) {
        self.bytes(format_args!("{name} trace"), capture.text());
    }

    /// Scans a command's stdout and stderr, the arguments of it and its descendants, and its own environment.
    ///
    /// The environment of descendants is not scanned: to run a program with secrets in its environment is what some
    /// commands are for. Use [`ProcessSnapshot::environ`](super::ProcessSnapshot::environ) where it must be clean.
    pub fn command(&mut self, name: impl Display, capture: &CommandCapture) {
        self.bytes(format_args!("{name} stdout"), &capture.stdout);
        self.bytes(format_args!("{name} stderr"), &capture.stderr);
        for process in &capture.processes {
            self.bytes(
                format_args!("{name} cmdline of {}", process.pid),
                &process.cmdline,
            );
            if process.is_root {
                self.bytes(
                    format_args!("{name} environ of {}", process.pid),
                    &process.environ,
                );
            }
        }
    }

    /// How many sinks were scanned.
    pub fn scanned(&self) -> usize {
        self.scanned
    }

    /// What was found.
    pub fn leaks(&self) -> &[Leak] {
        &self.leaks
    }

    /// Ends the scan well if the scanner works, something was scanned and nothing was found.
    ///
    /// # Panics
    ///
    /// With the list of leaks; when no sink was scanned; when a canary's positive control fails.
    #[track_caller]
    pub fn assert_clean(&self) {
        if let Err(reason) = self.verdict() {
            panic!("{reason}");
        }
    }

    /// The same as a result.
    ///
    /// # Errors
    ///
    /// What [`assert_clean`](Self::assert_clean) would say.
    pub fn verdict(&self) -> Result<(), String> {
        for canary in &self.canaries {
            canary
                .positive_control()
                .map_err(|reason| format!("the positive control failed: {reason}"))?;
        }
        if self.scanned == 0 || self.canaries.is_empty() {
            return Err("nothing was scanned".to_owned());
        }
        if self.leaks.is_empty() {
            return Ok(());
        }
        let leaks: Vec<_> = self.leaks.iter().map(Leak::to_string).collect();
        Err(format!(
            "{} leaks in {} sinks:\n{}",
            leaks.len(),
            self.scanned,
            leaks.join("\n")
        ))
    }
}
