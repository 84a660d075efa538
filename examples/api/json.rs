//! JSON that clients send.

use axum::{
    Json,
    extract::{FromRequest, Request, rejection::JsonRejection},
    http::StatusCode,
};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The largest body, in bytes, unless a route sets another limit.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// A JSON body. Unknown members are ignored.
///
/// Rejects with 415 if the content type is not JSON, 413 if it is too large, 400 if it is not JSON, and 422 if it is
/// not a `T`. The response does not give the exact reason: the message would quote the value, which may be a password.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::JsonSyntaxError(_)) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "The body is not valid JSON."))
            }
            Err(rejection) => Err(Problem::of(rejection.status())),
        }
    }
}

/// A [`JsonBody`] that must be an object: serde would also read the fields of a struct from an array.
pub(crate) struct JsonObject<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonObject<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let JsonBody(object) = JsonBody::<serde_json::Map<_, _>>::from_request(request, state).await?;
        serde_json::from_value(object.into()).map(Self).map_err(|_| Problem::of(StatusCode::UNPROCESSABLE_ENTITY))
    }
}

/// Whether arrays and objects in `json`, which must be valid, are nested more than `limit` deep.
pub(crate) fn is_deeper_than(limit: usize, json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_strings() {
        for (json, depth) in [
            ("1", 0),
            ("\"[[[\"", 0),
            (r#""\"[[[""#, 0),
            (r#""\\""#, 0),
            ("[]", 1),
            ("[[],[],[]]", 2),
            (r#"{"[":[1,{"a\\":{}}]}"#, 4),
        ] {
            assert!(!is_deeper_than(depth, json), "{json}");
            assert!(depth == 0 || is_deeper_than(depth - 1, json), "{json}");
        }
    }
}
