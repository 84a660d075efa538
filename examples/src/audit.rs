//! What leaves a trace in the log at `info`, for whoever looks for guessing: the event and the client's address, never a
//! name or a password.

use std::net::IpAddr;

/// Something that did not succeed because of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Nobody has this name and this password.
    SignIn,
    /// Whoever is signed in was asked for the password once more, and it was another one.
    PasswordCheck,
    /// So many attempts failed that this one was not made.
    TooOften,
}

/// Leaves the trace. `address` is the client's, where it is known.
pub fn note(failed: Failed, address: Option<IpAddr>) {
    let event = match failed {
        Failed::SignIn => "sign-in failed",
        Failed::PasswordCheck => "password check failed",
        Failed::TooOften => "attempt refused: too many",
    };
    let address = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
    tracing::info!(target: "audit", event, address, "refused");
}
