use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One request as the server read it, headers and body in clear.
///
/// `Debug` shows all of it, credentials included: this is a test tool, keep it out of anything that logs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// Position in the order of arrival, from 0.
    pub index: u64,
    /// Number of the connection that it came over, from 0: equal numbers mean a reused connection.
    pub connection: u64,
    /// The method as sent.
    pub method: String,
    /// The request target as sent: path and query, still encoded.
    pub target: String,
    /// Names and values in the order sent, names in the case sent.
    pub headers: Vec<(String, String)>,
    /// The body, with chunked framing removed.
    pub body: Vec<u8>,
}

impl RecordedRequest {
    /// The value of the first header with this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The target without the query, still encoded.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query without the question mark, still encoded.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// Those of `serde_json`, whose text may quote the body.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
    }

    /// All that was sent, joined by line feeds, for a search through the whole request.
    pub fn transcript(&self) -> Vec<u8> {
        let mut out = format!("{} {}\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        }
        out.push(b'\n');
        out.extend_from_slice(&self.body);
        out
    }
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<RecordedRequest>,
    arrivals: u64,
    connections: u64,
    in_flight: usize,
    in_flight_max: usize,
    unreadable: u64,
}

/// What the server saw, shared between its tasks and the test.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder(Arc<Mutex<State>>);

impl Recorder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn connected(&self) -> u64 {
        let mut state = self.state();
        state.connections += 1;
        state.connections - 1
    }

    /// Takes note of a request and counts it as in flight until the guard is dropped.
    pub(super) fn arrived(&self, mut request: RecordedRequest) -> (RecordedRequest, InFlight) {
        let mut state = self.state();
        request.index = state.arrivals;
        state.arrivals += 1;
        state.in_flight += 1;
        state.in_flight_max = state.in_flight_max.max(state.in_flight);
        state.requests.push(request.clone());
        drop(state);
        (request, InFlight(self.clone()))
    }

    pub(super) fn unreadable(&self) {
        self.state().unreadable += 1;
    }

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.state().requests.clone()
    }

    pub(super) fn request_count(&self) -> u64 {
        self.state().requests.len() as u64
    }

    pub(super) fn counts_by_target(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for request in &self.state().requests {
            *counts.entry(request.target.clone()).or_default() += 1;
        }
        counts
    }

    pub(super) fn connection_count(&self) -> u64 {
        self.state().connections
    }

    pub(super) fn in_flight(&self) -> usize {
        self.state().in_flight
    }

    pub(super) fn in_flight_max(&self) -> usize {
        self.state().in_flight_max
    }

    pub(super) fn unreadable_count(&self) -> u64 {
        self.state().unreadable
    }

    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.requests.clear();
        state.connections = 0;
        state.unreadable = 0;
        state.in_flight_max = state.in_flight;
    }
}

pub(super) struct InFlight(Recorder);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}
