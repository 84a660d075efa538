//! Both services over one store.

use std::{path::Path, process::Command};

use test_servers::{Postgres, Redis, RedisKind};

use super::{Browser, Kind, Service, TempDir, service::Ended};

/// The stores of sessions and users.
#[derive(Clone, Copy, Debug)]
pub enum Backend {
    /// Both in one SQLite file.
    Embedded,
    /// Sessions in Redis, users in a SQLite file.
    Redis(RedisKind),
    /// Sessions in Redis, users in PostgreSQL.
    RedisAndPostgres(RedisKind),
    /// Both in one PostgreSQL database.
    Postgres,
}

pub const SECRET_KEY: &str = "the secret key of the end-to-end tests 0123456789";

/// `site` and `api`, which share sessions and users.
#[derive(Debug)]
pub struct Pair {
    // Drop order: the services end before the servers that they use.
    pub site: Service,
    pub api: Service,
    env: Vec<(String, String)>,
    redis: Option<Redis>,
    directory: TempDir,
}

impl Pair {
    pub fn start(backend: Backend) -> Self {
        Self::with(backend, &[])
    }

    /// Starts both services with more settings, which take precedence.
    pub fn with(backend: Backend, settings: &[(&str, &str)]) -> Self {
        let redis = match backend {
            Backend::Embedded | Backend::Postgres => None,
            Backend::Redis(kind) | Backend::RedisAndPostgres(kind) => Some(Redis::start(kind)),
        };
        let mut env = Vec::new();
        if let Backend::RedisAndPostgres(_) | Backend::Postgres = backend {
            env.push(("DATABASE_URL".to_owned(), Postgres::shared().create_database()));
        }
        if let (Backend::Postgres, Some((_, url))) = (backend, env.first().cloned()) {
            env.extend([("SESSION_URL".to_owned(), url), ("SECRET_KEY".to_owned(), SECRET_KEY.to_owned())]);
        }
        env.extend(owned(settings));
        Self::over(redis, &env)
    }

    /// Starts both services over the caller's Redis server.
    pub fn over(redis: Option<Redis>, settings: &[(String, String)]) -> Self {
        let directory = TempDir::new().unwrap();
        let mut env = basic_settings(directory.path());
        if let Some(redis) = &redis {
            env.extend(owned(&[("SESSION_URL", &redis.url()), ("SECRET_KEY", SECRET_KEY)]));
        }
        env.extend_from_slice(settings);
        let [site, api] = start_both(directory.path(), &env);
        Self { site, api, env, redis, directory }
    }

    /// Ends both services and starts them again with these settings changed.
    pub fn restart(&mut self, settings: &[(&str, &str)]) {
        self.env.extend(owned(settings));
        [self.site, self.api] = start_both(self.directory.path(), &self.env);
    }

    /// Another service over the same store.
    pub fn one_more(&self, kind: Kind) -> Service {
        Service::start(kind, self.directory.path(), &self.env)
    }

    /// Another service over the same store, with more settings.
    pub fn one_more_with(&self, kind: Kind, settings: &[(&str, &str)]) -> Service {
        Service::start(kind, self.directory.path(), &[&*self.env, &owned(settings)].concat())
    }

    /// The working directory of both services; their data directory is `data` in it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn both(&self) -> [&Service; 2] {
        [&self.site, &self.api]
    }

    pub fn redis(&self) -> &Redis {
        self.redis.as_ref().expect("sessions in Redis")
    }

    /// The keys of sessions in Redis, without those of the lists.
    pub fn session_keys(&self) -> Vec<String> {
        let keys = self.redis().cli(&["KEYS", "*"]);
        let is_other = |key: &str| key.is_empty() || key.contains(":user:") || key.contains(":throttle:");
        keys.lines().filter(|key| !is_other(key)).map(str::to_owned).collect()
    }

    /// Runs statements on the SQLite file of an embedded start.
    pub fn sqlite(&self, statements: &str) {
        let script =
            "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1], timeout=30) as db: db.executescript(sys.argv[2])";
        let database = self.directory().join("data").join("shared-session.sqlite3");
        let ran = Command::new("python3").args(["-c", script]).arg(&database).arg(statements).output().unwrap();
        assert!(ran.status.success(), "{statements}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Registers a user, who is not signed in afterwards.
    pub async fn user(&self, name: &str) {
        let password = Self::password_of(name);
        let email = format!("{name}@example.org");
        let fields = [("username", name), ("email", &email), ("password1", &password), ("password2", &password)];
        let browser = Browser::new();
        browser.open_and_submit(&self.site, "/register", "/register", &fields).await.assert_status(303);
        // A registration may or may not sign the user in.
        browser.sign_out_at_api(self).await.assert_status(204);
    }

    /// The password of the users that [`user`](Self::user) and [`superuser`](Self::superuser) create.
    pub fn password_of(name: &str) -> String {
        format!("the-pass-phrase-of-{name}")
    }

    /// Creates a superuser as an operator does.
    pub fn superuser(&self, name: &str) {
        let ended = self.run_site(
            &["create-superuser", "--username", name, "--email", "root@example.org"],
            &[("SUPERUSER_PASSWORD", &Self::password_of(name))],
        );
        assert!(ended.status.success(), "{ended:?}");
    }

    /// Runs a command of `site` over the same database.
    pub fn run_site(&self, args: &[&str], settings: &[(&str, &str)]) -> Ended {
        self.run(Kind::Site, args, settings)
    }

    /// Runs a command of either program over the same database.
    pub fn run(&self, kind: Kind, args: &[&str], settings: &[(&str, &str)]) -> Ended {
        kind.run(self.directory.path(), &[&*self.env, &owned(settings)].concat(), args)
    }
}

/// The settings of every service in the tests.
pub fn basic_settings(directory: &Path) -> Vec<(String, String)> {
    let data = directory.join("data").display().to_string();
    owned(&[("DATA_DIR", &data), ("SITE_ORIGIN", Kind::Site.origin()), ("API_ORIGIN", Kind::Api.origin())])
}

pub fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn start_both(directory: &Path, env: &[(String, String)]) -> [Service; 2] {
    let mut both = Kind::BOTH.map(|kind| Service::spawn(kind, directory, env));
    both.iter_mut().for_each(Service::wait_until_ready);
    both
}
