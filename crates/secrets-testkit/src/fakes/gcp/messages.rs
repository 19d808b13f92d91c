//! The fields of `google.cloud.secretmanager.v1`, as its protobuf definitions list them.

use super::schema::{Field, Kind, Schema, field, one_of};

const fn schema(fields: &'static [Field]) -> Schema {
    Schema { fields }
}

static ENCRYPTION: Schema = schema(&[field("kms_key_name", Kind::Text)]);
static AUTOMATIC: Schema = schema(&[field(
    "customer_managed_encryption",
    Kind::Message(&ENCRYPTION),
)]);
static REPLICA: Schema = schema(&[
    field("location", Kind::Text),
    field("customer_managed_encryption", Kind::Message(&ENCRYPTION)),
]);
static USER_MANAGED: Schema =
    schema(&[field("replicas", Kind::Repeated(&Kind::Message(&REPLICA)))]);
static REPLICATION: Schema = schema(&[
    one_of("replication", "automatic", Kind::Message(&AUTOMATIC)),
    one_of("replication", "user_managed", Kind::Message(&USER_MANAGED)),
]);
static TOPIC: Schema = schema(&[field("name", Kind::Text)]);
static STATUS: Schema = schema(&[field("code", Kind::Int32), field("message", Kind::Text)]);
static MANAGED_ROTATION: Schema = schema(&[
    field(
        "state",
        Kind::Enum(&[("STATE_UNSPECIFIED", 0), ("ACTIVE", 1), ("INACTIVE", 2)]),
    ),
    field("error", Kind::Message(&STATUS)),
]);
static ROTATION: Schema = schema(&[
    field("next_rotation_time", Kind::Timestamp),
    field("rotation_period", Kind::Duration),
    field("managed_rotation_status", Kind::Message(&MANAGED_ROTATION)),
]);
static POLICY_MEMBER: Schema = schema(&[
    field("iam_policy_name_principal", Kind::Text),
    field("iam_policy_uid_principal", Kind::Text),
]);

pub(super) const SECRET_TYPES: &[(&str, i64)] = &[
    ("SECRET_TYPE_UNSPECIFIED", 0),
    ("CLOUD_SQL_DB_CREDENTIALS", 1),
    ("ACCESS_KEY", 2),
    ("CERTIFICATE", 3),
    ("OTHER_DB_CREDENTIALS", 4),
    ("OTHER", 50),
];

pub(super) static SECRET: Schema = schema(&[
    field("name", Kind::Text),
    field("replication", Kind::Message(&REPLICATION)),
    field("create_time", Kind::Timestamp),
    field("labels", Kind::Map(&Kind::Text)),
    field("topics", Kind::Repeated(&Kind::Message(&TOPIC))),
    one_of("expiration", "expire_time", Kind::Timestamp),
    one_of("expiration", "ttl", Kind::Duration),
    field("etag", Kind::Text),
    field("rotation", Kind::Message(&ROTATION)),
    field("version_aliases", Kind::Map(&Kind::Int64)),
    field("annotations", Kind::Map(&Kind::Text)),
    field("version_destroy_ttl", Kind::Duration),
    field("customer_managed_encryption", Kind::Message(&ENCRYPTION)),
    field("tags", Kind::Map(&Kind::Text)),
    field("secret_type", Kind::Enum(SECRET_TYPES)),
    field("policy_member", Kind::Message(&POLICY_MEMBER)),
]);

pub(super) const VERSION_STATES: &[(&str, i64)] = &[
    ("STATE_UNSPECIFIED", 0),
    ("ENABLED", 1),
    ("DISABLED", 2),
    ("DESTROYED", 3),
];

static KEY_VERSION: Schema = schema(&[field("kms_key_version_name", Kind::Text)]);
static AUTOMATIC_STATUS: Schema = schema(&[field(
    "customer_managed_encryption",
    Kind::Message(&KEY_VERSION),
)]);
static REPLICA_STATUS: Schema = schema(&[
    field("location", Kind::Text),
    field("customer_managed_encryption", Kind::Message(&KEY_VERSION)),
]);
static USER_MANAGED_STATUS: Schema = schema(&[field(
    "replicas",
    Kind::Repeated(&Kind::Message(&REPLICA_STATUS)),
)]);
static REPLICATION_STATUS: Schema = schema(&[
    one_of(
        "replication_status",
        "automatic",
        Kind::Message(&AUTOMATIC_STATUS),
    ),
    one_of(
        "replication_status",
        "user_managed",
        Kind::Message(&USER_MANAGED_STATUS),
    ),
]);

pub(super) static VERSION: Schema = schema(&[
    field("name", Kind::Text),
    field("create_time", Kind::Timestamp),
    field("destroy_time", Kind::Timestamp),
    field("state", Kind::Enum(VERSION_STATES)),
    field("replication_status", Kind::Message(&REPLICATION_STATUS)),
    field("etag", Kind::Text),
    field("client_specified_payload_checksum", Kind::Bool),
    field("scheduled_destroy_time", Kind::Timestamp),
    field("customer_managed_encryption", Kind::Message(&KEY_VERSION)),
]);

static PAYLOAD: Schema = schema(&[
    field("data", Kind::Bytes),
    field("data_crc32c", Kind::Int64),
]);

/// The body of `AddSecretVersion`.
pub(super) static ADD_VERSION: Schema = schema(&[
    field("parent", Kind::Text),
    field("payload", Kind::Message(&PAYLOAD)),
]);

/// The body of `EnableSecretVersion` and its two siblings.
pub(super) static CHANGE_STATE: Schema =
    schema(&[field("name", Kind::Text), field("etag", Kind::Text)]);

/// The body of `TestIamPermissions`.
pub(super) static TEST_PERMISSIONS: Schema = schema(&[
    field("resource", Kind::Text),
    field("permissions", Kind::Repeated(&Kind::Text)),
]);

pub(super) static NO_QUERY: Schema = schema(&[]);
pub(super) static LIST_QUERY: Schema = schema(&[
    field("page_size", Kind::Int32),
    field("page_token", Kind::Text),
    field("filter", Kind::Text),
]);
pub(super) static CREATE_QUERY: Schema = schema(&[field("secret_id", Kind::Text)]);
pub(super) static UPDATE_QUERY: Schema = schema(&[field("update_mask", Kind::Mask)]);
pub(super) static DELETE_QUERY: Schema = schema(&[field("etag", Kind::Text)]);
