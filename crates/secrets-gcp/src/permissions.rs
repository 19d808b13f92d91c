//! The least that Google Cloud's IAM has to bind.

use secrets_core::{LeastPrivilege, Location, Result, SecretName};

use crate::names::Ids;

/// The built-in role that reads values (Secret Manager documentation, "Access control with IAM").
const ROLE: &str = "roles/secretmanager.secretAccessor";

/// The bindings for reading these secrets, each on one secret alone.
pub(crate) fn for_names(
    ids: &Ids,
    project: Option<&str>,
    location: &Location,
    names: &[SecretName],
) -> Result<LeastPrivilege> {
    let ids = names.iter().map(|name| ids.id_of(name));
    let mut ids = ids.collect::<Result<Vec<_>>>()?;
    ids.sort();
    ids.dedup();
    let region = location.parameter("region");
    let region = region.map(|region| format!(" --location={region}"));
    let mut text = String::new();
    for id in ids {
        text.push_str(&format!(
            "gcloud secrets add-iam-policy-binding {id} --project={}{} --role={ROLE} --member=\"$MEMBER\"\n",
            project.unwrap_or("\"$PROJECT\""),
            region.as_deref().unwrap_or_default(),
        ));
    }
    let grants = LeastPrivilege::new("Google Cloud IAM bindings", "sh", text).with_note(
        "MEMBER is who reads, such as serviceAccount:app@my-project.iam.gserviceaccount.com",
    );
    Ok(match project {
        Some(_) => grants,
        None => grants.with_note(
            "PROJECT is the id of the project, which only the machine's own metadata server knows",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_has_a_binding_of_its_own() {
        let ids = Ids::new("app_").unwrap();
        let names = ["db/key", "TOKEN", "TOKEN"].map(|name| SecretName::new(name).unwrap());
        let location: Location = "gcp-sm://p?region=europe-west3".parse().unwrap();
        let grants = for_names(&ids, Some("p"), &location, &names).unwrap();
        assert_eq!(
            grants.text,
            "gcloud secrets add-iam-policy-binding app_TOKEN --project=p --location=europe-west3 --role=roles/secretmanager.secretAccessor --member=\"$MEMBER\"\n\
             gcloud secrets add-iam-policy-binding app_x__db_skey --project=p --location=europe-west3 --role=roles/secretmanager.secretAccessor --member=\"$MEMBER\"\n"
        );
        let location: Location = "gcp-sm:".parse().unwrap();
        let grants = for_names(&ids, None, &location, &names).unwrap();
        assert!(grants.text.contains("--project=\"$PROJECT\" --role"));
        assert_eq!(grants.notes.len(), 2);
    }
}
