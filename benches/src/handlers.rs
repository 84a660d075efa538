//! Handlers that use the session of a request in different ways. Each becomes a Tower service through `service_fn`.

use shared_session::{Error, ErrorKind, Identity, LazySession, Session};

use crate::{Request, Response};

async fn session(request: &Request) -> Result<Session, Error> {
    request.extensions().get::<LazySession>().ok_or(ErrorKind::Config)?.load().await
}

fn done() -> Result<Response, Error> {
    Ok(Response::default())
}

/// Does not use the session.
///
/// # Errors
/// Never fails.
pub async fn untouched(_request: Request) -> Result<Response, Error> {
    done()
}

/// Reads one entry.
///
/// # Errors
/// Those of the session.
pub async fn read(request: Request) -> Result<Response, Error> {
    let entry: Option<String> = session(&request).await?.get("entry5")?;
    Ok(Response::new(entry.unwrap_or_default()))
}

/// Sets one entry, whatever its value was.
///
/// # Errors
/// Those of the session.
pub async fn write(request: Request) -> Result<Response, Error> {
    session(&request).await?.insert("entry5", "yyyyyyyy")?;
    done()
}

/// Adds one to an entry.
///
/// # Errors
/// Those of the session.
pub async fn increment(request: Request) -> Result<Response, Error> {
    session(&request).await?.update("visits", |visits: Option<u64>| Some(visits.unwrap_or(0) + 1))?;
    done()
}

/// Signs in, without the password: rotates the cookie and lists the session under its user.
///
/// # Errors
/// Those of the session.
pub async fn login(request: Request) -> Result<Response, Error> {
    session(&request).await?.login_as(Identity::new("42", "hash-of-the-password-column", 0))?;
    done()
}
