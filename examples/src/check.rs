//! The report of `site check` and `api check`: whether the service can run with these settings, one line for each part.
//!
//! - A check creates no table, no file and no user: a part that the first start creates is a warning.
//! - An existing part is checked even if another one is missing.
//! - A session is stored, read and ended only after the check that this service fits the stored sessions.
//! - No line contains a secret: no URL, no key.

pub mod missing;

use std::{fmt, path::PathBuf};

use shared_session::{Error, ErrorKind, SessionManager, users::SqlUsers};

use crate::{
    cli::{self, Failure},
    operations, secret_key, sessions,
    settings::{DatabaseUrl, SessionUrl, Settings, SettingsError, env_file, explained},
    users,
};

/// The state of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It works.
    Fine,
    /// It works, with a remark.
    Warning,
    /// It does not work.
    Failed,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The state of the part.
    pub state: State,
    /// `settings`, `users`, `store` or `fleet`.
    pub part: &'static str,
    /// The finding, in one line.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Fine => "ok",
            State::Warning => "warning",
            State::Failed => "failed",
        };
        write!(f, "{state:<8} {:<9} {}", self.part, self.text.replace('\n', " "))
    }
}

/// All lines, ordered by the dependencies of the parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report(pub Vec<Line>);

impl Report {
    /// Prints the lines.
    ///
    /// # Errors
    /// [`Failure::failed`] if one of them is [`State::Failed`].
    pub fn print(&self) -> Result<(), Failure> {
        cli::print(&self.0.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        match self.0.iter().filter(|line| line.state == State::Failed).count() {
            0 => Ok(()),
            failed => Err(Failure::failed(format!("{failed} of {} checks failed", self.0.len()))),
        }
    }

    fn add(&mut self, state: State, part: &'static str, text: impl Into<String>) {
        self.0.push(Line { state, part, text: text.into() });
    }

    fn error(&mut self, part: &'static str, error: &Error) {
        self.add(State::Failed, part, error.to_string());
    }
}

/// Checks everything that `settings` name.
pub async fn check(settings: Result<Settings, SettingsError>) -> Report {
    let mut report = Report::default();
    match settings {
        Ok(settings) => {
            report_settings(&mut report, &settings);
            report_parts(&mut report, &settings).await;
        }
        Err(error) => report.add(State::Failed, "settings", error.to_string()),
    }
    report
}

fn report_settings(report: &mut Report, settings: &Settings) {
    let file = env_file::path();
    let file = file.display();
    report.add(
        State::Fine,
        "settings",
        if settings.has_env_file {
            format!("from the environment, and from {file} what it does not set")
        } else {
            format!("from the environment alone: there is no {file}")
        },
    );
    if !settings.unknown.is_empty() {
        let unknown = settings.unknown.join(", ");
        report.add(State::Warning, "settings", format!("not settings, and of no effect: {unknown}"));
    }
    if operations::is_open(settings) {
        report.add(State::Warning, "settings", operations::OPEN);
    }
}

/// Checks the users, the store and the fleet. Skips a part if one that it needs fails or does not exist yet.
async fn report_parts(report: &mut Report, settings: &Settings) {
    let files = missing::files(settings);
    if !files.is_empty() {
        report_missing_files(report, settings, &files);
    }
    // Reading a missing key would create it.
    if secret_key::missing_file(settings).is_none()
        && let Err(error) = secret_key::keys(settings)
    {
        return report.error("settings", &error);
    }
    let tables = missing::tables(settings).await;
    match &tables {
        Ok(tables) if tables.is_empty() => {}
        Ok(tables) => {
            let tables = tables.join(", ");
            report.add(
                State::Warning,
                "users",
                format!("no tables yet: {tables}; `site migrate` or a start makes them"),
            );
        }
        Err(error) => report.error("users", error),
    }
    if !(files.is_empty() && tables.is_ok_and(|tables| tables.is_empty())) {
        // Opening the users would create the missing parts.
        return report_redis(report, settings).await;
    }
    let users = match users::open(settings).await {
        Ok(users) => users,
        Err(error) => return report.error("users", &error),
    };
    match users.count("").await {
        Ok(count) => report.add(State::Fine, "users", format!("{count} in {}", database(settings))),
        Err(error) => return report.error("users", &explained("DATABASE_URL", &error)),
    }
    if let Err(error) = report_sessions(report, settings, &users).await {
        report.error("store", &error);
    }
}

/// Reports the files that the first start creates, and the obstacles.
fn report_missing_files(report: &mut Report, settings: &Settings, missing: &[PathBuf]) {
    let names = missing.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" and ");
    if settings.profile.is_django() {
        report.add(State::Failed, "users", format!("there is no {names}: manage.py migrate of Django makes it"));
        return;
    }
    report.add(State::Warning, "store", format!("the first start makes {names}"));
    for obstacle in missing::obstacles(settings, missing) {
        report.add(State::Failed, "store", obstacle);
    }
}

/// Checks Redis alone, because there are no users yet.
async fn report_redis(report: &mut Report, settings: &Settings) {
    if !settings.session_url.is_redis() {
        return;
    }
    match sessions::redis::ping(settings).await {
        Ok(()) => {
            report.add(State::Fine, "store", format!("{} answers", store(settings)));
            for warning in sessions::redis::warnings(settings).await.unwrap_or_default() {
                report.add(State::Warning, "store", warning);
            }
        }
        Err(error) => report.error("store", &explained("SESSION_URL", &error)),
    }
}

async fn report_sessions(report: &mut Report, settings: &Settings, users: &SqlUsers) -> Result<(), Error> {
    let manager = sessions::open(settings, &secret_key::keys(settings)?, users).await?;
    manager.ping().await.map_err(|error| explained("SESSION_URL", &error))?;
    let store = store(settings);
    report.add(State::Fine, "store", format!("{store} answers; sessions are {}", settings.profile.name()));
    for warning in sessions::redis::warnings(settings).await? {
        report.add(State::Warning, "store", warning);
    }
    let found = match manager.check_fleet().await {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::Config => {
            report.error("fleet", &error);
            return Ok(());
        }
        Err(error) => return Err(explained("SESSION_URL", &error)),
    };
    if found.sessions > 0 {
        let (sessions, users) = (found.sessions, found.users);
        report.add(
            State::Fine,
            "fleet",
            format!("of {sessions} sessions all can be read, {users} users confirm theirs"),
        );
    }
    if let Some(line) = found.unchecked() {
        report.add(State::Warning, "fleet", line);
    }
    write_one(&manager).await.map_err(|error| explained("SESSION_URL", &error))?;
    report.add(State::Fine, "store", "a session was stored, read and ended");
    Ok(())
}

/// Stores a session as the first write of a visitor does, and ends it.
async fn write_one(manager: &SessionManager) -> Result<(), Error> {
    let session = manager.open([]).load().await?;
    session.insert("check", &true)?;
    session.commit().await?;
    let Some(handle) = session.handle() else {
        return Err(Error::new(ErrorKind::Unavailable, "a session that was stored has no handle"));
    };
    match manager.revoke(None, &handle).await? {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Unavailable, "a session that was stored could not be read")),
    }
}

/// The kind of database that holds the users. Not the URL, which may contain a password.
fn database(settings: &Settings) -> &'static str {
    match settings.database_url {
        DatabaseUrl::Embedded => "the embedded database",
        DatabaseUrl::Sqlite(_) => "SQLite",
        DatabaseUrl::Postgres(_) => "PostgreSQL",
    }
}

/// The kind of store that holds the sessions.
fn store(settings: &Settings) -> &'static str {
    match settings.session_url {
        SessionUrl::Embedded => "the embedded database",
        SessionUrl::Sqlite(_) => "SQLite",
        SessionUrl::Postgres(_) => "PostgreSQL",
        SessionUrl::Redis(_) => "Redis",
        SessionUrl::RedisSentinel(_) => "Redis behind Sentinels",
        SessionUrl::RedisCluster(_) => "the Redis cluster",
    }
}
