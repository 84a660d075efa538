//! The Redis and Valkey servers, and the figures that they report.

use std::collections::BTreeMap;

use test_servers::{Redis, RedisKind};

/// A server for measurements.
pub struct Server {
    pub redis: Redis,
    /// For example `valkey 9.1.2`.
    pub version: String,
    /// Whether its compare-and-set is a native command or uses Lua.
    pub is_native: bool,
}

impl Server {
    pub fn start(kind: RedisKind, is_native: bool) -> Self {
        let redis = Redis::start(kind);
        let info = redis.cli(&["INFO", "server"]);
        let version = |name: &str| info.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::to_owned);
        let version = version("valkey_version:")
            .map(|version| format!("Valkey {version}"))
            .or_else(|| version("redis_version:").map(|version| format!("Redis {version}")));
        Self { redis, version: version.expect("a server that tells its version"), is_native }
    }

    /// A server with a native compare-and-set, for measurements with only one server.
    pub fn native() -> Self {
        Self::start(RedisKind::Valkey, true)
    }

    /// All available servers: one with Lua, Valkey, and a Redis with compare-and-set if there is one.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::start(RedisKind::Old, false), Self::native()];
        let newest = Self::start(RedisKind::New, true);
        if newest.redis.version() >= (8, 4) {
            all.push(newest);
        } else {
            eprintln!("{} has no compare-and-set; `make versions` builds a newer one", newest.version);
        }
        all
    }

    pub fn title(&self) -> String {
        let how = if self.is_native { "native compare-and-set" } else { "compare-and-set in Lua" };
        format!("{}: {how}", self.version)
    }
}

/// How many commands the server has executed, including those in scripts.
pub fn commands_of(redis: &Redis) -> f64 {
    field(&redis.cli(&["INFO", "stats"]), "total_commands_processed").expect("a count of commands")
}

/// The memory of its data and its connections in bytes.
pub fn memory_of(redis: &Redis) -> f64 {
    field(&redis.cli(&["INFO", "memory"]), "used_memory").expect("the memory used")
}

/// A field of `INFO`.
pub fn field(info: &str, name: &str) -> Option<f64> {
    info.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':')?.parse().ok())
}

/// The calls of each command since the last `CONFIG RESETSTAT`, and the microseconds of one.
pub fn calls_of(redis: &Redis) -> BTreeMap<String, (f64, f64)> {
    calls(&redis.cli(&["INFO", "commandstats"]))
}

fn calls(info: &str) -> BTreeMap<String, (f64, f64)> {
    let of = |line: &str| {
        let (name, rest) = line.trim().strip_prefix("cmdstat_")?.split_once(':')?;
        let value = |field: &str| {
            let found = rest.split(',').find_map(|part| part.strip_prefix(field)?.strip_prefix('='));
            found.and_then(|number| number.parse::<f64>().ok())
        };
        Some((name.to_owned(), (value("calls")?, value("usec_per_call")?)))
    };
    info.lines().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read() {
        let info = "# Memory\r\nused_memory:1024\r\nused_memory_human:1K\r\n";
        assert_eq!(field(info, "used_memory"), Some(1024.0));
        assert_eq!(field(info, "memory"), None);
        let stats = "# Commandstats\r\ncmdstat_get:calls=4,usec=8,usec_per_call=2.00,rejected_calls=0\r\n\
                     cmdstat_config|resetstat:calls=1,usec=9,usec_per_call=9.50\r\n";
        let expected = [("config|resetstat", (1.0, 9.5)), ("get", (4.0, 2.0))];
        assert_eq!(calls(stats), expected.map(|(name, of)| (name.to_owned(), of)).into());
    }
}
