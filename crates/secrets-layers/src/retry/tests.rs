use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use secrets_core::{
    Answer, Call, Clock, Deadline, Error, ErrorKind, GetItem, GetOptions, Metadata, Origin,
    PutOptions, Reply, Request, Response, Result, RetryObserver, Secret, SecretName,
};
use tokio::time::Instant;
use tower::retry::Retry;
use tower::{Layer, Service, ServiceExt};

use super::*;

/// The time of a runtime that is paused.
#[derive(Debug)]
struct Virtual(Instant);

impl Clock for Virtual {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.monotonic()
    }
}

/// What one item, or the whole call, meets.
type Outcome = Result<&'static str, Error>;

/// Answers each call with the next line of a script, and notes when it came and how much it asked for.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    script: VecDeque<Vec<Outcome>>,
    asked: Vec<(Instant, Vec<String>)>,
}

impl Scripted {
    fn new(script: impl IntoIterator<Item = Vec<Outcome>>) -> Self {
        let scripted = Self::default();
        scripted.0.lock().unwrap().script = script.into_iter().collect();
        scripted
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().asked.len()
    }

    /// The names of each call.
    fn asked(&self) -> Vec<Vec<String>> {
        let inside = self.0.lock().unwrap();
        inside
            .asked
            .iter()
            .map(|(_, names)| names.clone())
            .collect()
    }

    fn waits(&self) -> Vec<Duration> {
        let inside = self.0.lock().unwrap();
        let pairs = inside.asked.windows(2);
        pairs.map(|pair| pair[1].0 - pair[0].0).collect()
    }
}

impl Service<Request> for Scripted {
    type Response = Response;
    type Error = Error;
    type Future = Ready<Result<Response>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let mut inside = self.0.lock().unwrap();
        let names: Vec<SecretName> = match &request.call {
            Call::GetMany { items } => items.iter().map(|item| item.name.clone()).collect(),
            call => call.name().into_iter().cloned().collect(),
        };
        let texts = names.iter().map(SecretName::to_string).collect();
        inside.asked.push((Instant::now(), texts));
        let line = inside.script.pop_front();
        let line = line.unwrap_or_else(|| vec![failed(ErrorKind::Unavailable)]);
        let origin = Origin::fresh("main".into());
        let secret =
            |name: &SecretName, text: &str| Secret::new(text.into(), Metadata::new(name.clone()));
        let whole = matches!(request.call, Call::GetMany { .. }) && line.len() == names.len();
        ready(if whole {
            let answers = names.iter().zip(line).map(|(name, outcome)| {
                outcome.map(|text| Answer::new(secret(name, text), origin.clone()))
            });
            let reply = Reply::Secrets(answers.collect());
            Ok(Response::new(reply, origin.clone()))
        } else {
            let outcome = line.into_iter().next().unwrap();
            outcome
                .map(|text| Response::new(Reply::Secret(secret(&names[0], text)), origin.clone()))
        })
    }
}

fn failed(kind: ErrorKind) -> Outcome {
    Err(Error::from(kind))
}

const MS: Duration = Duration::from_millis(1);

/// Bounds of 100, 200 and 300 ms.
fn config(attempts: u32) -> RetryConfig {
    RetryConfig::default()
        .with_max_attempts(attempts)
        .with_waits(100 * MS, 300 * MS)
}

fn clock() -> Arc<Virtual> {
    Arc::new(Virtual(Instant::now()))
}

fn around(config: RetryConfig, provider: &Scripted) -> Retry<RetryPolicy, Scripted> {
    RetryLayer::new(config, clock(), true).layer(provider.clone())
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn get() -> Request {
    let options = GetOptions::default();
    Request::new(Call::Get {
        name: name("a"),
        options,
    })
}

fn get_many(names: &[&str]) -> Request {
    let items = names
        .iter()
        .map(|text| GetItem::new(name(text), GetOptions::default()));
    Request::new(Call::GetMany {
        items: items.collect(),
    })
}

/// The values and errors of a get-many.
fn results(response: Response) -> Vec<Result<String, ErrorKind>> {
    let Reply::Secrets(answers) = response.reply else {
        panic!("not secrets")
    };
    answers
        .into_iter()
        .map(|answer| match answer {
            Ok(answer) => Ok(answer.secret.value.expose_str().unwrap().to_owned()),
            Err(error) => Err(error.kind()),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn waits_are_random_up_to_a_bound_that_doubles_to_its_most() {
    let mut longest = [Duration::ZERO; 4];
    let mut shortest = [Duration::MAX; 4];
    for _ in 0..300 {
        let provider = Scripted::default();
        around(config(5), &provider)
            .oneshot(get())
            .await
            .unwrap_err();
        assert_eq!(provider.calls(), 5);
        for (place, wait) in provider.waits().into_iter().enumerate() {
            longest[place] = longest[place].max(wait);
            shortest[place] = shortest[place].min(wait);
        }
    }
    for (place, bound) in [100, 200, 300, 300].into_iter().enumerate() {
        // A timer's tick is a millisecond.
        let most = longest[place];
        assert!(most <= (bound + 2) * MS, "{place}: {most:?}");
        assert!(most >= bound * 9 / 10 * MS, "{place}: {most:?}");
        assert!(shortest[place] <= bound / 5 * MS, "{place}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_may_have_fewer_attempts_than_are_configured() {
    for (most, calls) in [(1, 1), (2, 2), (9, 3)] {
        let provider = Scripted::default();
        let mut request = get();
        request.max_attempts = Some(most);
        around(config(3), &provider)
            .oneshot(request)
            .await
            .unwrap_err();
        assert_eq!(provider.calls(), calls);
    }
}

/// Servers round a pause down to whole seconds, and a limit without a pause counts by the second.
#[tokio::test(start_paused = true)]
async fn a_pause_is_a_lower_bound() {
    for (pause, least, most) in [
        (Some(2000), 2000, 3000),
        (Some(0), 0, 1100),
        (Some(250), 250, 275),
        (None, 0, 1100),
    ] {
        let mut waits = Vec::new();
        for _ in 0..100 {
            let failure = || {
                let error = Error::from(ErrorKind::RateLimited);
                match pause {
                    Some(pause) => Err(error.with_retry_after(pause * MS)),
                    None => Err(error),
                }
            };
            let script = [vec![failure()], vec![failure()], vec![Ok("1")]];
            let provider = Scripted::new(script);
            around(config(3), &provider).oneshot(get()).await.unwrap();
            let both = provider.waits();
            // Before the last attempt, all that may be missing is added.
            let slack = if pause == Some(250) { 25 } else { 1000 };
            assert!(both[1] >= (pause.unwrap_or(0) + slack) * MS, "{both:?}");
            waits.push(both[0]);
        }
        assert!(waits.iter().all(|wait| *wait >= least * MS), "{waits:?}");
        assert!(
            waits.iter().all(|wait| *wait <= (most + 2) * MS),
            "{waits:?}"
        );
        let late = least * MS + (most - least) * MS * 3 / 4;
        assert!(waits.iter().any(|wait| *wait >= late), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait < late), "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_comes_first_ends_it_at_once() {
    let error = || Error::from(ErrorKind::RateLimited).with_retry_after(1000 * MS);
    // One second, and one that the server may have rounded down.
    for (limit, calls) in [(500, 1), (900, 1), (1900, 1), (2200, 2)] {
        let provider = Scripted::new([vec![Err(error())], vec![Ok("1")]]);
        let clock = clock();
        let service = RetryLayer::new(config(2), clock.clone(), true).layer(provider.clone());
        let mut request = get();
        request.deadline = Some(Deadline::after(&*clock, limit * MS));
        let started = Instant::now();
        let outcome = service.oneshot(request).await;
        assert_eq!(outcome.is_ok(), calls == 2);
        assert_eq!(provider.calls(), calls);
        assert!(calls == 2 || started.elapsed() < MS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_with_the_deadline_is_not_begun() {
    let error = Error::from(ErrorKind::RateLimited).with_retry_after(Duration::ZERO);
    let provider = Scripted::new([vec![Err(error)], vec![Ok("1")]]);
    let clock = clock();
    let service = RetryLayer::new(config(2), clock.clone(), true).layer(provider.clone());
    let mut request = get();
    request.deadline = Some(Deadline::after(&*clock, Duration::ZERO));
    service.oneshot(request).await.unwrap_err();
    assert_eq!(provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_what_may_be_repeated_is() {
    let put = |token: Option<&str>| {
        let options = PutOptions::default().with_idempotency_token(token.map(str::to_owned));
        Request::new(Call::Put {
            name: name("a"),
            value: "1".into(),
            options,
        })
    };
    for (request, honoured, calls) in [
        (put(None), true, 1),
        (put(Some("t")), false, 1),
        (put(Some("t")), true, 3),
        (get(), false, 3),
    ] {
        let provider = Scripted::default();
        RetryLayer::new(config(3), clock(), honoured)
            .layer(provider.clone())
            .oneshot(request)
            .await
            .unwrap_err();
        assert_eq!(provider.calls(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn all_callers_share_a_budget_that_successes_fill() {
    let provider = Scripted::default();
    let service = around(config(3).with_budget(4), &provider);
    // Two calls of three attempts take the four repetitions that there are; then each is asked once.
    for (call, calls) in [3, 6, 7, 8].into_iter().enumerate() {
        service.clone().oneshot(get()).await.unwrap_err();
        assert_eq!(provider.calls(), calls, "{call}");
    }
    // Five that go well earn one, be they single or of many.
    for number in 0..5 {
        let line = if number % 2 == 0 {
            vec![Ok("1")]
        } else {
            vec![Ok("1"), failed(ErrorKind::NotFound)]
        };
        provider.0.lock().unwrap().script.push_back(line);
        let request = if number % 2 == 0 {
            get()
        } else {
            get_many(&["a", "b"])
        };
        service.clone().oneshot(request).await.unwrap();
    }
    let before = provider.calls();
    service.clone().oneshot(get()).await.unwrap_err();
    assert_eq!(provider.calls(), before + 2);
    service.clone().oneshot(get()).await.unwrap_err();
    assert_eq!(provider.calls(), before + 3);
    // A call that brings nothing earns nothing.
    for _ in 0..10 {
        let line = vec![failed(ErrorKind::NotFound), failed(ErrorKind::NotFound)];
        provider.0.lock().unwrap().script.push_back(line);
        service
            .clone()
            .oneshot(get_many(&["a", "b"]))
            .await
            .unwrap();
    }
    let before = provider.calls();
    service.oneshot(get()).await.unwrap_err();
    assert_eq!(provider.calls(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn one_call_always_has_its_repetitions() {
    let provider = Scripted::default();
    let service = around(config(4).with_budget(0), &provider);
    service.clone().oneshot(get()).await.unwrap_err();
    assert_eq!(provider.calls(), 4);
    service.oneshot(get()).await.unwrap_err();
    assert_eq!(provider.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn of_many_only_those_that_failed_on_the_way_are_asked_again() {
    let provider = Scripted::new([
        vec![
            Ok("1"),
            failed(ErrorKind::RateLimited),
            failed(ErrorKind::NotFound),
            failed(ErrorKind::Unavailable),
            Ok("5"),
        ],
        vec![failed(ErrorKind::Timeout), Ok("4")],
        vec![Ok("2")],
    ]);
    let request = get_many(&["a", "b", "c", "d", "e"]);
    let response = around(config(3), &provider).oneshot(request).await.unwrap();
    let text = |text: &str| Ok(text.to_owned());
    let wanted = [
        text("1"),
        text("2"),
        Err(ErrorKind::NotFound),
        text("4"),
        text("5"),
    ];
    assert_eq!(results(response), wanted);
    let asked: Vec<Vec<String>> = [&["a", "b", "c", "d", "e"][..], &["b", "d"], &["b"]]
        .iter()
        .map(|names| names.iter().map(|name| (*name).to_owned()).collect())
        .collect();
    assert_eq!(provider.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn of_many_the_longest_wait_counts() {
    let slow = Error::from(ErrorKind::RateLimited).with_retry_after(5000 * MS);
    let provider = Scripted::new([
        vec![failed(ErrorKind::Unavailable), Err(slow)],
        vec![Ok("1"), Ok("2")],
    ]);
    let request = get_many(&["a", "b"]);
    around(config(2), &provider).oneshot(request).await.unwrap();
    assert!(provider.waits()[0] >= 5000 * MS);
}

#[tokio::test(start_paused = true)]
async fn what_the_first_attempt_brought_is_kept_when_the_second_fails_as_a_whole() {
    for whole in [ErrorKind::Unavailable, ErrorKind::PermissionDenied] {
        let provider = Scripted::new([
            vec![Ok("1"), failed(ErrorKind::Unavailable)],
            vec![failed(whole), failed(whole), failed(whole)],
            vec![Ok("2")],
        ]);
        // Three outcomes for one item: the whole call fails.
        let request = get_many(&["a", "b"]);
        let attempts = if whole == ErrorKind::Unavailable {
            3
        } else {
            2
        };
        let response = around(config(attempts), &provider)
            .oneshot(request)
            .await
            .unwrap();
        let second = match whole {
            ErrorKind::Unavailable => Ok("2".to_owned()),
            _ => Err(ErrorKind::Unavailable),
        };
        assert_eq!(results(response), [Ok("1".to_owned()), second]);
    }
}

#[tokio::test(start_paused = true)]
async fn many_that_go_on_failing_are_an_answer_with_their_errors() {
    let line = || vec![Ok("1"), failed(ErrorKind::RateLimited)];
    let provider = Scripted::new([line(), vec![failed(ErrorKind::Timeout)]]);
    // One outcome for one item.
    let request = get_many(&["a", "b"]);
    let response = around(config(2), &provider).oneshot(request).await.unwrap();
    let wanted = [Ok("1".to_owned()), Err(ErrorKind::Timeout)];
    assert_eq!(results(response), wanted);
    assert_eq!(provider.calls(), 2);
}

#[derive(Debug)]
struct Noted(Arc<Mutex<Vec<ErrorKind>>>);

impl RetryObserver for Noted {
    fn on_retry(&self, error: &Error) {
        self.0.lock().unwrap().push(error.kind());
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_that_another_follows_is_told() {
    for (attempts, reported) in [(1, 0), (3, 2)] {
        let script = (0..attempts).map(|_| vec![failed(ErrorKind::RateLimited)]);
        let scripted = Scripted::new(script);
        let kinds = Arc::new(Mutex::new(Vec::new()));
        let config = RetryConfig::default().with_max_attempts(attempts);
        let clock = Arc::new(Virtual(Instant::now()));
        let service = RetryLayer::new(config, clock, false).layer(scripted.clone());
        let call = Call::Get {
            name: SecretName::new("a").unwrap(),
            options: GetOptions::default(),
        };
        let noted = Noted(kinds.clone());
        let request =
            Request::new(call).with_retry_observer(Arc::new(noted) as Arc<dyn RetryObserver>);
        service.oneshot(request).await.unwrap_err();
        assert_eq!(
            *kinds.lock().unwrap(),
            vec![ErrorKind::RateLimited; reported]
        );
    }
}
