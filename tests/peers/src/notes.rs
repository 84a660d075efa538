//! The note of each cell that is not `yes`: the observation, and the place in the source or the documentation. A cell
//! without a note, or a note without a cell, ends the run.

use crate::services::Layer::{self, ActixSession, AxumSession, OursOnAxum, TowerSessions};

pub struct Note {
    pub key: &'static str,
    pub layer: Layer,
    pub kind: Kind,
    pub text: &'static str,
    /// The name of a [source](SOURCES); empty for our library.
    pub source: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    No,
    /// The text names the setting.
    Optional,
    /// The requirement is not the library's task.
    NotItsPart,
}

use Kind::{No, NotItsPart, Optional};

const fn note(key: &'static str, layer: Layer, kind: Kind, text: &'static str, source: &'static str) -> Note {
    Note { key, layer, kind, text, source }
}

/// The targets of the notes' links. The versions must be those of Cargo.lock; a test compares them.
pub const SOURCES: [(&str, &str, &str); 18] = [
    ("ts-layer", "tower-sessions 0.14.0", "src/service.rs"),
    ("ts-core", "tower-sessions-core 0.14.0", "src/session.rs"),
    ("ts-store", "tower-sessions-redis-store 0.16.0", "src/lib.rs"),
    ("ts-cookies", "tower-cookies 0.11.0", "src/lib.rs"),
    ("al-session", "axum-login 0.18.0", "src/session.rs"),
    ("as-config", "axum_session 0.22.1", "src/config.rs"),
    ("as-headers", "axum_session 0.22.1", "src/headers.rs"),
    ("as-service", "axum_session 0.22.1", "src/service.rs"),
    ("as-session", "axum_session 0.22.1", "src/session.rs"),
    ("as-data", "axum_session 0.22.1", "src/session_data.rs"),
    ("as-redis", "axum_session_redispool 0.13.0", "src/redis_pool.rs"),
    ("ac-config", "actix-session 0.11.0", "src/config.rs"),
    ("ac-layer", "actix-session 0.11.0", "src/middleware.rs"),
    ("ac-store", "actix-session 0.11.0", "src/storage/redis_rs.rs"),
    ("aw-cookies", "actix-web 4.18.1", "src/request.rs"),
    ("ai-config", "actix-identity 0.9.0", "src/config.rs"),
    ("ai-identity", "actix-identity 0.9.0", "src/identity.rs"),
    ("cookie", "cookie 0.16.2", "src/parse.rs"),
];

const NO_HEADER: &str = "it sets no such header";
const NO_USERS: &str = "it has sessions without users";
const OTHER_CRATES: &str = "left to `SameSite`, which it sets, and to other crates";
const NO_LIMIT: &str = "2 MB are stored; the limit is the handler's";
const NAMES_DECODED: &str = "names are decoded";
const VALUES_DECODED: &str = "values are percent-decoded";
const TRIMMED: &str = "Unicode spaces are trimmed";
const NO_TEXT: &str = "a byte that is not UTF-8 hides the whole header";

pub const NOTES: &[Note] = &[
    note("attributes", AxumSession, Optional, "`Secure` is off until `with_secure(true)`", "as-config"),
    note("prefix", TowerSessions, Optional, "`with_name`; the default is `id`", "ts-layer"),
    note("prefix", AxumSession, Optional, "`with_session_name`; the default is `session`", "as-config"),
    note("prefix", ActixSession, Optional, "`cookie_name`; the default is `id`", "ac-config"),
    note("deletion", TowerSessions, No, "it has `Path` and `Domain` alone", "ts-layer"),
    note("forgotten", TowerSessions, No, "without `Secure` a browser keeps it; the session is gone", "ts-layer"),
    note("no-cookie", AxumSession, No, "every answer sets it", "as-headers"),
    note("late-cookie", AxumSession, No, "the late answer sets the cookie from before", "as-headers"),
    note(
        "late-cookie",
        ActixSession,
        No,
        "the late answer sets the cookie of a new session, which is not signed in",
        "ac-store",
    ),
    note("encoded-name", TowerSessions, No, NAMES_DECODED, "ts-cookies"),
    note("encoded-name", AxumSession, No, NAMES_DECODED, "as-headers"),
    note("encoded-name", ActixSession, No, NAMES_DECODED, "aw-cookies"),
    note("unicode-space", TowerSessions, No, TRIMMED, "ts-cookies"),
    note("unicode-space", ActixSession, No, TRIMMED, "aw-cookies"),
    note("twins", TowerSessions, No, "the last counts", "ts-cookies"),
    note("twins", AxumSession, No, "the last counts", "as-headers"),
    note("twins", ActixSession, No, "the first counts", "ac-layer"),
    note("sibling", TowerSessions, No, NO_TEXT, "ts-cookies"),
    note("sibling", AxumSession, No, "a byte that is not ASCII hides the whole header", "as-headers"),
    note("sibling", ActixSession, No, NO_TEXT, "aw-cookies"),
    note("malformed", AxumSession, No, "any text is looked up, and signed values are, too", "as-session"),
    note("made-up", OursOnAxum, Optional, "`with_signed_cookies`", ""),
    note("made-up", TowerSessions, Optional, "`with_signed`", "ts-layer"),
    note("made-up", AxumSession, No, "a new session looks for a free identifier, and is then removed", "as-service"),
    note("one-spelling", TowerSessions, No, VALUES_DECODED, "ts-cookies"),
    note("one-spelling", AxumSession, No, VALUES_DECODED, "as-headers"),
    note("one-spelling", ActixSession, No, VALUES_DECODED, "aw-cookies"),
    note("quotes", ActixSession, No, "quotes are taken off", "cookie"),
    note("entropy", AxumSession, Optional, "UUIDs of 122 bits until `with_id_generator`", "as-config"),
    note("at-rest", TowerSessions, Optional, "the key is the cookie until `with_signed`", "ts-store"),
    note("at-rest", AxumSession, Optional, "the key holds the cookie until `with_key`", "as-redis"),
    note("adopted", AxumSession, Optional, "an unknown identifier is used as it is until `with_key`", "as-session"),
    note(
        "rotation-elsewhere",
        AxumSession,
        Optional,
        "each process answers from its memory until `with_memory_lifetime` is zero",
        "as-service",
    ),
    note("rotation-again", TowerSessions, No, "`login` cycles the id unless somebody is signed in", "al-session"),
    note("no-key", AxumSession, Optional, "every visitor gets a session until `SessionMode::OptIn`", "as-config"),
    note("size", TowerSessions, No, NO_LIMIT, "ts-store"),
    note("size", AxumSession, No, NO_LIMIT, "as-redis"),
    note("size", ActixSession, No, NO_LIMIT, "ac-store"),
    note("one-prefix", TowerSessions, No, "the key is the id alone", "ts-store"),
    note("one-prefix", ActixSession, Optional, "`cache_keygen`; the default adds nothing", "ac-store"),
    note("unreadable", AxumSession, No, "it becomes an empty session, which the answer stores", "as-service"),
    note("unreadable", ActixSession, No, "it becomes an empty session, which the next write stores", "ac-layer"),
    note("broken", AxumSession, No, "it becomes an empty session", "as-service"),
    note(
        "logs",
        AxumSession,
        Optional,
        "at debug and trace the identifier is, which is not the cookie after `with_key`",
        "as-service",
    ),
    note("failure", TowerSessions, No, NO_HEADER, "ts-layer"),
    note("failure", AxumSession, NotItsPart, "the answer is no failure (I9)", "as-service"),
    note("failure", ActixSession, No, NO_HEADER, "ac-layer"),
    note(
        "idle",
        AxumSession,
        Optional,
        "a process that has it in memory answers for an hour, until `with_memory_lifetime` is zero",
        "as-data",
    ),
    note("reading", TowerSessions, Optional, "`with_always_save`", "ts-layer"),
    note("reading", ActixSession, Optional, "`TtlExtensionPolicy::OnEveryRequest`", "ac-config"),
    note("absolute", TowerSessions, No, "idle or absolute; `set_expiry` is not part of the record", "ts-core"),
    note("absolute", AxumSession, No, "each use extends it", "as-service"),
    note("absolute", ActixSession, Optional, "`login_deadline` of actix-identity", "ai-config"),
    note(
        "sign-out",
        AxumSession,
        Optional,
        "each process answers from its memory until `with_memory_lifetime` is zero",
        "as-service",
    ),
    note("late", ActixSession, No, "the write makes a new session, signed in", "ac-store"),
    note("late-elsewhere", AxumSession, No, "the write stores it again", "as-redis"),
    note("late-elsewhere", ActixSession, No, "the write makes a new session, signed in", "ac-store"),
    note("password", AxumSession, NotItsPart, NO_USERS, "as-session"),
    note(
        "password",
        ActixSession,
        No,
        "the session holds the user's id; to check more is the handler's",
        "ai-identity",
    ),
    note("list", TowerSessions, No, "there is no index of a user's sessions", "ts-store"),
    note("list", AxumSession, NotItsPart, NO_USERS, "as-session"),
    note("list", ActixSession, No, "there is no index of a user's sessions", "ac-store"),
    note("fresh", TowerSessions, No, "the time of the sign-in is not kept", "al-session"),
    note("fresh", AxumSession, NotItsPart, NO_USERS, "as-session"),
    note("fresh", ActixSession, No, "`login_deadline` signs out on every route; none asks alone", "ai-config"),
    note("no-store", TowerSessions, No, NO_HEADER, "ts-layer"),
    note("no-store", AxumSession, No, NO_HEADER, "as-headers"),
    note("no-store", ActixSession, No, NO_HEADER, "ac-layer"),
    note("vary", TowerSessions, No, NO_HEADER, "ts-layer"),
    note("vary", AxumSession, No, NO_HEADER, "as-headers"),
    note("vary", ActixSession, No, NO_HEADER, "ac-layer"),
    note("private", TowerSessions, No, NO_HEADER, "ts-layer"),
    note("private", AxumSession, No, NO_HEADER, "as-headers"),
    note("private", ActixSession, No, NO_HEADER, "ac-layer"),
    note("cross-site", OursOnAxum, Optional, "`CrossOriginLayer`, `CrossOriginMiddleware`", ""),
    note("cross-site", TowerSessions, No, OTHER_CRATES, "ts-layer"),
    note("cross-site", AxumSession, No, OTHER_CRATES, "as-config"),
    note("cross-site", ActixSession, No, OTHER_CRATES, "ac-config"),
];

pub fn of(key: &str, layer: Layer) -> Option<&'static Note> {
    NOTES.iter().find(|note| note.key == key && note.layer == layer)
}

/// The address of a source.
pub fn address(name: &str) -> Option<String> {
    let (_, library, file) = SOURCES.iter().find(|(known, ..)| *known == name)?;
    Some(format!("https://docs.rs/crate/{}/source/{file}", library.replace(' ', "/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    #[test]
    fn every_note_is_of_a_check_and_has_a_source() {
        let checks = checks::all();
        for note in NOTES {
            assert!(checks.iter().any(|check| check.key == note.key), "{}", note.key);
            assert_eq!(note.source.is_empty(), note.layer.is_ours(), "{}", note.key);
            assert!(note.source.is_empty() || address(note.source).is_some(), "{}", note.source);
            let same = NOTES.iter().filter(|other| (other.key, other.layer) == (note.key, note.layer));
            assert_eq!(same.count(), 1, "{}", note.key);
        }
    }

    #[test]
    fn the_sources_are_those_that_were_measured() {
        for (_, library, _) in SOURCES {
            let (name, version) = library.split_once(' ').unwrap();
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"");
            assert!(include_str!("../Cargo.lock").contains(&entry), "{library}");
        }
    }
}
