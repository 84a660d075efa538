//! Two processes of `api` and one of `site`, and the servers with their sessions.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    plan::Plan,
    servers::Servers,
    service::{Service, program},
};

const SERVICES: [(&str, &str); 3] = [("api", "api-1"), ("api", "api-2"), ("site", "site-1")];
const KEY_PREFIX: &str = "shared_session:";

/// The processes.
#[derive(Debug)]
pub struct Fleet {
    // Drop order: the services end before the servers that they use.
    /// The services.
    pub services: Vec<Service>,
    /// The servers that hold the sessions.
    pub servers: Servers,
    _directory: TempDir,
}

impl Fleet {
    /// Starts everything, with the users `user-0`, `user-1` and so on. The services log into `logs`.
    ///
    /// # Panics
    /// If something does not start.
    #[must_use]
    pub fn start(plan: &Plan, logs: &Path) -> Self {
        let servers = Servers::start(plan, SERVICES.len());
        let directory = TempDir::new().unwrap();
        fs::create_dir_all(logs).unwrap();
        let settings = |service: usize| {
            [
                ("DATA_DIR", directory.path().display().to_string()),
                ("SESSION_URL", servers.url(service)),
                ("SECRET_KEY", "the secret key of the histories 0123456789".to_owned()),
                ("NEAR_CACHE", if plan.near_cache { "on" } else { "off" }.to_owned()),
                ("SESSION_REPLICAS", plan.replicas.to_string()),
                ("SESSION_FENCED_READS", if plan.replicas > 0 { "on" } else { "off" }.to_owned()),
                // No limits, so that the checkers see the effects of the requests alone.
                ("SIGN_IN_LIMIT", "off".to_owned()),
                ("SESSION_MAX_PER_USER", "0".to_owned()),
                ("RUST_LOG", "warn".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
        };
        let start =
            |(at, (kind, name)): (usize, &(&'static str, &str))| Service::start(kind, name, &settings(at), logs);
        let services = SERVICES.iter().enumerate().map(start).collect();
        for user in 0..plan.load.users {
            create_user(&user_name(user), &settings(0));
        }
        Self { services, servers, _directory: directory }
    }

    /// The processes of `api`.
    pub fn apis(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(|service| !service.is_site())
    }

    /// The lifetime of the session's key in Redis.
    ///
    /// # Panics
    /// If Redis does not answer.
    #[must_use]
    pub fn lifetime(&self, handle: &str) -> i64 {
        self.servers.lifetime(&format!("{KEY_PREFIX}{handle}"))
    }
}

/// The name of a user.
#[must_use]
pub fn user_name(number: usize) -> String {
    format!("user-{number}")
}

/// The password of a user.
#[must_use]
pub fn password(name: &str) -> String {
    format!("the-pass-phrase-of-{name}")
}

fn create_user(name: &str, settings: &[(String, String)]) {
    let email = format!("{name}@example.org");
    let status = Command::new(program("site"))
        .args(["create-superuser", "--username", name, "--email", &email])
        .env_clear()
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .env("SUPERUSER_PASSWORD", password(name))
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "the user {name} was not created");
}
