//! The calls of the API, each one request.

pub(crate) mod http;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use aws_sdk_secretsmanager::Client as SdkClient;
use aws_sdk_secretsmanager::types::{Filter as SdkFilter, FilterNameStringType};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use secrets_core::{Clock, Result};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

use crate::auth::{Connected, Connection};
use crate::error::{self, Asked, Failure};
use crate::limits::MAX_PAGE;
use crate::names::{Arn, Filter};
use crate::value::payload;
use crate::wire::{
    Batch, CURRENT, Creation, Deletion, Description, Paged, Payload, Read, Selector, VersionEntry,
    read, sdk_tags, tags, time,
};

/// The API, spoken by AWS's SDK. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    connection: Connection,
    clock: Arc<dyn Clock>,
    /// The server or the policy allows single reads and no batches, which has turned out.
    batches_refused: AtomicBool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

impl Client {
    pub(crate) fn new(connection: Connection, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            connection,
            clock,
            batches_refused: AtomicBool::new(false),
        }))
    }

    pub(crate) fn batches_refused(&self) -> bool {
        self.0.batches_refused.load(Ordering::Relaxed)
    }

    /// Fails for an ARN of another region, which the service would not find.
    pub(crate) async fn check_region(&self, id: &str) -> Result<()> {
        let Some(arn) = Arn::parse(id) else {
            return Ok(());
        };
        let connected = self.0.connection.get().await?;
        match arn.region == connected.region {
            true => Ok(()),
            false => Err(error::other_region(arn, &connected.region)),
        }
    }

    /// Sends one request. It is repeated once after a wrong clock was noticed, or with a new credential where the one in
    /// use came from somewhere that has a new one.
    async fn call<T, E, F>(
        &self,
        action: &'static str,
        asked: Asked,
        send: impl Fn(SdkClient) -> F + Send + Sync,
    ) -> Result<T>
    where
        T: Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    {
        let failure = match self.attempt(action, &send).await? {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        Err(failure.into_error(action, asked, self.now()))
    }

    async fn attempt<T, E, F>(
        &self,
        action: &'static str,
        send: &(impl Fn(SdkClient) -> F + Send + Sync),
    ) -> Result<Result<T, Failure>>
    where
        T: Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    {
        let mut connected = self.0.connection.get().await?;
        let mut is_repeated = false;
        loop {
            // The SDK writes whole requests and answers into its trace events.
            let answer = Box::pin(send(connected.client.clone()))
                .with_subscriber(Dispatch::none())
                .await;
            let failure = match answer {
                Ok(answer) => return Ok(Ok(answer)),
                Err(failure) => Failure::from_sdk(failure, &connected.login, self.now()),
            };
            let next = match is_repeated {
                true => None,
                false => self.repair(&failure, &connected).await?,
            };
            let Some(next) = next else {
                return Ok(Err(failure));
            };
            tracing::debug!(
                action,
                "the request is repeated with a corrected clock or a new credential"
            );
            connected = next;
            is_repeated = true;
        }
    }

    /// What the request is worth repeating with.
    async fn repair(
        &self,
        failure: &Failure,
        used: &Arc<Connected>,
    ) -> Result<Option<Arc<Connected>>> {
        if failure.may_be_skew(self.now()) {
            return Ok(Some(Arc::clone(used)));
        }
        if failure.wants_new_credential() && used.can_be_renewed {
            return self.0.connection.renewed(used).await.map(Some);
        }
        Ok(None)
    }

    fn now(&self) -> SystemTime {
        self.0.clock.wall()
    }

    pub(crate) async fn get(&self, id: &str, selector: &Selector) -> Result<Read> {
        let (version, stage) = match selector {
            // What it would be without: said, so that no server has to guess.
            Selector::Current => (None, Some(CURRENT.to_owned())),
            Selector::Id(version) => (Some(version.clone()), None),
            Selector::Stage(stage) => (None, Some(stage.clone())),
        };
        let answer = self
            .call("GetSecretValue", Asked::Other, |client| {
                client
                    .get_secret_value()
                    .secret_id(id)
                    .set_version_id(version.clone())
                    .set_version_stage(stage.clone())
                    .send()
            })
            .await?;
        read(
            (answer.arn, answer.name),
            answer.version_id,
            answer.created_date,
            (answer.secret_string, answer.secret_binary),
        )
    }

    /// `None` if the server has no batches, or refuses this one; the secrets are read one by one then.
    pub(crate) async fn batch(&self, ids: &[String]) -> Result<Option<Batch>> {
        const ACTION: &str = "BatchGetSecretValue";
        let mut batch = Batch {
            values: Vec::with_capacity(ids.len()),
            errors: Vec::new(),
        };
        let mut next = None;
        loop {
            let answer = self
                .attempt(ACTION, &|client: SdkClient| {
                    client
                        .batch_get_secret_value()
                        .set_secret_id_list(Some(ids.to_vec()))
                        .set_next_token(next.clone())
                        .send()
                })
                .await?;
            let answer = match answer {
                Ok(answer) => answer,
                Err(failure) if failure.is_of_action() => {
                    self.0.batches_refused.store(true, Ordering::Relaxed);
                    return Ok(None);
                }
                // One name can spoil a batch; the others are still readable.
                Err(failure) if failure.is_of_content() => return Ok(None),
                Err(failure) => return Err(failure.into_error(ACTION, Asked::Other, self.now())),
            };
            for entry in answer.secret_values.unwrap_or_default() {
                batch.values.push(read(
                    (entry.arn, entry.name),
                    entry.version_id,
                    entry.created_date,
                    (entry.secret_string, entry.secret_binary),
                )?);
            }
            for item in answer.errors.unwrap_or_default() {
                let code = item.error_code.unwrap_or_default();
                let message = item.message.unwrap_or_default();
                let error = error::from_item(&code, &message, "GetSecretValue");
                batch
                    .errors
                    .push((item.secret_id.unwrap_or_default(), error));
            }
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(Some(batch));
            }
        }
    }

    pub(crate) async fn describe(&self, id: &str) -> Result<Description> {
        let answer = self
            .call("DescribeSecret", Asked::Other, |client| {
                client.describe_secret().secret_id(id).send()
            })
            .await?;
        let stages = answer.version_ids_to_stages.unwrap_or_default();
        Ok(Description {
            id: answer.name.ok_or_else(|| error::incomplete("name"))?,
            created: time(answer.created_date),
            changed: time(answer.last_changed_date),
            is_deleted: answer.deleted_date.is_some(),
            tags: tags(answer.tags),
            stages: stages.into_iter().collect(),
        })
    }

    pub(crate) async fn list(
        &self,
        filter: &Filter,
        size: usize,
        page: Option<&str>,
    ) -> Result<Paged<Description>> {
        let filters = match filter {
            Filter::All => None,
            Filter::BeginningWith(values) => Some(vec![
                SdkFilter::builder()
                    .key(FilterNameStringType::Name)
                    .set_values(Some(values.clone()))
                    .build(),
            ]),
        };
        let answer = self
            .call("ListSecrets", Asked::Other, |client| {
                client
                    .list_secrets()
                    .max_results(size.clamp(1, MAX_PAGE) as i32)
                    .set_filters(filters.clone())
                    .set_next_token(page.map(str::to_owned))
                    .send()
            })
            .await?;
        let items = answer
            .secret_list
            .unwrap_or_default()
            .into_iter()
            .map(|entry| {
                let stages = entry.secret_versions_to_stages.unwrap_or_default();
                Ok(Description {
                    id: entry.name.ok_or_else(|| error::incomplete("name"))?,
                    created: time(entry.created_date),
                    changed: time(entry.last_changed_date),
                    is_deleted: entry.deleted_date.is_some(),
                    tags: tags(entry.tags),
                    stages: stages.into_iter().collect(),
                })
            })
            .collect::<Result<_>>()?;
        Ok(Paged {
            items,
            next: answer.next_token.filter(|token| !token.is_empty()),
        })
    }

    /// All versions, those without a stage too, in the order in which the service gives them.
    pub(crate) async fn versions(&self, id: &str) -> Result<Vec<VersionEntry>> {
        let mut versions = Vec::new();
        let mut next = None;
        loop {
            let answer = self
                .call("ListSecretVersionIds", Asked::Other, |client| {
                    client
                        .list_secret_version_ids()
                        .secret_id(id)
                        .include_deprecated(true)
                        .max_results(MAX_PAGE as i32)
                        .set_next_token(next.clone())
                        .send()
                })
                .await?;
            for entry in answer.versions.unwrap_or_default() {
                let stages = entry.version_stages.unwrap_or_default();
                versions.push(VersionEntry {
                    version: entry
                        .version_id
                        .ok_or_else(|| error::incomplete("version"))?,
                    created: time(entry.created_date),
                    is_current: stages.iter().any(|stage| stage == CURRENT),
                });
            }
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(versions);
            }
        }
    }

    /// Makes a secret; the version of its first value comes back.
    pub(crate) async fn create(
        &self,
        id: &str,
        value: Payload<'_>,
        token: &str,
        creation: &Creation<'_>,
    ) -> Result<Option<String>> {
        let tags = creation.tags.map(|tags| sdk_tags(tags.iter()));
        let answer = self
            .call("CreateSecret", Asked::Create, |client| {
                let (text, bytes) = payload(value);
                client
                    .create_secret()
                    .name(id)
                    .client_request_token(token)
                    .set_secret_string(text)
                    .set_secret_binary(bytes)
                    .set_kms_key_id(creation.kms_key.map(str::to_owned))
                    .set_tags(tags.clone())
                    .send()
            })
            .await?;
        Ok(answer.version_id)
    }

    /// Adds a version, which becomes the current one unless it gets a stage of its own.
    pub(crate) async fn put(
        &self,
        id: &str,
        value: Payload<'_>,
        token: &str,
        stage: Option<&str>,
    ) -> Result<Option<String>> {
        let stages = stage.map(|stage| vec![stage.to_owned()]);
        let answer = self
            .call("PutSecretValue", Asked::Write, |client| {
                let (text, bytes) = payload(value);
                client
                    .put_secret_value()
                    .secret_id(id)
                    .client_request_token(token)
                    .set_secret_string(text)
                    .set_secret_binary(bytes)
                    .set_version_stages(stages.clone())
                    .send()
            })
            .await?;
        Ok(answer.version_id)
    }

    /// Moves a stage from one version to another, or takes it away. The service refuses if it is not where it is expected.
    pub(crate) async fn move_stage(
        &self,
        id: &str,
        stage: &str,
        from: &str,
        to: Option<&str>,
    ) -> Result<()> {
        self.call("UpdateSecretVersionStage", Asked::MoveStage, |client| {
            client
                .update_secret_version_stage()
                .secret_id(id)
                .version_stage(stage)
                .remove_from_version_id(from)
                .set_move_to_version_id(to.map(str::to_owned))
                .send()
        })
        .await
        .map(drop)
    }

    pub(crate) async fn delete(&self, id: &str, deletion: Deletion) -> Result<()> {
        let (window, force) = match deletion {
            Deletion::Window(days) => (days.map(i64::from), None),
            Deletion::Forever => (None, Some(true)),
        };
        self.call("DeleteSecret", Asked::Other, |client| {
            client
                .delete_secret()
                .secret_id(id)
                .set_recovery_window_in_days(window)
                .set_force_delete_without_recovery(force)
                .send()
        })
        .await
        .map(drop)
    }

    pub(crate) async fn restore(&self, id: &str) -> Result<()> {
        self.call("RestoreSecret", Asked::Other, |client| {
            client.restore_secret().secret_id(id).send()
        })
        .await
        .map(drop)
    }

    pub(crate) async fn tag<'a>(
        &self,
        id: &str,
        tags: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> Result<()> {
        let tags = sdk_tags(tags);
        self.call("TagResource", Asked::Other, |client| {
            client
                .tag_resource()
                .secret_id(id)
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await
        .map(drop)
    }

    pub(crate) async fn untag(&self, id: &str, keys: Vec<String>) -> Result<()> {
        self.call("UntagResource", Asked::Other, |client| {
            client
                .untag_resource()
                .secret_id(id)
                .set_tag_keys(Some(keys.clone()))
                .send()
        })
        .await
        .map(drop)
    }
}
