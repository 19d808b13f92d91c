use axum::http::Method;
use percent_encoding::percent_decode_str;

use super::messages;
use super::schema::Schema;

/// A method of `google.cloud.secretmanager.v1.SecretManagerService`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rpc {
    ListSecrets,
    CreateSecret,
    GetSecret,
    UpdateSecret,
    DeleteSecret,
    AddSecretVersion,
    ListSecretVersions,
    GetSecretVersion,
    AccessSecretVersion,
    EnableSecretVersion,
    DisableSecretVersion,
    DestroySecretVersion,
    TestIamPermissions,
}

impl Rpc {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ListSecrets => "ListSecrets",
            Self::CreateSecret => "CreateSecret",
            Self::GetSecret => "GetSecret",
            Self::UpdateSecret => "UpdateSecret",
            Self::DeleteSecret => "DeleteSecret",
            Self::AddSecretVersion => "AddSecretVersion",
            Self::ListSecretVersions => "ListSecretVersions",
            Self::GetSecretVersion => "GetSecretVersion",
            Self::AccessSecretVersion => "AccessSecretVersion",
            Self::EnableSecretVersion => "EnableSecretVersion",
            Self::DisableSecretVersion => "DisableSecretVersion",
            Self::DestroySecretVersion => "DestroySecretVersion",
            Self::TestIamPermissions => "TestIamPermissions",
        }
    }

    /// What the caller must be allowed to do; nothing for a question about permissions.
    pub(super) fn permission(self) -> Option<&'static str> {
        Some(match self {
            Self::ListSecrets => "secretmanager.secrets.list",
            Self::CreateSecret => "secretmanager.secrets.create",
            Self::GetSecret => "secretmanager.secrets.get",
            Self::UpdateSecret => "secretmanager.secrets.update",
            Self::DeleteSecret => "secretmanager.secrets.delete",
            Self::AddSecretVersion => "secretmanager.versions.add",
            Self::ListSecretVersions => "secretmanager.versions.list",
            Self::GetSecretVersion => "secretmanager.versions.get",
            Self::AccessSecretVersion => "secretmanager.versions.access",
            Self::EnableSecretVersion => "secretmanager.versions.enable",
            Self::DisableSecretVersion => "secretmanager.versions.disable",
            Self::DestroySecretVersion => "secretmanager.versions.destroy",
            Self::TestIamPermissions => return None,
        })
    }

    /// The fields that may stand in the query.
    pub(super) fn query(self) -> &'static Schema {
        match self {
            Self::ListSecrets | Self::ListSecretVersions => &messages::LIST_QUERY,
            Self::CreateSecret => &messages::CREATE_QUERY,
            Self::UpdateSecret => &messages::UPDATE_QUERY,
            Self::DeleteSecret => &messages::DELETE_QUERY,
            _ => &messages::NO_QUERY,
        }
    }

    /// What the body is, and where in the request it stands.
    pub(super) fn body(self) -> Option<(&'static Schema, &'static str)> {
        match self {
            Self::CreateSecret | Self::UpdateSecret => Some((&messages::SECRET, "secret")),
            Self::AddSecretVersion => Some((&messages::ADD_VERSION, "")),
            Self::EnableSecretVersion | Self::DisableSecretVersion | Self::DestroySecretVersion => {
                Some((&messages::CHANGE_STATE, ""))
            }
            Self::TestIamPermissions => Some((&messages::TEST_PERMISSIONS, "")),
            _ => None,
        }
    }
}

/// What a request is about; names as they were sent, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) rpc: Rpc,
    pub(super) project: String,
    pub(super) location: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) version: Option<String>,
}

impl Target {
    /// `None` for a path, or a method at a path, that the service does not have.
    pub(super) fn find(method: &Method, path: &str) -> Option<Self> {
        let path = path.strip_prefix("/v1/")?;
        let (path, verb) = match path.rsplit_once(':') {
            Some((path, verb)) if !verb.contains('/') => (path, Some(verb)),
            _ => (path, None),
        };
        let segments: Vec<String> = path
            .split('/')
            .map(|segment| {
                let decoded = percent_decode_str(segment).decode_utf8().ok()?;
                (!decoded.is_empty()).then(|| decoded.into_owned())
            })
            .collect::<Option<_>>()?;
        let mut rest: Vec<&str> = segments.iter().map(String::as_str).collect();
        let mut location = None;
        if let ["projects", _, "locations", name, "secrets", ..] = rest[..] {
            location = Some(name.to_owned());
            rest.drain(2..4);
        }
        let ["projects", project, "secrets", rest @ ..] = &rest[..] else {
            return None;
        };
        let rpc = match (method.as_str(), rest, verb) {
            ("GET", [], None) => Rpc::ListSecrets,
            ("POST", [], None) => Rpc::CreateSecret,
            ("GET", [_], None) => Rpc::GetSecret,
            ("PATCH", [_], None) => Rpc::UpdateSecret,
            ("DELETE", [_], None) => Rpc::DeleteSecret,
            ("POST", [_], Some("addVersion")) => Rpc::AddSecretVersion,
            ("POST", [_], Some("testIamPermissions")) => Rpc::TestIamPermissions,
            ("GET", [_, "versions"], None) => Rpc::ListSecretVersions,
            ("GET", [_, "versions", _], None) => Rpc::GetSecretVersion,
            ("GET", [_, "versions", _], Some("access")) => Rpc::AccessSecretVersion,
            ("POST", [_, "versions", _], Some("enable")) => Rpc::EnableSecretVersion,
            ("POST", [_, "versions", _], Some("disable")) => Rpc::DisableSecretVersion,
            ("POST", [_, "versions", _], Some("destroy")) => Rpc::DestroySecretVersion,
            _ => return None,
        };
        Some(Self {
            rpc,
            project: (*project).to_owned(),
            location,
            secret: rest.first().map(|name| (*name).to_owned()),
            version: rest.get(2).map(|name| (*name).to_owned()),
        })
    }

    /// The resource's name as it was sent.
    pub(super) fn resource(&self) -> String {
        let mut name = format!("projects/{}", self.project);
        for (collection, id) in [
            ("locations", &self.location),
            ("secrets", &self.secret),
            ("versions", &self.version),
        ] {
            if let Some(id) = id {
                name.push_str(&format!("/{collection}/{id}"));
            }
        }
        name
    }
}
