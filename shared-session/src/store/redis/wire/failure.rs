//! The failures between us and Redis, and what each tells about a write.

use std::{borrow::Cow, io};

use redis::{ErrorKind as RedisErrorKind, RedisError, ServerError};

use super::{address::Address, slots::Redirect};
use crate::error::{Error, ErrorKind};

/// Whether a command that may have run can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes nothing.
    Read,
    /// It may change something, so it is sent once.
    Write,
}

/// Texts for operators for the error codes of Redis. Redis' own texts may quote keys and values, so they are not shown.
const ANSWERS: &[(&str, &str)] = &[
    ("OOM", "Redis refuses writes: out of memory (maxmemory)"),
    ("READONLY", "Redis refuses writes: this server is a replica"),
    ("MISCONF", "Redis refuses writes: it cannot save its data to disk"),
    ("NOREPLICAS", "Redis refuses writes: too few replicas are connected (min-replicas-to-write)"),
    ("WRONGTYPE", "a session key in Redis holds another kind of value"),
    ("LOADING", "Redis is still loading its data"),
    ("MASTERDOWN", "Redis is a replica that has lost its primary"),
    ("BUSY", "Redis is busy with a slow script"),
    ("NOPERM", "Redis refuses the command: its user lacks the permission (ACL)"),
    ("NOAUTH", "Redis refuses the login: it needs a password"),
    ("WRONGPASS", "Redis refuses the login: wrong user name or password"),
    ("CLUSTERDOWN", "the Redis cluster is down"),
    ("MOVED", "this Redis is a node of a cluster: write redis+cluster://host:port,host:port"),
    ("ASK", "this Redis is a node of a cluster: write redis+cluster://host:port,host:port"),
];

/// The server's text for a database number beyond its own `databases`.
const NO_SUCH_DATABASE: &str = "DB index is out of range";

/// The server, or the way to it, is down.
pub(crate) const NO_ANSWER: &str = "Redis cannot be reached: no answer came in time";

/// The reason why a command has no usable reply.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// There was no connection. Redis has not received the command.
    Unsent(Unsent),
    /// The connection broke. Redis may have run the command.
    Lost(RedisError),
    /// No reply came in time. Redis may have run the command, or may still run it.
    TimedOut,
    /// Redis answered with an error, so it has not run the command.
    Answered(Answer),
    /// The answer of Redis does not fit this command.
    Unexpected,
    /// Redis has run the command, but too few replicas confirmed it, or Redis refused `WAIT`.
    Unreplicated(Option<Answer>),
}

/// The reason why there is no connection.
#[derive(Clone, Debug)]
pub(crate) struct Unsent {
    message: Cow<'static, str>,
    source: Option<RedisError>,
    refused: bool,
    timeout: bool,
    /// The URL is wrong, according to the server.
    config: bool,
}

impl Unsent {
    pub(crate) fn new(message: &'static str) -> Self {
        Self { message: message.into(), source: None, refused: false, timeout: false, config: false }
    }

    /// A time-out.
    pub(crate) fn timeout(message: &'static str) -> Self {
        Self { timeout: true, ..Self::new(message) }
    }

    /// The same with the server's address, if nothing listens there.
    pub(crate) fn at(self, address: &Address) -> Self {
        if !self.refused {
            return self;
        }
        Self { message: format!("Redis cannot be reached: nothing listens at {address}").into(), ..self }
    }

    /// The same from a Sentinel, so that operators do not look for the fault at the servers that hold the data.
    pub(crate) fn of_sentinel(self) -> Self {
        match self.message.strip_prefix("Redis ") {
            Some(rest) => Self { message: format!("a Sentinel {rest}").into(), ..self },
            None => self,
        }
    }

    pub(crate) fn is_timeout(&self) -> bool {
        self.timeout
    }

    /// Whether nothing listens at the address, which is cheap to find out.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }
}

impl From<RedisError> for Unsent {
    fn from(error: RedisError) -> Self {
        if let Some(code) = error.code() {
            let detail = error.detail().unwrap_or_default();
            let config = detail.starts_with(NO_SUCH_DATABASE);
            return Self { message: Answer::new(code, detail).message, config, ..Self::new("") };
        }
        let refused = error.is_connection_refusal();
        let message = match error.kind() {
            _ if refused => "Redis cannot be reached: nothing listens at its address",
            _ if error.is_timeout() => NO_ANSWER,
            RedisErrorKind::AuthenticationFailed => "Redis refuses the login: wrong user name or password",
            _ => "Redis cannot be reached",
        };
        // Only I/O errors contain nothing but the text of the operating system.
        let source = error.is_io_error().then_some(error);
        Self { source, refused, ..Self::new(message) }
    }
}

impl From<io::Error> for Unsent {
    fn from(error: io::Error) -> Self {
        RedisError::from(error).into()
    }
}

/// An error that Redis answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    code: String,
    message: Cow<'static, str>,
    /// A cluster node's redirection and its target, in the node's words.
    redirect: Option<(Redirect, String)>,
}

impl Answer {
    fn new(code: &str, detail: &str) -> Self {
        // Redis 6.2 wraps errors in a script: "ERR Error running script (…): @user_script:1: OOM command not …".
        let in_script = detail.starts_with("Error running script");
        let known = ANSWERS.iter().find(|(known, _)| {
            *known == code || in_script && detail.split(|c: char| !c.is_ascii_uppercase()).any(|word| word == *known)
        });
        let (code, message) = match (known, forbidden_command(detail)) {
            // The refusal of a SELECT has no error code.
            (_, Some(command)) => {
                let message = format!("Redis refuses the command: its user lacks the permission (ACL) +{command}");
                ("NOPERM".to_owned(), message.into())
            }
            (Some((code, message)), _) => ((*code).to_owned(), Cow::from(*message)),
            _ if detail.starts_with("max number of clients") => {
                (code.to_owned(), "Redis refuses connections: too many clients (maxclients)".into())
            }
            _ if detail.starts_with("unknown command") => {
                (code.to_owned(), "Redis does not know a command that sessions need: renamed or disabled".into())
            }
            _ if detail.starts_with(NO_SUCH_DATABASE) => {
                (code.to_owned(), "Redis has no database of the number in the URL".into())
            }
            _ => {
                let code: String = code.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
                let message = format!("Redis answered with the error {code}");
                (code, message.into())
            }
        };
        let redirect = match &*code {
            "MOVED" => Some((Redirect::Moved, detail.to_owned())),
            "ASK" => Some((Redirect::Ask, detail.to_owned())),
            _ => None,
        };
        Self { code, message, redirect }
    }

    pub(crate) fn is(&self, code: &str) -> bool {
        self.code == code
    }

    pub(crate) fn redirect(&self) -> Option<(Redirect, &str)> {
        self.redirect.as_ref().map(|(redirect, detail)| (*redirect, detail.as_str()))
    }
}

/// The command for which the user lacks the permission, if `detail` names one. It is one of ours.
fn forbidden_command(detail: &str) -> Option<&str> {
    let (_, quoted) = detail.split_once(" no permissions to run the '")?;
    let (command, _) = quoted.split_once('\'')?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"|-_".contains(&b);
    (command.len() <= 40 && command.bytes().all(is_name)).then_some(command)
}

impl From<&ServerError> for Answer {
    fn from(error: &ServerError) -> Self {
        Self::new(error.code(), error.details().unwrap_or_default())
    }
}

impl From<RedisError> for CallFailure {
    fn from(error: RedisError) -> Self {
        match error.code() {
            Some(code) => Self::Answered(Answer::new(code, error.detail().unwrap_or_default())),
            None if error.is_timeout() => Self::TimedOut,
            None => Self::Lost(error),
        }
    }
}

impl From<CallFailure> for Unsent {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::Unsent(unsent) => unsent,
            CallFailure::Lost(error) => error.into(),
            CallFailure::TimedOut => Self::timeout("Redis did not answer in time"),
            CallFailure::Answered(answer) => Self { message: answer.message, ..Self::new("") },
            CallFailure::Unexpected | CallFailure::Unreplicated(_) => Self::new("Redis sent an unexpected reply"),
        }
    }
}

impl CallFailure {
    /// Whether another server may be the primary now.
    pub(crate) fn is_doubtful(&self) -> bool {
        match self {
            Self::Unsent(_) | Self::Lost(_) | Self::TimedOut => true,
            Self::Answered(answer) => ["CLUSTERDOWN", "READONLY", "LOADING"].iter().any(|code| answer.is(code)),
            Self::Unexpected | Self::Unreplicated(_) => false,
        }
    }

    /// The error to return where the store is made.
    pub(crate) fn into_first_error(self) -> Error {
        match self {
            Self::Unsent(Unsent { message, config: true, .. }) => Error::new(ErrorKind::Config, message),
            failure => failure.into_error(Effect::Read),
        }
    }

    /// The error to return. A write is undecided unless Redis certainly did not run it, or the write has to reach
    /// replicas: reading it back from the primary would not show that.
    pub(crate) fn into_error(self, effect: Effect) -> Error {
        let unavailable = |message| Error::new(ErrorKind::Unavailable, message);
        let error = match self {
            Self::Unsent(Unsent { message, source, .. }) => {
                let error = Error::new(ErrorKind::Unavailable, message);
                return match source {
                    Some(source) => error.with_source(source),
                    None => error,
                };
            }
            Self::Answered(answer) => {
                let kind = if answer.is("WRONGTYPE") { ErrorKind::Unreadable } else { ErrorKind::Unavailable };
                return Error::new(kind, answer.message);
            }
            Self::Unreplicated(None) => return unavailable("too few Redis replicas confirmed the write in time"),
            Self::Unreplicated(Some(answer)) => return Error::new(ErrorKind::Unavailable, answer.message),
            Self::TimedOut if effect == Effect::Write => return unavailable("Redis did not answer in time").late(),
            Self::TimedOut => unavailable("Redis did not answer in time"),
            Self::Lost(source) if source.is_io_error() => {
                unavailable("the connection to Redis was lost").with_source(source)
            }
            Self::Lost(_) => unavailable("the connection to Redis was lost: its reply makes no sense"),
            Self::Unexpected => unavailable("Redis sent an unexpected reply"),
        };
        if effect == Effect::Write { error.undecided() } else { error }
    }
}

pub(crate) fn unexpected(effect: Effect) -> Error {
    CallFailure::Unexpected.into_error(effect)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: &str) -> CallFailure {
        CallFailure::Answered(Answer::new(code, ""))
    }

    fn lost() -> CallFailure {
        CallFailure::Lost(io::Error::from(io::ErrorKind::BrokenPipe).into())
    }

    #[test]
    fn a_command_is_named_if_its_name_is_one() {
        let named = |command: &str| {
            let detail = format!("User ann has no permissions to run the '{command}' command");
            forbidden_command(&detail).map(str::to_owned)
        };
        let longest = "x".repeat(40);
        for command in ["client|tracking", "SET", &longest] {
            assert_eq!(named(command).as_deref(), Some(command));
        }
        for other in ["se t", "s\u{e9}t", &"x".repeat(41)] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn an_error_of_redis_without_a_code_of_its_own_is_explained_by_its_text() {
        for (detail, message) in [
            ("unknown command 'EVALSHA'", "renamed or disabled"),
            ("DB index is out of range", "no database of the number in the URL"),
            ("max number of clients reached", "too many clients"),
            ("syntax error", "Redis answered with the error ERR"),
        ] {
            let answer = Answer::new("ERR", detail);
            assert!(answer.message.contains(message), "{detail}: {}", answer.message);
        }
    }

    #[test]
    fn another_server_is_looked_for_where_this_one_may_be_the_wrong_one() {
        let unsent = CallFailure::Unsent(Unsent::new(""));
        for doubtful in [unsent, lost(), CallFailure::TimedOut, answered("READONLY"), answered("LOADING")] {
            assert!(doubtful.is_doubtful(), "{doubtful:?}");
        }
        for certain in [answered("OOM"), CallFailure::Unexpected, CallFailure::Unreplicated(None)] {
            assert!(!certain.is_doubtful(), "{certain:?}");
        }
    }

    #[test]
    fn only_a_write_may_be_undecided() {
        let of = |failure: CallFailure, effect| {
            let error = failure.into_error(effect);
            (error.is_undecided(), error.is_late())
        };
        for failure in [lost, || CallFailure::Unexpected, || CallFailure::TimedOut] {
            assert_eq!(of(failure(), Effect::Read), (false, false));
            assert!(of(failure(), Effect::Write).0);
        }
        assert!(of(CallFailure::TimedOut, Effect::Write).1);
        for failure in [answered("OOM"), CallFailure::Unsent(Unsent::new("")), CallFailure::Unreplicated(None)] {
            assert!(!of(failure, Effect::Write).0);
        }
    }

    #[test]
    fn an_error_keeps_the_text_of_the_system_and_not_that_of_the_server() {
        use std::error::Error as _;
        let parse = CallFailure::Lost((RedisErrorKind::Parse, "the-value").into());
        assert!(lost().into_error(Effect::Read).source().is_some());
        let error = parse.into_error(Effect::Read);
        assert!(error.source().is_none() && !format!("{error:?}").contains("the-value"), "{error:?}");
    }

    #[test]
    fn a_late_reply_is_distinguished_from_a_lost_one() {
        let of = |kind: io::ErrorKind| CallFailure::from(RedisError::from(io::Error::from(kind)));
        assert!(matches!(of(io::ErrorKind::TimedOut), CallFailure::TimedOut));
        assert!(matches!(of(io::ErrorKind::BrokenPipe), CallFailure::Lost(_)));
    }

    #[test]
    fn a_login_that_fails_is_told_from_a_server_that_cannot_be_reached() {
        let told = |kind| Unsent::from(RedisError::from((kind, "the-value"))).message;
        assert!(told(RedisErrorKind::AuthenticationFailed).contains("login"));
        assert!(told(RedisErrorKind::Parse).contains("cannot be reached"));
    }
}
