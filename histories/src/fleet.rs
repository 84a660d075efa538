//! Two processes of `api` and one of `site` over one Redis, each with a way of its own to it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use test_servers::{Proxy, Redis};

use crate::{
    run::Plan,
    service::{Service, program},
};

const SERVICES: [(&str, &str); 3] = [("api", "api-1"), ("api", "api-2"), ("site", "site-1")];
const KEY_PREFIX: &str = "shared_session:";
/// It survives being killed: what was acknowledged is on the disk.
pub const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// The processes.
#[derive(Debug)]
pub struct Fleet {
    // The services go before what they use.
    /// The services.
    pub services: Vec<Service>,
    /// The way of each service to Redis, in the same order.
    pub ways: Vec<Proxy>,
    /// Where the sessions are.
    pub redis: Redis,
    directory: PathBuf,
}

impl Fleet {
    /// Starts everything, with the users `user-0`, `user-1` and so on. The services log into `logs`.
    ///
    /// # Panics
    /// If something does not start.
    #[must_use]
    pub fn start(args: &[&str], plan: &Plan, logs: &Path) -> Self {
        let redis = Redis::with_args(plan.redis, args);
        let directory = env::temp_dir().join(format!("shared-session-histories-{}", redis.port()));
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir_all(logs).unwrap();
        let ways: Vec<_> = SERVICES.iter().map(|_| Proxy::to(redis.port())).collect();
        let settings = |way: &Proxy| {
            [
                ("DATA_DIR", directory.display().to_string()),
                ("SESSION_URL", way.redis_url()),
                ("SECRET_KEY", "the secret key of the histories 0123456789".to_owned()),
                ("NEAR_CACHE", if plan.near_cache { "on" } else { "off" }.to_owned()),
                ("RUST_LOG", "warn".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
        };
        let start =
            |((kind, name), way): (&(&'static str, &str), &Proxy)| Service::start(kind, name, &settings(way), logs);
        let services = SERVICES.iter().zip(&ways).map(start).collect();
        for user in 0..plan.load.users {
            create_user(&user_name(user), &settings(&ways[0]));
        }
        Self { services, ways, redis, directory }
    }

    /// The processes of `api`.
    pub fn apis(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(|service| !service.is_site())
    }

    /// The lifetime that Redis says the session's key has.
    ///
    /// # Panics
    /// If Redis does not answer.
    #[must_use]
    pub fn lifetime(&self, handle: &str) -> i64 {
        self.redis.cli(&["TTL", &format!("{KEY_PREFIX}{handle}")]).parse().unwrap()
    }

    /// How many keys have no lifetime.
    ///
    /// # Panics
    /// If Redis does not answer.
    #[must_use]
    pub fn immortal_keys(&self) -> u64 {
        const COUNT: &str = "local count = 0 for _, key in ipairs(redis.call('KEYS', '*')) do \
                             if redis.call('TTL', key) == -1 then count = count + 1 end end return count";
        self.redis.cli(&["EVAL", COUNT, "0"]).parse().unwrap()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.services.clear();
        let _ = fs::remove_dir_all(&self.directory);
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
