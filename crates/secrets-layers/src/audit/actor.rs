use serde::{Deserialize, Serialize};

/// Who uses secrets. What is not known is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Actor {
    /// The name of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The number under which the operating system knows the user of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The machine's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The file name of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// The number of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// What the program was asked to do, such as `secrets get`. Never its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Actor {
    /// What the operating system says of this process. The user's name is that of its number in `/etc/passwd`: a
    /// variable such as `USER` is whatever somebody set it to.
    pub fn of_process() -> Self {
        let program = std::env::current_exe().ok();
        let process =
            program.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        let mut actor = Self {
            process,
            pid: Some(std::process::id()),
            ..Self::default()
        };
        #[cfg(unix)]
        {
            let uid = rustix::process::getuid().as_raw();
            actor.uid = Some(uid);
            actor.user = user_name(uid);
            let host = rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned();
            actor.host = Some(host).filter(|host| !host.is_empty());
        }
        actor
    }

    /// With this name of the user, for a service that acts for somebody.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// With what the program does.
    #[must_use]
    pub fn with_command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}

#[cfg(unix)]
fn user_name(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_who_it_is() {
        let actor = Actor::of_process();
        assert_eq!(actor.pid, Some(std::process::id()));
        assert_eq!(actor.uid, Some(rustix::process::getuid().as_raw()));
        assert!(actor.host.is_some_and(|host| !host.is_empty()));
        assert!(actor.process.is_some_and(|name| !name.contains('/')));
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(user_name(u32::MAX - 7), None);
    }
}
