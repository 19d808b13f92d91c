//! Brings records to the sinks: a bounded queue, and one thread that empties it.
//!
//! All records that wait when the thread comes for them go to the sinks in one call, so that many wait for one sync.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrets_core::{Clock, Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::actor::Actor;
use super::hits::{Counted, Hit, HitTable, WINDOW};
use super::record::{Event, Record};
use super::sink::AuditSink;

/// Takes records, and answers once they are written. Cheap to clone; its thread ends with the last clone.
#[derive(Clone)]
pub(super) struct Writer(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    deadline: Duration,
    room: Arc<Semaphore>,
}

struct Shared {
    inbox: Mutex<Inbox>,
    bell: Condvar,
    hits: HitTable,
    /// Records that were not written and are not reported yet.
    missed: AtomicU64,
    written: AtomicU64,
    refused: AtomicU64,
    actor: Arc<Actor>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Inbox {
    jobs: Vec<Job>,
    /// There are hits that are counted and have to be reported in a while.
    hits: bool,
    reopen: bool,
    closing: bool,
}

/// Records that somebody waits for.
struct Job {
    records: Vec<Record>,
    answer: Option<oneshot::Sender<Result<()>>>,
    wanted: Wanted,
    /// Its place in the queue, given back when it is done.
    _room: Option<OwnedSemaphorePermit>,
}

/// Whether records are still to be written once nobody waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What they tell of did not happen then.
    WhileAwaited,
    /// What they tell of happened.
    Always,
    /// There are none; but all that was counted has to be reported before the answer.
    Flush,
}

/// What an audit did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditStats {
    /// Records that were written.
    pub written: u64,
    /// Operations whose records could not be written, or not in time.
    pub refused: u64,
}

impl Writer {
    pub(super) fn start(
        sinks: Vec<Box<dyn AuditSink>>,
        queue: usize,
        deadline: Duration,
        actor: Arc<Actor>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            inbox: Mutex::default(),
            bell: Condvar::new(),
            hits: HitTable::new(deadline),
            missed: AtomicU64::new(0),
            written: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            actor,
            clock,
        });
        let worker = Worker {
            shared: shared.clone(),
            sinks,
            untold: Vec::new(),
        };
        std::thread::Builder::new()
            .name("secrets-audit".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| {
                Error::new(
                    ErrorKind::Unexpected,
                    "the system gives no thread for the audit",
                )
                .with_source(error)
            })?;
        Ok(Self(Arc::new(Handle {
            shared,
            deadline,
            room: Arc::new(Semaphore::new(queue.min(Semaphore::MAX_PERMITS))),
        })))
    }

    /// Writes records; answers once all sinks have them.
    pub(super) async fn write(&self, records: Vec<Record>, wanted: Wanted) -> Result<()> {
        let until = Instant::now() + self.0.deadline;
        let count = records.len() as u64;
        let room = timeout(self.0.deadline, self.0.room.clone().acquire_owned()).await;
        let Ok(Ok(room)) = room else {
            self.0.shared.missed.fetch_add(count, Ordering::Relaxed);
            return self.counted(Err(self.too_late()));
        };
        let left = until.saturating_duration_since(Instant::now());
        let answer = self.push(records, wanted, Some(room));
        self.counted(self.within(left, answer).await)
    }

    /// Writes a record of something that happened, for which there is always room: what happened was recorded before, in
    /// the queue. It is written whatever becomes of the one who waits for it.
    pub(super) fn conclude(
        &self,
        record: Record,
    ) -> impl Future<Output = Result<()>> + Send + 'static {
        let answer = self.push(vec![record], Wanted::Always, None);
        let writer = self.clone();
        async move { writer.counted(writer.within(writer.0.deadline, answer).await) }
    }

    /// Leaves records for which nobody waits, if there is room.
    pub(super) fn leave(&self, records: Vec<Record>) {
        match self.0.room.clone().try_acquire_owned() {
            Ok(room) => drop(self.push(records, Wanted::Always, Some(room))),
            Err(_) => {
                let missed = &self.0.shared.missed;
                missed.fetch_add(records.len() as u64, Ordering::Relaxed);
            }
        }
    }

    /// Tells all that was counted; answers once it is written.
    pub(super) async fn flush(&self) -> Result<()> {
        let answer = self.push(Vec::new(), Wanted::Flush, None);
        self.within(self.0.deadline, answer).await
    }

    /// A reference that does not keep the thread.
    #[cfg(unix)]
    pub(super) fn downgrade(&self) -> WeakWriter {
        WeakWriter(Arc::downgrade(&self.0))
    }

    pub(super) fn reopen(&self) {
        self.0.shared.inbox().reopen = true;
        self.0.shared.bell.notify_one();
    }

    /// Counts a hit; `false` if it has to be written by itself.
    pub(super) fn count(&self, hit: &Hit<'_>) -> bool {
        match self.0.shared.hits.count(hit) {
            Counted::Yes => true,
            Counted::No => false,
            Counted::First => {
                self.0.shared.inbox().hits = true;
                self.0.shared.bell.notify_one();
                true
            }
        }
    }

    pub(super) fn stats(&self) -> AuditStats {
        let shared = &self.0.shared;
        AuditStats {
            written: shared.written.load(Ordering::Relaxed),
            refused: shared.refused.load(Ordering::Relaxed),
        }
    }

    async fn within(&self, limit: Duration, answer: oneshot::Receiver<Result<()>>) -> Result<()> {
        match timeout(limit, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(ended())),
            Err(_) => Err(self.too_late()),
        }
    }

    fn counted(&self, answer: Result<()>) -> Result<()> {
        if answer.is_err() {
            self.0.shared.refused.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    fn push(
        &self,
        records: Vec<Record>,
        wanted: Wanted,
        room: Option<OwnedSemaphorePermit>,
    ) -> oneshot::Receiver<Result<()>> {
        let (answer, wait) = oneshot::channel();
        self.0.shared.inbox().jobs.push(Job {
            records,
            answer: Some(answer),
            wanted,
            _room: room,
        });
        self.0.shared.bell.notify_one();
        wait
    }

    fn too_late(&self) -> Error {
        Error::new(
            ErrorKind::Unavailable,
            format!("the audit log took no record within {:?}", self.0.deadline),
        )
    }
}

/// A writer that may have ended.
#[cfg(unix)]
pub(super) struct WeakWriter(std::sync::Weak<Handle>);

#[cfg(unix)]
impl WeakWriter {
    pub(super) fn upgrade(&self) -> Option<Writer> {
        self.0.upgrade().map(Writer)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.inbox().closing = true;
        self.shared.bell.notify_one();
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("deadline", &self.0.deadline)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ended() -> Error {
    Error::new(
        ErrorKind::Unexpected,
        "the thread of the audit log has ended",
    )
}

/// The thread's side.
struct Worker {
    shared: Arc<Shared>,
    sinks: Vec<Box<dyn AuditSink>>,
    /// Hits that were taken from the table and could not be reported.
    untold: Vec<Record>,
}

impl Worker {
    fn run(mut self) {
        // When hits that are counted, or could not be reported, are due.
        let mut due: Option<Instant> = None;
        loop {
            let Inbox {
                jobs,
                hits,
                reopen,
                closing,
            } = self.wait(due);
            if hits && due.is_none() {
                due = Some(Instant::now() + WINDOW);
            }
            if reopen {
                self.reopen();
            }
            let flush = closing || jobs.iter().any(|job| job.wanted == Wanted::Flush);
            let is_due = due.is_some_and(|due| due <= Instant::now());
            if flush || is_due {
                let now = self.shared.clock.monotonic();
                let (actor, wall) = (&self.shared.actor, self.shared.clock.wall());
                self.untold.extend(self.shared.hits.take(actor, wall, now));
            }
            self.deliver(jobs);
            if flush || is_due {
                let reported = self.untold.is_empty()
                    && self.shared.hits.reported(self.shared.clock.monotonic());
                due = (!reported).then(|| Instant::now() + WINDOW);
            }
            if closing {
                return;
            }
        }
    }

    /// Waits for something to do, until then at the longest, and takes it.
    fn wait(&self, due: Option<Instant>) -> Inbox {
        let mut inbox = self.shared.inbox();
        loop {
            let idle = inbox.jobs.is_empty()
                && !inbox.reopen
                && !inbox.closing
                && (!inbox.hits || due.is_some());
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if !idle || left == Some(Duration::ZERO) {
                return std::mem::take(&mut *inbox);
            }
            inbox = match left {
                None => self
                    .shared
                    .bell
                    .wait(inbox)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.shared.bell.wait_timeout(inbox, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Writes the records of these jobs, and what else is to be reported, in one go.
    fn deliver(&mut self, jobs: Vec<Job>) {
        let missed = self.shared.missed.swap(0, Ordering::Relaxed);
        let mut given_up = 0;
        let mut records = Vec::new();
        if missed > 0 {
            let mut gap = Record::new(
                Event::Gap,
                self.shared.actor.clone(),
                self.shared.clock.wall(),
            );
            gap.count = Some(missed);
            records.push(gap);
        }
        let hits = std::mem::take(&mut self.untold);
        let (gaps, reported) = (records.len(), hits.len());
        records.extend(hits);
        let mut waiting = Vec::with_capacity(jobs.len());
        for mut job in jobs {
            let left = job.answer.as_ref().is_none_or(oneshot::Sender::is_closed);
            if left && job.wanted == Wanted::WhileAwaited {
                given_up += job.records.len() as u64;
                continue;
            }
            records.append(&mut job.records);
            waiting.push(job);
        }
        let answer = match records.len() {
            0 => Ok(()),
            _ => self.write(&records),
        };
        let awaited = (records.len() - gaps - reported) as u64;
        let mut untold_gap = given_up;
        match &answer {
            Ok(()) => {
                self.shared
                    .written
                    .fetch_add(records.len() as u64, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::warn!(target: "polysecrets::audit", error = %error, records = awaited, "records are not written");
                untold_gap += missed + awaited;
                self.untold = records.drain(gaps..gaps + reported).collect();
            }
        }
        if !records.is_empty() || reported > 0 {
            self.shared.hits.set_failing(answer.is_err());
        }
        self.shared.missed.fetch_add(untold_gap, Ordering::Relaxed);
        for job in waiting {
            if let Some(waiter) = job.answer {
                // Who does not wait any more has his answer already.
                let _ = waiter.send(answer.clone());
            }
        }
    }

    fn write(&mut self, records: &[Record]) -> Result<()> {
        let sinks = &mut self.sinks;
        let written = catch_unwind(AssertUnwindSafe(|| {
            sinks.iter_mut().try_for_each(|sink| sink.write(records))
        }));
        written.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Unexpected,
                "a sink of the audit panicked",
            ))
        })
    }

    fn reopen(&mut self) {
        for sink in &mut self.sinks {
            if let Err(error) = sink.reopen() {
                tracing::warn!(target: "polysecrets::audit", error = %error, "a sink cannot be opened again");
            }
        }
    }
}
