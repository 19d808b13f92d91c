use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::recorder::RecordedRequest;
use super::reply::{Reply, RetryAfter};

/// What the server does with one request, once it has read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(super) delay: Duration,
    pub(super) action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Reply(Reply),
    Chunked {
        reply: Reply,
        chunk: usize,
    },
    Close,
    Reset {
        reply: Option<Reply>,
        after: usize,
    },
    Truncate {
        reply: Reply,
        after: usize,
    },
    HalfClose {
        reply: Option<Reply>,
        after: usize,
    },
    Oversized {
        reply: Reply,
        length: u64,
        declared: bool,
    },
    Drip {
        reply: Reply,
        chunk: usize,
        every: Duration,
    },
    HeaderFlood {
        count: usize,
    },
    Raw(Vec<u8>),
    Silence,
}

impl Fault {
    fn new(action: Action) -> Self {
        Self {
            delay: Duration::ZERO,
            action,
        }
    }

    /// No fault: the reply is sent whole, the connection stays open.
    pub fn reply(reply: Reply) -> Self {
        Self::new(Action::Reply(reply))
    }

    /// No fault: the reply is sent whole, with chunked framing in pieces of `chunk` bytes (at least 1).
    pub fn chunked(reply: Reply, chunk: usize) -> Self {
        Self::new(Action::Chunked {
            reply,
            chunk: chunk.max(1),
        })
    }

    /// A redirect (301, 302, 307, 308 or what `status` says) to any URL.
    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self::reply(Reply::new(status).header("location", location))
    }

    /// A refusal for too many requests (429, 503 or what `status` says) with the wait it asks for.
    pub fn throttled(status: u16, hint: RetryAfter) -> Self {
        Self::reply(Reply::new(status).retry_after(hint))
    }

    /// Closes the connection in good order without a byte of a reply.
    pub fn close() -> Self {
        Self::new(Action::Close)
    }

    /// Resets the connection (RST) without a byte of a reply.
    pub fn reset() -> Self {
        Self::new(Action::Reset {
            reply: None,
            after: 0,
        })
    }

    /// Sends the head and `after` bytes of the body, then resets the connection (RST).
    ///
    /// The system may throw away what it has not yet delivered, so the client sees at most `after` bytes.
    pub fn reset_after(reply: Reply, after: usize) -> Self {
        Self::new(Action::Reset {
            reply: Some(reply),
            after,
        })
    }

    /// Promises the whole body in `content-length`, sends `after` bytes of it, closes in good order.
    pub fn truncated(reply: Reply, after: usize) -> Self {
        Self::new(Action::Truncate { reply, after })
    }

    /// Closes the sending side without a byte of a reply, and goes on reading until the client leaves.
    pub fn half_close() -> Self {
        Self::new(Action::HalfClose {
            reply: None,
            after: 0,
        })
    }

    /// Sends the head and `after` bytes of the body, closes the sending side, goes on reading until the client leaves.
    pub fn half_close_after(reply: Reply, after: usize) -> Self {
        Self::new(Action::HalfClose {
            reply: Some(reply),
            after,
        })
    }

    /// A body of `length` bytes of `x`, announced truthfully in `content-length`. The reply's own body is not sent.
    pub fn oversized(reply: Reply, length: u64) -> Self {
        Self::new(Action::Oversized {
            reply,
            length,
            declared: true,
        })
    }

    /// A chunked body that does not end before the client leaves. The reply's own body is not sent.
    pub fn endless(reply: Reply) -> Self {
        Self::new(Action::Oversized {
            reply,
            length: u64::MAX,
            declared: false,
        })
    }

    /// The reply, head included, `chunk` bytes (at least 1) at a time with a pause of `every` after each.
    pub fn drip(reply: Reply, chunk: usize, every: Duration) -> Self {
        Self::new(Action::Drip {
            reply,
            chunk: chunk.max(1),
            every,
        })
    }

    /// A `200` whose head has `count` headers.
    pub fn header_flood(count: usize) -> Self {
        Self::new(Action::HeaderFlood { count })
    }

    /// Sends these bytes in place of a reply and closes.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Action::Raw(bytes.into()))
    }

    /// Never answers. The connection stays open until the client leaves.
    pub fn silence() -> Self {
        Self::new(Action::Silence)
    }

    /// The same, after a pause that begins when the request is read.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl From<Reply> for Fault {
    fn from(reply: Reply) -> Self {
        Self::reply(reply)
    }
}

/// What the server does with a new connection, before it reads from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectFault {
    /// Reads requests and answers them.
    #[default]
    Serve,
    /// Closes in good order.
    Close,
    /// Resets (RST).
    Reset,
    /// Holds the connection open and reads nothing.
    Stall,
}

type Responder = Arc<dyn Fn(&RecordedRequest) -> Option<Fault> + Send + Sync>;

/// Which request meets which [`Fault`].
///
/// The queue of a [`Script::sequence`] is used up first, one entry a request in the order of arrival; then the first
/// route or responder that answers; then the default. Connections have a queue of their own.
#[derive(Clone)]
pub struct Script {
    connects: VecDeque<ConnectFault>,
    connect_default: ConnectFault,
    queue: VecDeque<Fault>,
    responders: Vec<Responder>,
    default: Fault,
}

impl Script {
    /// Every request meets the same fault.
    pub fn always(fault: impl Into<Fault>) -> Self {
        Self {
            connects: VecDeque::new(),
            connect_default: ConnectFault::Serve,
            queue: VecDeque::new(),
            responders: Vec::new(),
            default: fault.into(),
        }
    }

    /// One entry a request, in the order of arrival; afterwards `404` or what [`then`](Self::then) says.
    pub fn sequence(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self {
            queue: faults.into_iter().collect(),
            ..Self::default()
        }
    }

    /// A server with an answer of its own for each request; `None` leaves it to the rest of the script.
    pub fn respond(
        responder: impl Fn(&RecordedRequest) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self::default().or_respond(responder)
    }

    /// Adds a responder behind those that are there.
    #[must_use]
    pub fn or_respond(
        mut self,
        responder: impl Fn(&RecordedRequest) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        self.responders.push(Arc::new(responder));
        self
    }

    /// Adds a fault for one method and one path (without the query, as sent).
    #[must_use]
    pub fn route(
        self,
        method: impl Into<String>,
        path: impl Into<String>,
        fault: impl Into<Fault>,
    ) -> Self {
        let (method, path, fault) = (method.into(), path.into(), fault.into());
        self.or_respond(move |request| {
            (request.method == method && request.path() == path).then(|| fault.clone())
        })
    }

    /// Sets the default.
    #[must_use]
    pub fn then(mut self, fault: impl Into<Fault>) -> Self {
        self.default = fault.into();
        self
    }

    /// What the next connections meet, in the order of arrival; afterwards they are served.
    #[must_use]
    pub fn connections(mut self, faults: impl IntoIterator<Item = ConnectFault>) -> Self {
        self.connects.extend(faults);
        self
    }

    /// What every connection meets that has no entry of its own.
    #[must_use]
    pub fn every_connection(mut self, fault: ConnectFault) -> Self {
        self.connect_default = fault;
        self
    }

    pub(super) fn next_connect(&mut self) -> ConnectFault {
        self.connects.pop_front().unwrap_or(self.connect_default)
    }

    /// The queued fault, or else the responders to ask and the default: they are asked without the script's lock.
    pub(super) fn next(&mut self) -> Next {
        match self.queue.pop_front() {
            Some(fault) => Next::Fault(fault),
            None => Next::Ask(self.responders.clone(), self.default.clone()),
        }
    }
}

pub(super) enum Next {
    Fault(Fault),
    Ask(Vec<Responder>, Fault),
}

impl Next {
    pub(super) fn decide(self, request: &RecordedRequest) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Ask(responders, default) => responders
                .iter()
                .find_map(|responder| responder(request))
                .unwrap_or(default),
        }
    }
}

impl Default for Script {
    /// Every request is answered with `404` and an empty body.
    fn default() -> Self {
        Self::always(Fault::reply(Reply::new(404)))
    }
}

impl From<Fault> for Script {
    fn from(fault: Fault) -> Self {
        Self::always(fault)
    }
}

impl From<Reply> for Script {
    fn from(reply: Reply) -> Self {
        Self::always(reply)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("connects", &self.connects)
            .field("connect_default", &self.connect_default)
            .field("queue", &self.queue)
            .field("responders", &self.responders.len())
            .field("default", &self.default)
            .finish()
    }
}
