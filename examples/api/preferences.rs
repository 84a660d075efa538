//! Preferences: JSON values in the session, kept as they were sent.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};
use serde_json::value::RawValue;
use shared_session_axum::Session;
use shared_session_examples::preferences::{self, PREFIX};

use crate::{
    json::{JsonBody, is_deeper_than},
    problem::{ApiError, Fails, Problem, ReadFails, WriteFails},
    session::MayStart,
};

/// The largest value, in bytes.
pub(crate) const MAX_VALUE: usize = 16 * 1024;
/// The deepest nesting of a value. Other programs read the whole session, and some parsers give up at 128 levels.
const MAX_DEPTH: usize = 100;

/// The session entry that the path names. Rejects with 422.
pub(crate) struct Entry(String);

impl<S: Send + Sync> FromRequestParts<S> for Entry {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name = Path::<String>::from_request_parts(parts, state).await.ok();
        let detail = "A name has 1 to 64 letters, digits, dots, hyphens and underscores.";
        name.and_then(|Path(name)| preferences::entry(&name))
            .map(Self)
            .ok_or_else(|| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
    }
}

/// All preferences
#[utoipa::path(
    get,
    path = "/api/preferences",
    tag = "preferences",
    security((), ("session" = [])),
    responses(
        (status = 200, description = "Values by name", body = BTreeMap<String, serde_json::Value>,
            example = json!({"language": "en", "theme": "dark"})),
        ReadFails
    )
)]
pub(crate) async fn preferences(session: Session) -> Result<Json<BTreeMap<String, Box<RawValue>>>, ApiError> {
    let mut preferences = BTreeMap::new();
    for entry in session.names()? {
        if let (Some(name), Some(value)) = (entry.strip_prefix(PREFIX), session.get(&entry)?) {
            preferences.insert(name.to_owned(), value);
        }
    }
    Ok(Json(preferences))
}

/// One preference
#[utoipa::path(
    get,
    path = "/api/preferences/{name}",
    tag = "preferences",
    security((), ("session" = [])),
    params(("name" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9_.-]{1,64}$", example = "theme")),
    responses(
        (status = 200, description = "The bare value", body = serde_json::Value, example = json!("dark")),
        Fails<404>, Fails<422>, ReadFails
    )
)]
pub(crate) async fn preference(Entry(entry): Entry, session: Session) -> Result<Json<Box<RawValue>>, ApiError> {
    session.get(&entry)?.map(Json).ok_or_else(|| StatusCode::NOT_FOUND.into())
}

/// Store a preference
///
/// Any JSON value of at most 16 KiB, nested at most 100 deep; numbers keep their digits. Starts a session if there is
/// none.
#[utoipa::path(
    put,
    path = "/api/preferences/{name}",
    tag = "preferences",
    security((), ("session" = [])),
    params(("name" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9_.-]{1,64}$", example = "theme")),
    request_body(content = serde_json::Value, description = "The bare value", example = json!("dark")),
    responses((status = 204, description = "Stored"), Fails<400>, Fails<415>, Fails<422>, Fails<429>, WriteFails)
)]
pub(crate) async fn set_preference(
    Entry(entry): Entry,
    session: Session,
    starts: MayStart,
    JsonBody(value): JsonBody<Box<RawValue>>,
) -> Result<StatusCode, ApiError> {
    if is_deeper_than(MAX_DEPTH, value.get()) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "The value is nested too deeply.").into());
    }
    starts.check(&session).await?;
    session.insert(&entry, &value)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a preference
///
/// Whether it was there or not.
#[utoipa::path(
    delete,
    path = "/api/preferences/{name}",
    tag = "preferences",
    security((), ("session" = [])),
    params(("name" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9_.-]{1,64}$", example = "theme")),
    responses((status = 204, description = "Removed"), Fails<422>, WriteFails)
)]
pub(crate) async fn remove_preference(Entry(entry): Entry, session: Session) -> Result<StatusCode, ApiError> {
    session.remove(&entry)?;
    Ok(StatusCode::NO_CONTENT)
}
