use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Method;
use serde::{Deserialize, Serialize};

/// What a fake does wrong on purpose, for the next requests that fit.
///
/// Built here and given to [`Faults::push`], or posted as JSON to `/_fake/faults`:
///
/// ```
/// use polysecrets_testkit::fakes::Fault;
///
/// let fault = Fault::status(429).with_retry_after(2).times(3).on_path("/secrets/");
/// let same: Fault = serde_json::from_str(
///     r#"{"fault":"status","status":429,"retry_after":2,"times":3,"path":"/secrets/"}"#,
/// )?;
/// assert_eq!(same, fault);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Fault {
    pub(super) kind: Kind,
    times: Times,
    method: Option<String>,
    path: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Slow(Duration),
    Status(StatusFault),
    Reset,
    Lost,
    Truncated(usize),
    Garbled,
    Redirect { status: u16, location: String },
    Switch(String),
}

/// An answer of the service's error shape, which each fake fills for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatusFault {
    pub(super) status: u16,
    /// The service's own code, where one status has several.
    pub(super) code: Option<String>,
    /// Seconds.
    pub(super) retry_after: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Times {
    Number(u64),
    Always(Always),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Always {
    Always,
}

impl Fault {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            times: Times::Number(1),
            method: None,
            path: None,
        }
    }

    /// The service's own error answer with this HTTP status: 429 is throttling, 403 a refusal, 5xx an outage. JSON:
    /// `{"fault":"status","status":503}`.
    pub fn status(status: u16) -> Self {
        Self::new(Kind::Status(StatusFault {
            status,
            code: None,
            retry_after: None,
        }))
    }

    /// The true answer, `by` later. JSON: `{"fault":"slow","milliseconds":250}`.
    pub fn slow(by: Duration) -> Self {
        Self::new(Kind::Slow(by))
    }

    /// The connection ends (over HTTP/2: the stream) before the request is looked at. JSON: `{"fault":"reset"}`.
    pub fn reset() -> Self {
        Self::new(Kind::Reset)
    }

    /// The request is carried out, then the connection ends without an answer. JSON: `{"fault":"lost"}`.
    pub fn lost() -> Self {
        Self::new(Kind::Lost)
    }

    /// The true answer ends after `bytes` bytes of its body, though its head promises all of them. JSON:
    /// `{"fault":"truncated","bytes":10}`.
    pub fn truncated(bytes: usize) -> Self {
        Self::new(Kind::Truncated(bytes))
    }

    /// The request is carried out; the answer has the true status, and a body that is not JSON. JSON:
    /// `{"fault":"garbled"}`.
    pub fn garbled() -> Self {
        Self::new(Kind::Garbled)
    }

    /// A redirect to `location`, with the status that redirects have: 301, 302, 307, 308. JSON:
    /// `{"fault":"redirect","status":307,"location":"http://127.0.0.1:9/"}`.
    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self::new(Kind::Redirect {
            status,
            location: location.into(),
        })
    }

    /// A switch of one fake's own, by its name there. JSON: `{"fault":"expire_tokens"}`.
    pub fn switch(name: impl Into<String>) -> Self {
        Self::new(Kind::Switch(name.into()))
    }

    /// The service's own code, for the body of a [`status`](Self::status). JSON: `"code":"ForbiddenByRbac"`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        if let Kind::Status(fault) = &mut self.kind {
            fault.code = Some(code.into());
        }
        self
    }

    /// How long a [`status`](Self::status) asks to wait, in seconds, in the way of the service. JSON: `"retry_after":2`.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        if let Kind::Status(fault) = &mut self.kind {
            fault.retry_after = Some(seconds);
        }
        self
    }

    /// For this many requests; 1 by default. JSON: `"times":3`.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Times::Number(times);
        self
    }

    /// Until [`Faults::clear`]. JSON: `"times":"always"`.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = Times::Always(Always::Always);
        self
    }

    /// Only for requests with this method. JSON: `"method":"GET"`.
    #[must_use]
    pub fn on_method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Only for requests whose path, as it was sent, begins with this. JSON: `"path":"/secrets/"`.
    #[must_use]
    pub fn on_path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    fn fits(&self, method: &Method, path: &str) -> bool {
        self.method
            .as_ref()
            .is_none_or(|own| own == method.as_str())
            && self.path.as_ref().is_none_or(|own| path.starts_with(own))
    }
}

/// The faults that wait for a fake's next requests.
///
/// A request meets the first one that fits it, and a [`slow`](Fault::slow) one besides. Requests below `/_fake/` meet
/// none.
#[derive(Clone)]
pub struct Faults {
    switches: &'static [&'static str],
    waiting: Arc<Mutex<Vec<Fault>>>,
}

impl Faults {
    /// `switches` are the names that [`Fault::switch`] may have here.
    pub(super) fn new(switches: &'static [&'static str]) -> Self {
        Self {
            switches,
            waiting: Arc::default(),
        }
    }

    /// Adds one behind those that wait.
    ///
    /// # Panics
    /// If it is a switch that this fake does not have.
    pub fn push(&self, fault: Fault) {
        if let Err(unknown) = self.try_push(fault) {
            panic!("{unknown}");
        }
    }

    /// Those that wait still.
    pub fn waiting(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    /// Forgets all that wait.
    pub fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn try_push(&self, fault: Fault) -> Result<(), String> {
        if let Kind::Switch(name) = &fault.kind
            && !self.switches.contains(&name.as_str())
        {
            return Err(format!(
                "this fake has no fault `{name}`; beside status, slow, reset, lost, truncated, garbled and redirect it \
                 has: {}",
                self.switches.join(", ")
            ));
        }
        if fault.times != Times::Number(0) {
            self.lock().push(fault);
        }
        Ok(())
    }

    /// Whether the switch is on for this request, which uses it up once.
    pub(super) fn take_switch(&self, name: &str, method: &Method, path: &str) -> bool {
        debug_assert!(self.switches.contains(&name));
        self.take(
            method,
            path,
            |kind| matches!(kind, Kind::Switch(own) if own == name),
        )
        .is_some()
    }

    pub(super) fn take_slow(&self, method: &Method, path: &str) -> Option<Duration> {
        match self.take(method, path, |kind| matches!(kind, Kind::Slow(_)))? {
            Kind::Slow(by) => Some(by),
            _ => None,
        }
    }

    /// Anything but a delay or a switch.
    pub(super) fn take_break(&self, method: &Method, path: &str) -> Option<Kind> {
        self.take(method, path, |kind| {
            !matches!(kind, Kind::Slow(_) | Kind::Switch(_))
        })
    }

    fn take(&self, method: &Method, path: &str, wanted: impl Fn(&Kind) -> bool) -> Option<Kind> {
        let mut waiting = self.lock();
        let index = waiting
            .iter()
            .position(|fault| wanted(&fault.kind) && fault.fits(method, path))?;
        match &mut waiting[index].times {
            Times::Always(_) => {}
            Times::Number(left @ 2..) => *left -= 1,
            Times::Number(_) => return Some(waiting.remove(index).kind),
        }
        Some(waiting[index].kind.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&*self.lock()).finish()
    }
}

/// The JSON form.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    fault: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl TryFrom<Written> for Fault {
    type Error = String;

    fn try_from(mut written: Written) -> Result<Self, String> {
        let times = written.times.take().unwrap_or(Times::Number(1));
        let (method, path) = (written.method.take(), written.path.take());
        let mut parts = Parts {
            fault: std::mem::take(&mut written.fault),
            left: written,
        };
        let kind = parts.kind()?;
        parts.nothing_left()?;
        Ok(Self {
            kind,
            times,
            method,
            path,
        })
    }
}

struct Parts {
    fault: String,
    left: Written,
}

impl Parts {
    fn kind(&mut self) -> Result<Kind, String> {
        Ok(match self.fault.as_str() {
            "status" => {
                let status = self.left.status.take();
                Kind::Status(StatusFault {
                    status: self.http_status(status, 400..=599)?,
                    code: self.left.code.take(),
                    retry_after: self.left.retry_after.take(),
                })
            }
            "redirect" => {
                let status = self.left.status.take().or(Some(307));
                let location = self.left.location.take();
                Kind::Redirect {
                    status: self.http_status(status, 300..=399)?,
                    location: self.needed("location", location)?,
                }
            }
            "slow" => {
                let milliseconds = self.left.milliseconds.take();
                Kind::Slow(Duration::from_millis(
                    self.needed("milliseconds", milliseconds)?,
                ))
            }
            "truncated" => Kind::Truncated(self.left.bytes.take().unwrap_or(0)),
            "reset" => Kind::Reset,
            "lost" => Kind::Lost,
            "garbled" => Kind::Garbled,
            name => Kind::Switch(name.to_owned()),
        })
    }

    fn needed<T>(&self, field: &str, value: Option<T>) -> Result<T, String> {
        value.ok_or_else(|| format!("fault `{}` needs `{field}`", self.fault))
    }

    fn http_status(
        &self,
        status: Option<u16>,
        range: std::ops::RangeInclusive<u16>,
    ) -> Result<u16, String> {
        let status = self.needed("status", status)?;
        if range.contains(&status) {
            return Ok(status);
        }
        Err(format!(
            "fault `{}` needs a status from {} to {}",
            self.fault,
            range.start(),
            range.end()
        ))
    }

    fn nothing_left(&self) -> Result<(), String> {
        let left = &self.left;
        let given = [
            ("status", left.status.is_some()),
            ("code", left.code.is_some()),
            ("retry_after", left.retry_after.is_some()),
            ("milliseconds", left.milliseconds.is_some()),
            ("bytes", left.bytes.is_some()),
            ("location", left.location.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(format!("fault `{}` has no `{field}`", self.fault)),
            None => Ok(()),
        }
    }
}

impl From<Fault> for Written {
    fn from(fault: Fault) -> Self {
        let mut written = Self {
            times: Some(fault.times),
            method: fault.method,
            path: fault.path,
            ..Self::default()
        };
        let name = match fault.kind {
            Kind::Slow(by) => {
                written.milliseconds = Some(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
                "slow"
            }
            Kind::Status(status) => {
                written.status = Some(status.status);
                written.code = status.code;
                written.retry_after = status.retry_after;
                "status"
            }
            Kind::Reset => "reset",
            Kind::Lost => "lost",
            Kind::Truncated(bytes) => {
                written.bytes = Some(bytes);
                "truncated"
            }
            Kind::Garbled => "garbled",
            Kind::Redirect { status, location } => {
                written.status = Some(status);
                written.location = Some(location);
                "redirect"
            }
            Kind::Switch(name) => {
                written.fault = name;
                return written;
            }
        };
        written.fault = name.to_owned();
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_written_as_it_is_read() {
        for fault in [
            Fault::status(429).with_code("Slow").with_retry_after(3),
            Fault::slow(Duration::from_millis(20)).times(4),
            Fault::reset().always().on_method("GET").on_path("/a"),
            Fault::lost(),
            Fault::truncated(7),
            Fault::garbled(),
            Fault::redirect(302, "http://elsewhere/"),
            Fault::switch("lockout").times(2),
        ] {
            let text = serde_json::to_string(&fault).unwrap();
            assert_eq!(
                serde_json::from_str::<Fault>(&text).unwrap(),
                fault,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        for (text, says) in [
            (r#"{"fault":"status"}"#, "fault `status` needs `status`"),
            (
                r#"{"fault":"status","status":200}"#,
                "fault `status` needs a status from 400 to 599",
            ),
            (r#"{"fault":"slow"}"#, "fault `slow` needs `milliseconds`"),
            (
                r#"{"fault":"redirect"}"#,
                "fault `redirect` needs `location`",
            ),
            (
                r#"{"fault":"reset","bytes":1}"#,
                "fault `reset` has no `bytes`",
            ),
            (
                r#"{"fault":"lockout","code":"x"}"#,
                "fault `lockout` has no `code`",
            ),
            (r#"{"fault":"reset","when":1}"#, "unknown field `when`"),
            (r#"{"status":429}"#, "missing field `fault`"),
        ] {
            let error = serde_json::from_str::<Fault>(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn none_is_none() {
        let faults = Faults::new(&["lockout"]);
        faults.push(Fault::reset().times(0));
        assert!(faults.waiting().is_empty());
        assert!(!faults.take_switch("lockout", &Method::GET, "/"));
    }
}
