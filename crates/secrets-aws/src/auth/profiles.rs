//! What a profile asks for, looked at before the SDK does: it goes on to another identity where a profile leads nowhere,
//! and ignores settings that it does not support.

use aws_config::profile::{Profile, ProfileSet};
use secrets_core::Result;

use super::Role;
use crate::error;

/// Where a chain of profiles takes its first credential from, as far as that needs something of us.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// The metadata service, which the chain would else ask last.
    pub(super) wants_metadata: bool,
    /// The access key of the environment, and the profile that names it.
    pub(super) wants_environment: Option<String>,
    /// The roles to assume with that access key, in their order.
    pub(super) roles: Vec<Role>,
}

/// Follows `source_profile` from the profile `name`.
///
/// # Errors
/// [`InvalidConfig`](secrets_core::ErrorKind::InvalidConfig), which names the profile: one that does not exist, or a
/// setting that is not supported. A profile that nobody names need not exist.
pub(super) fn choose(profiles: &ProfileSet, name: &str, is_named: bool) -> Result<Chosen> {
    let mut chosen = Chosen::default();
    let mut visited: Vec<&str> = Vec::new();
    let mut current = name;
    loop {
        let Some(profile) = profiles.get_profile(current) else {
            return match visited.last() {
                Some(from) => Err(error::no_source_profile(from, current)),
                None if is_named => Err(error::no_profile(current)),
                None => Ok(chosen),
            };
        };
        if profile.get("login_session").is_some() && !cfg!(feature = "login") {
            return Err(error::unsupported_profile_setting(current, "login_session"));
        }
        let Some(arn) = profile.get("role_arn") else {
            return Ok(chosen);
        };
        // Access keys end the chain, except in the profile that it begins with.
        if !visited.is_empty() && profile.get("aws_access_key_id").is_some() {
            return Ok(chosen);
        }
        check_role(profile, current)?;
        visited.push(current);
        chosen.roles.insert(
            0,
            Role {
                arn: arn.to_owned(),
                external_id: profile.get("external_id").map(str::to_owned),
                session: profile.get("role_session_name").map(str::to_owned),
            },
        );
        match profile.get("credential_source") {
            Some("Ec2InstanceMetadata") => chosen.wants_metadata = true,
            Some("Environment") => chosen.wants_environment = Some(current.to_owned()),
            _ => {}
        }
        match profile.get("source_profile") {
            Some(next) if !visited.contains(&next) => current = next,
            _ => return Ok(chosen),
        }
    }
}

/// Refuses what the SDK would leave out in silence: the role would be assumed otherwise than the profile says.
fn check_role(profile: &Profile, name: &str) -> Result<()> {
    let is_default = |setting: &str, value: &str| setting == "duration_seconds" && value == "3600";
    for setting in ["mfa_serial", "source_identity", "duration_seconds"] {
        if let Some(value) = profile.get(setting)
            && !is_default(setting, value.trim())
        {
            return Err(error::unsupported_profile_setting(name, setting));
        }
    }
    Ok(())
}
