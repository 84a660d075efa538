//! The environment of a check: two processes of one service over one Redis, which is emptied before each check.

use std::time::Duration;

use test_servers::{Redis, Reply};

use crate::{
    http::{Answer, Browser, line, send},
    process::Service,
    services::{Layer, NOTHING, Setup},
};

/// Commands that read from the server but no data.
const NOT_COUNTED: [&str; 7] = ["info", "config", "ping", "hello", "client", "time", "command"];

pub struct Stage<'a> {
    pub layer: Layer,
    pub setup: Setup,
    pub redis: &'a Redis,
    pub a: Service,
    pub b: Service,
}

impl<'a> Stage<'a> {
    pub fn new(layer: Layer, redis: &'a Redis, setup: Setup) -> Self {
        let start = || Service::start(layer, &redis.url(), setup);
        Self { layer, setup, redis, a: start(), b: start() }
    }

    /// Another stage, with other lifetimes.
    pub fn living(&self, idle: Duration, absolute: Option<Duration>) -> Self {
        Self::new(self.layer, self.redis, Setup { idle: Some(idle), absolute, ..self.setup })
    }

    /// A visitor with the entry `a` = 1.
    pub fn visitor(&self) -> Browser {
        let mut browser = Browser::default();
        let answer = browser.post(self.a.port, "/write?name=a&value=1");
        assert!(answer.is_success() && browser.session().is_some(), "{}: {answer:?}", self.layer.name());
        browser
    }

    /// A visitor who is signed in.
    pub fn signed_in(&self, user: &str) -> Browser {
        let mut browser = Browser::default();
        let answer = browser.post(self.a.port, &format!("/login?user={user}"));
        assert!(answer.is_success() && browser.session().is_some(), "{}: {answer:?}", self.layer.name());
        assert_eq!(browser.clone().get(self.a.port, "/whoami").body, user, "{}", self.layer.name());
        browser
    }

    /// Whether process A accepts these `Cookie` headers as signed in as `user`.
    pub fn knows(&self, user: &str, headers: &[Vec<u8>]) -> bool {
        let lines: Vec<_> = headers.iter().map(|header| line("Cookie", header)).collect();
        let answer = send(self.a.port, "GET", "/whoami", &lines, "");
        answer.status == 200 && answer.body == user
    }

    /// Whether a cookie is signed in at either process.
    pub fn is_signed_in(&self, browser: &Browser) -> bool {
        [self.a.port, self.b.port].into_iter().any(|port| is_signed_in_at(port, browser))
    }

    /// The keys in Redis.
    pub fn keys(&self) -> Vec<String> {
        let Reply::Array(keys) = self.redis.command(&[b"KEYS", b"*"]) else { panic!("no keys") };
        keys.iter().map(ToString::to_string).collect()
    }

    /// The keys of sessions: those that hold a string.
    pub fn session_keys(&self) -> Vec<String> {
        self.keys().into_iter().filter(|key| self.redis.cli(&["TYPE", key]) == "string").collect()
    }

    /// The commands about data since the server was started.
    pub fn commands(&self) -> u64 {
        let info = self.redis.cli(&["INFO", "commandstats"]);
        let calls = |line: &str| {
            let (name, rest) = line.trim().strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let name = name.split('|').next()?;
            let calls = rest.split(',').next()?.parse::<u64>().ok()?;
            (!NOT_COUNTED.contains(&name)).then_some(calls)
        };
        info.lines().filter_map(calls).sum()
    }
}

/// Whether a browser's cookies are signed in at a process. The browser's cookies do not change.
pub fn is_signed_in_at(port: u16, browser: &Browser) -> bool {
    let answer = browser.clone().get(port, "/whoami");
    answer.status == 200 && answer.body != NOTHING
}

/// The value of an entry for a browser's cookies at a process. The browser's cookies do not change.
pub fn entry_at(port: u16, browser: &Browser, name: &str) -> Answer {
    browser.clone().get(port, &format!("/read?name={name}"))
}
