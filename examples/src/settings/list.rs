//! Every setting, for `--help`, `docs/operations.md` and the search for misspelt names.
//!
//! Tests compare this list with the variables that the services read, with their defaults, and with both documents.

use super::Service;

/// A variable that a service reads.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) unset: Unset,
    /// In Markdown.
    pub(super) what: &'static str,
}

/// The meaning of a variable that is not set.
#[derive(Clone, Copy)]
pub(super) enum Unset {
    /// The same as this value.
    Is(&'static str),
    /// A meaning that no value of the variable has.
    Means(&'static str),
    Nothing,
}

use Unset::{Is, Means, Nothing};

/// Read by `site create-superuser` alone.
pub const SUPERUSER_PASSWORD: &str = "SUPERUSER_PASSWORD";

const fn setting(name: &'static str, unset: Unset, what: &'static str) -> Setting {
    Setting { name, unset, what }
}

/// In groups, each with its title.
const GROUPS: &[(&str, &[Setting])] = &[
    (
        "Listening",
        &[
            setting("SITE_ADDR", Is("127.0.0.1:8000"), "where `site` listens; port 0 picks a free one"),
            setting("API_ADDR", Is("127.0.0.1:8001"), "where `api` listens"),
            setting(
                "TRUSTED_PROXIES",
                Nothing,
                "networks whose `X-Forwarded-For` and `-Prefix` are believed, comma-separated",
            ),
            setting("SITE_PREFIX", Nothing, "path of `site` behind a proxy that serves other things too"),
            setting("HTTP_IDLE_TIMEOUT", Is("10"), "seconds that a client may stay connected without a request"),
            setting("HTTP_REQUEST_TIMEOUT", Is("30"), "seconds that a request may take until its answer begins"),
            setting("HTTP_CONNECTIONS", Is("1024"), "connections at a time; more wait"),
            setting("OPERATIONS_ADDR", Nothing, "the only address that serves `/metrics` and `/readyz`"),
            setting(
                "OPERATIONS_TOKEN",
                Nothing,
                "token that they require (`Authorization: Bearer …`), 16 bytes or more",
            ),
        ],
    ),
    (
        "Storage",
        &[
            setting(
                "SESSION_URL",
                Means("a SQLite file in `DATA_DIR`"),
                "sessions: `redis://`, `sqlite://` or `postgres://`, `rediss://` for TLS, `redis+unix://`, \
         `redis+sentinel://` or `redis+cluster://`",
            ),
            setting("REDIS_URL", Nothing, "read where `SESSION_URL` is not set"),
            setting("REDIS_CA_FILE", Means("Mozilla's authorities"), "authorities of a Redis with TLS, in PEM"),
            setting("REDIS_CLIENT_CERT_FILE", Nothing, "certificate that is shown to a Redis with TLS, in PEM"),
            setting("REDIS_CLIENT_KEY_FILE", Nothing, "key of that certificate, in PEM"),
            setting("SENTINEL_USERNAME", Nothing, "user at Sentinels that require a login"),
            setting("SENTINEL_PASSWORD", Nothing, "password at Sentinels that require a login"),
            setting("DATABASE_URL", Means("the same SQLite file"), "users: `sqlite://` or `postgres://`"),
            setting("DATA_DIR", Is(".data"), "directory of the SQLite file and of the generated key"),
        ],
    ),
    (
        "Secrets",
        &[
            setting(
                "SECRET_KEY",
                Means("generated into `DATA_DIR`"),
                "32 bytes or more, the same for all services; required with `SESSION_URL`, `REDIS_URL` or PostgreSQL; in a \
         Django profile Django's own",
            ),
            setting("SECRET_KEY_FALLBACKS", Nothing, "earlier keys that are still accepted, comma-separated"),
        ],
    ),
    (
        "Layout of sessions",
        &[
            setting(
                "SESSION_PROFILE",
                Is("native"),
                "layout of sessions; or that of a Django site: `django-cache`, `django-redis`, `django-db`, `django-cached-db`",
            ),
            setting("SESSION_KEY_PREFIX", Is("shared_session:"), "prefix of the keys in the store; with Django none"),
            setting("SESSION_KEY_VERSION", Is("1"), "Django profiles: Django's `VERSION`"),
            setting("DJANGO_CODEC", Is("pickle"), "Django profiles: codec of new sessions, or `json`, `msgpack`"),
            setting("DJANGO_TIME_ZONE", Nothing, "Django profiles: Django's `TIME_ZONE` if `USE_TZ` is `False`"),
            setting("AUTH_USER_TABLE", Is("auth_user"), "Django profiles: table of a custom user model"),
            setting("AUTH_USERNAME_FIELD", Is("username"), "Django profiles: its column of the name to sign in with"),
            setting("AUTH_EMAIL_FIELD", Is("email"), "Django profiles: its column of the address"),
            setting(
                "AUTH_BACKEND",
                Is("django.contrib.auth.backends.ModelBackend"),
                "Django profiles: backend that a sign-in is recorded under",
            ),
        ],
    ),
    (
        "The session cookie",
        &[
            setting("SESSION_COOKIE_NAME", Is("shared_session_id"), "name of the session cookie"),
            setting("SESSION_COOKIE_DOMAIN", Means("the host alone"), "domain that gets it, with all below it"),
            setting("SESSION_COOKIE_PATH", Is("/"), "path that it is sent to, with all below it"),
            setting("SESSION_COOKIE_FORMER_DOMAINS", Nothing, "domains that it had before, comma-separated"),
            setting("SESSION_COOKIE_FORMER_PATHS", Nothing, "paths that it had before, comma-separated"),
            setting("SESSION_COOKIE_SECURE", Means("off on loopback, else on"), "the browser sends it over HTTPS only"),
            setting("SESSION_COOKIE_SAMESITE", Is("Lax"), "`Lax`, `Strict` or `None`"),
            setting(
                "SESSION_COOKIE_SIGNED",
                Is("off"),
                "it is signed, and made-up ones cost no read: `write-unsigned`, then `accept-unsigned`, then `on`",
            ),
            setting("SESSION_EXPIRE_AT_BROWSER_CLOSE", Is("off"), "the browser forgets it when it is closed"),
            setting("SESSION_SAVE_EVERY_REQUEST", Is("off"), "each request extends its session and the cookie"),
            setting("API_BEARER_TOKENS", Is("off"), "`api` takes sessions as bearer tokens, too"),
        ],
    ),
    (
        "Origins that may send forms",
        &[
            setting(
                "SITE_ORIGIN",
                Means("`http://localhost` and `http://127.0.0.1`, with the ports of both services"),
                "origins of `site` that may send forms and calls, comma-separated",
            ),
            setting("API_ORIGIN", Means("the same"), "origins of `api` that may do so, comma-separated"),
        ],
    ),
    (
        "Session lifetimes",
        &[
            setting("SESSION_IDLE", Is("1209600"), "seconds that a session lives unused"),
            setting("SESSION_ABSOLUTE", Is("7776000"), "seconds that a session lives at most"),
            setting(
                "SESSION_REMEMBER_AGE",
                Means("`SESSION_ABSOLUTE`"),
                "seconds unused, for users who asked to stay signed in",
            ),
        ],
    ),
    (
        "Limits per visitor",
        &[
            setting("SESSION_ANONYMOUS_AGE", Is("86400"), "seconds unused, without a user; with Django `SESSION_IDLE`"),
            setting("SESSION_ANONYMOUS_SIZE", Is("20480"), "bytes of a session without a user"),
            setting("SESSION_ANONYMOUS_RATE", Is("300"), "such sessions that one address may start in an hour; 0: any"),
            setting(
                "SESSION_MAX_PER_USER",
                Is("100"),
                "sessions of a user, then the oldest ends; 0: any, as with Django",
            ),
            setting("SESSION_FRESH", Is("900"), "seconds until `site` asks staff for the password again; 0: never"),
            setting("SIGN_IN_LIMIT", Is("on"), "wrong passwords and registrations slow the next ones down"),
        ],
    ),
    (
        "Failover of Redis",
        &[
            setting("SESSION_REPLICAS", Is("0"), "replicas of Redis that must have a write before it is acknowledged"),
            setting("SESSION_FENCED_READS", Is("off"), "a Redis that may not write is not read from either"),
        ],
    ),
    (
        "Running",
        &[
            setting(
                "NEAR_CACHE",
                Is("off"),
                "sessions in Redis are kept in the process until Redis announces a change",
            ),
            setting("USER_CACHE", Is("off"), "users' rows are kept in the process for 5 seconds"),
            setting("SESSION_DURABLE", Is("off"), "sessions are in `DATABASE_URL`, and Redis has copies"),
            setting(
                "SESSION_ENCRYPTION",
                Is("off"),
                "sessions are encrypted in the store: `write-plain`, then `accept-plain`, then `on`",
            ),
            setting("SESSION_TIMEOUT_MS", Is("300"), "milliseconds until a call to Redis fails"),
            setting("SESSION_RETRY_AFTER", Is("1"), "seconds in the `Retry-After` of a 503"),
            setting("RUST_LOG", Is("info"), "log filter, such as `warn,shared_session=debug`"),
            setting(SUPERUSER_PASSWORD, Means("asked for"), "password for `site create-superuser`"),
        ],
    ),
];

pub(super) fn settings() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|(_, settings)| *settings)
}

/// The largest width of the help.
const WIDTH: usize = 100;
/// The column where the second column of the help begins.
const COLUMN: usize = 35;

/// Every setting that `service` reads, for its `--help`.
#[must_use]
pub fn help(service: Service) -> String {
    let mut help = String::from("Settings (in brackets what counts while one is not set):");
    for (title, settings) in GROUPS {
        help.push_str(&format!("\n\n  {title}"));
        for setting in settings.iter().filter(|setting| is_of(service, setting)) {
            push(&mut help, setting);
        }
    }
    help
}

fn push(help: &mut String, Setting { name, unset, what }: &Setting) {
    let default = match unset {
        Is(value) => format!(" [{value}]"),
        Means(words) => format!(" [{words}]"),
        Nothing => String::new(),
    };
    let text = format!("{what}{default}").replace('`', "");
    let mut line = format!("  {name:<width$}", width = COLUMN - 3);
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            help.push('\n');
            help.push_str(&line);
            line = " ".repeat(COLUMN - 1);
        }
        line.push(' ');
        line.push_str(word);
    }
    help.push('\n');
    help.push_str(&line);
}

fn is_of(service: Service, setting: &Setting) -> bool {
    service == Service::Site || setting.name != SUPERUSER_PASSWORD
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeSet};

    use super::{
        super::{Settings, testing::read},
        *,
    };

    const SERVICES: [Service; 2] = [Service::Site, Service::Api];

    fn of(service: Service) -> impl Iterator<Item = &'static Setting> {
        settings().filter(move |setting| is_of(service, setting))
    }

    #[test]
    fn the_list_has_exactly_the_settings_that_the_services_read() {
        for service in SERVICES {
            let asked = RefCell::new(BTreeSet::new());
            let spy = |name: &str| {
                asked.borrow_mut().insert(name.to_owned());
                None
            };
            Settings::from_env(spy, service).unwrap();
            let listed: BTreeSet<_> =
                of(service).map(|setting| setting.name.to_owned()).filter(|name| name != SUPERUSER_PASSWORD).collect();
            assert_eq!(asked.into_inner(), listed, "{service:?}");
        }
        assert!(of(Service::Site).count() == of(Service::Api).count() + 1);
        let names: BTreeSet<_> = settings().map(|setting| setting.name).collect();
        assert_eq!(names.len(), settings().count(), "a name is in the list twice");
    }

    #[test]
    fn a_default_that_is_set_changes_nothing() {
        for (service, setting) in SERVICES.into_iter().flat_map(|service| of(service).map(move |one| (service, one))) {
            if let Is(value) = setting.unset {
                assert_eq!(read(&[(setting.name, value)], service), read(&[], service), "{}", setting.name);
            }
        }
    }

    #[test]
    fn the_example_file_has_the_same_defaults() {
        let file = include_str!("../../../.env.example");
        for Setting { name, unset, .. } in settings() {
            if let Is(value) = unset {
                assert!(file.lines().any(|line| line == format!("#{name}={value}")), "{name} is not {value} there");
            }
        }
    }

    #[test]
    fn the_help_has_every_setting_and_stays_readable() {
        for service in SERVICES {
            let help = help(service);
            for setting in of(service) {
                let line = help.lines().find(|line| line.split_whitespace().next() == Some(setting.name)).unwrap();
                assert!(line.len() > COLUMN, "{line}");
            }
            assert!(!help.contains('`') && !help.contains("  \n"), "{help}");
            assert!(help.lines().all(|line| line.chars().count() <= WIDTH), "{help}");
        }
    }

    #[test]
    fn the_documentation_for_operators_has_the_same_list() {
        let mut table = String::from("| setting | default | what it says |\n|---|---|---|\n");
        for (title, settings) in GROUPS {
            table.push_str(&format!("| **{title}** | | |\n"));
            for Setting { name, unset, what } in *settings {
                let default = match unset {
                    Is(value) => format!("`{value}`"),
                    Means(words) => (*words).to_owned(),
                    Nothing => "none".to_owned(),
                };
                table.push_str(&format!("| `{name}` | {default} | {what} |\n"));
            }
        }
        let documentation = include_str!("../../../docs/operations.md");
        assert!(documentation.contains(&table), "docs/operations.md lacks this table:\n\n{table}");
    }

    #[test]
    fn compose_passes_on_every_setting_that_is_not_its_own() {
        // Where the containers listen and keep data, and the options of a custom `SESSION_URL`.
        let of_compose = |name: &str| {
            ["SITE_ADDR", "API_ADDR", "DATA_DIR"].contains(&name)
                || ["REDIS_", "SENTINEL_"].iter().any(|prefix| name.starts_with(prefix))
        };
        let file = include_str!("../../../docker-compose.yml");
        let sets = |name: &str| file.lines().any(|line| line.trim_start().starts_with(&format!("{name}:")));
        for name in settings().map(|setting| setting.name).filter(|name| !of_compose(name)) {
            assert!(sets(name), "{name} is missing in docker-compose.yml");
        }
    }
}
