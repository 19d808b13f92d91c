use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::auth::Credentials;
use super::error::ApiError;
use super::id;
use super::kms::Keys;
use super::leases::Leases;
use super::options::{InfisicalOptions, Older};

/// A folder's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) project: String,
    pub(super) environment: String,
    pub(super) path: String,
}

/// Everything that one fake keeps.
pub(super) struct State {
    pub(super) projects: Vec<Project>,
    pub(super) folders: HashMap<String, Folder>,
    paths: HashMap<Place, String>,
    pub(super) credentials: Credentials,
    pub(super) keys: Keys,
    pub(super) leases: Leases,
    pub(super) ignored: BTreeSet<String>,
    older: Vec<Older>,
}

pub(super) struct Project {
    pub(super) id: String,
    pub(super) slug: String,
    pub(super) environments: Vec<Environment>,
    pub(super) tags: Vec<Tag>,
}

pub(super) struct Environment {
    pub(super) id: String,
    pub(super) slug: String,
    pub(super) name: String,
}

#[derive(Clone)]
pub(super) struct Tag {
    pub(super) id: String,
    pub(super) slug: String,
    pub(super) color: String,
    pub(super) created: SystemTime,
}

impl Tag {
    pub(super) fn short(&self) -> Value {
        json!({"id": self.id, "slug": self.slug, "color": self.color, "name": self.slug})
    }
}

pub(super) struct Folder {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) environment_id: String,
    pub(super) version: u64,
    pub(super) description: Option<String>,
    pub(super) created: SystemTime,
    pub(super) updated: SystemTime,
    pub(super) secrets: BTreeMap<String, Secret>,
    /// What was ever written here, by name and version. A deleted secret leaves its rows behind, and a new one of the
    /// same name begins at 1 again: then there are two, and the older is found first.
    pub(super) history: HashMap<(String, u64), Vec<Secret>>,
    pub(super) imports: Vec<Import>,
}

#[derive(Clone)]
pub(super) struct Import {
    pub(super) id: String,
    pub(super) environment: String,
    pub(super) path: String,
    pub(super) created: SystemTime,
}

#[derive(Clone)]
pub(super) struct Secret {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) comment: String,
    pub(super) metadata: Vec<Metadata>,
    pub(super) tags: Vec<String>,
    pub(super) skip_multiline: Option<bool>,
    pub(super) version: u64,
    pub(super) created: SystemTime,
    pub(super) updated: SystemTime,
}

#[derive(Clone)]
pub(super) struct Metadata {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) encrypted: bool,
}

impl State {
    pub(super) fn new(options: &InfisicalOptions, now: SystemTime) -> Self {
        let mut state = Self {
            projects: Vec::new(),
            folders: HashMap::new(),
            paths: HashMap::new(),
            credentials: Credentials::new(options),
            keys: Keys::default(),
            leases: Leases::default(),
            ignored: BTreeSet::new(),
            older: options.older.clone(),
        };
        for (id, slug) in &options.projects {
            state.projects.push(Project {
                id: id.clone(),
                slug: slug.clone(),
                environments: options
                    .environments
                    .iter()
                    .map(|slug| Environment {
                        id: id::uuid(),
                        slug: slug.clone(),
                        name: slug.clone(),
                    })
                    .collect(),
                tags: Vec::new(),
            });
            for environment in &options.environments {
                let place = Place {
                    project: id.clone(),
                    environment: environment.clone(),
                    path: "/".to_owned(),
                };
                state.add_folder(place, "root", None, now);
            }
        }
        state
    }

    pub(super) fn is(&self, older: Older) -> bool {
        self.older.contains(&older)
    }

    pub(super) fn set_older(&mut self, older: Vec<Older>) {
        self.older = older;
    }

    pub(super) fn project(&self, id: &str) -> Result<&Project, ApiError> {
        self.projects
            .iter()
            .find(|project| project.id == id)
            .ok_or_else(|| ApiError::not_found(format!("Project with ID '{id}' not found")))
    }

    pub(super) fn project_mut(&mut self, id: &str) -> Result<&mut Project, ApiError> {
        self.projects
            .iter_mut()
            .find(|project| project.id == id)
            .ok_or_else(|| ApiError::not_found(format!("Project with ID '{id}' not found")))
    }

    pub(super) fn project_of_slug(&self, slug: &str) -> Result<&Project, ApiError> {
        self.projects
            .iter()
            .find(|project| project.slug == slug)
            .ok_or_else(|| ApiError::not_found(format!("No project found with slug {slug}")))
    }

    /// The environment, by its slug.
    pub(super) fn environment(&self, place: &Place) -> Result<&Environment, ApiError> {
        self.project(&place.project)?
            .environments
            .iter()
            .find(|environment| environment.slug == place.environment)
            .ok_or_else(|| {
                ApiError::not_found(format!(
                    "Environment with slug '{}' in project with ID '{}' not found",
                    place.environment, place.project
                ))
            })
    }

    /// The folder of a place, if there is one. A path that no folder can have is refused.
    pub(super) fn find_folder(&self, place: &Place) -> Result<Option<&Folder>, ApiError> {
        if !is_valid_path(&place.path) {
            return Err(ApiError::bad_request(
                "Invalid secret path. Only alphanumeric characters, dashes, and underscores are allowed.",
            ));
        }
        Ok(self.folder_at(place))
    }

    pub(super) fn folder_at(&self, place: &Place) -> Option<&Folder> {
        self.folders.get(self.paths.get(place)?)
    }

    pub(super) fn folder_at_mut(&mut self, place: &Place) -> Option<&mut Folder> {
        self.folders.get_mut(self.paths.get(place)?)
    }

    pub(super) fn secret(&self, place: &Place, key: &str) -> Option<&Secret> {
        self.folder_at(place)?.secrets.get(key)
    }

    pub(super) fn add_folder(
        &mut self,
        place: Place,
        name: &str,
        parent: Option<String>,
        now: SystemTime,
    ) -> String {
        let id = id::uuid();
        let environment_id = self
            .environment(&place)
            .map(|environment| environment.id.clone())
            .unwrap_or_default();
        self.paths.insert(place.clone(), id.clone());
        self.folders.insert(
            id.clone(),
            Folder {
                id: id.clone(),
                parent,
                name: name.to_owned(),
                place,
                environment_id,
                version: 1,
                description: None,
                created: now,
                updated: now,
                secrets: BTreeMap::new(),
                history: HashMap::new(),
                imports: Vec::new(),
            },
        );
        id
    }

    /// The folders at and below a place, in the order of their paths.
    pub(super) fn folders_below(&self, place: &Place) -> Vec<&Folder> {
        let below = if place.path == "/" {
            "/".to_owned()
        } else {
            format!("{}/", place.path)
        };
        let mut found: Vec<&Folder> = self
            .folders
            .values()
            .filter(|folder| {
                let own = &folder.place;
                own.project == place.project
                    && own.environment == place.environment
                    && (own.path == place.path || own.path.starts_with(&below))
            })
            .collect();
        found.sort_by(|left, right| left.place.path.cmp(&right.place.path));
        found
    }

    pub(super) fn remove_folder(&mut self, place: &Place) {
        let ids: Vec<String> = self
            .folders_below(place)
            .iter()
            .map(|folder| folder.id.clone())
            .collect();
        for id in ids {
            if let Some(folder) = self.folders.remove(&id) {
                self.paths.remove(&folder.place);
            }
        }
    }

    /// Gives the folder, and all below it, the path that follows from a new name.
    pub(super) fn rename_folder(&mut self, place: &Place, name: &str, now: SystemTime) -> Place {
        let parent = place.path.rfind('/').map_or("", |end| &place.path[..end]);
        let path = format!("{parent}/{name}");
        let ids: Vec<String> = self
            .folders_below(place)
            .iter()
            .map(|folder| folder.id.clone())
            .collect();
        for id in ids {
            let Some(folder) = self.folders.get_mut(&id) else {
                continue;
            };
            self.paths.remove(&folder.place);
            if folder.place.path == place.path {
                name.clone_into(&mut folder.name);
                folder.updated = now;
            }
            folder.place.path = format!("{path}{}", &folder.place.path[place.path.len()..]);
            self.paths.insert(folder.place.clone(), id);
        }
        Place {
            path,
            ..place.clone()
        }
    }
}

pub(super) fn is_valid_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_valid_path(path: &str) -> bool {
    path.split('/')
        .filter(|name| !name.is_empty())
        .all(is_valid_name)
}

impl Folder {
    pub(super) fn as_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "createdAt": at(self.created),
            "updatedAt": at(self.updated),
            "envId": self.environment_id,
            "parentId": self.parent,
            "isReserved": false,
            "description": self.description,
            "lastSecretModified": self.secrets.values().map(|secret| at(secret.updated)).max(),
        })
    }

    /// Keeps what stands in `secrets` under `key` in the history as well.
    pub(super) fn remember(&mut self, key: &str) {
        if let Some(secret) = self.secrets.get(key) {
            let row = Secret {
                metadata: Vec::new(),
                tags: Vec::new(),
                created: secret.updated,
                ..secret.clone()
            };
            self.history
                .entry((key.to_owned(), secret.version))
                .or_default()
                .push(row);
        }
    }
}

/// As JavaScript writes a date.
pub(super) fn at(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}
