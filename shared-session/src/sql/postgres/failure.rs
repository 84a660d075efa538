//! Classifies a failure: for the next attempt, for the way to connect, and as text for operators.

use sqlx::{Error as DriverError, error::DatabaseError, postgres::PgDatabaseError};

use crate::error::{Error, ErrorKind};

/// Whether an operation may be repeated when its outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Read,
    Write,
}

/// The reaction to a failed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    GiveUp,
    /// The server has not run the statement, because its prepared form is no longer usable: prepare it again.
    Afresh,
    /// The connection is gone: use another.
    Elsewhere,
}

/// `work` decides whether the operation may be repeated: a write with an unknown outcome may not.
pub(super) fn next(error: &DriverError, work: Work) -> Next {
    match code(error).as_deref() {
        // A migration has changed the statement's result type ("cached plan must not change result type"), or the
        // statement was removed (DISCARD ALL).
        Some("0A000" | "26000") => Next::Afresh,
        _ if is_lost(error) && work == Work::Read => Next::Elsewhere,
        _ => Next::GiveUp,
    }
}

/// Whether a migration has changed the result type of a kept statement: "cached plan must not change result type", in
/// any language of the server.
pub(crate) fn is_stale_plan(error: &dyn DatabaseError) -> bool {
    let routine = error.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::routine);
    error.code().as_deref() == Some("0A000") && routine == Some("RevalidateCachedQuery")
}

/// Whether the connection is gone.
pub(super) fn is_lost(error: &DriverError) -> bool {
    match error {
        DriverError::Io(_) | DriverError::Protocol(_) | DriverError::BeginFailed | DriverError::WorkerCrashed => true,
        // Class 08 is a broken connection, 57P0x a server that shuts down or has ended the connection.
        _ => code(error).is_some_and(|code| code.starts_with("08") || code.starts_with("57P0")),
    }
}

/// Whether this may be a pooler that does not support a start-up parameter. Servers support all of them.
pub(super) fn refuses_parameters(error: &DriverError) -> bool {
    // Logins (28), databases (3D), the number of connections (53) and a server on its way up or down (57) are refused
    // whatever the parameters.
    code(error).is_some_and(|code| !["28", "3D", "53", "57"].iter().any(|class| code.starts_with(class)))
}

/// Whether a connection with, or without, TLS may succeed after this failure.
pub(super) fn another_mode_may_do(error: &DriverError) -> bool {
    // "no pg_hba.conf entry" may mean that the server requires TLS, or refuses it.
    is_tls(error) || code(error).as_deref() == Some("28000")
}

fn is_tls(error: &DriverError) -> bool {
    match error {
        DriverError::Tls(_) => true,
        #[cfg(feature = "postgres-tls")]
        DriverError::Io(error) => tls_error(error).is_some(),
        _ => false,
    }
}

pub(super) fn cannot_connect(error: DriverError) -> Error {
    let kind = match &error {
        DriverError::Configuration(_) => ErrorKind::Config,
        _ => ErrorKind::Unavailable,
    };
    match explain(&error) {
        Some(message) => Error::new(kind, message),
        None if kind == ErrorKind::Config => Error::new(kind, "the PostgreSQL URL is not valid").with_source(error),
        None if matches!(error, DriverError::PoolTimedOut) => {
            Error::new(kind, "PostgreSQL cannot be reached: it accepted no connection in time")
        }
        None => Error::new(kind, "PostgreSQL cannot be reached").with_source(error),
    }
}

/// Our own text, if the driver's text would name hosts or would not explain the solution.
pub(crate) fn explain(error: &DriverError) -> Option<&'static str> {
    match error {
        DriverError::Tls(source) if source.to_string().contains("server does not support TLS") => {
            Some("PostgreSQL offers no TLS, which the sslmode in its URL demands")
        }
        DriverError::Tls(_) => Some("the certificates for PostgreSQL (sslrootcert, sslcert, sslkey) cannot be used"),
        #[cfg(feature = "postgres-tls")]
        DriverError::Io(error) => tls_error(error).map(reason),
        _ => match code(error)?.as_ref() {
            "28P01" => Some("PostgreSQL refuses the login: wrong user name or password"),
            "28000" => Some(
                "PostgreSQL refuses the login: its pg_hba.conf does not let this user in from here, or only with TLS \
                 (sslmode) or a client certificate (sslcert, sslkey)",
            ),
            "3D000" => Some("PostgreSQL has no database of the name in its URL"),
            "53300" => Some("PostgreSQL refuses connections: too many clients (max_connections)"),
            _ => None,
        },
    }
}

fn code(error: &DriverError) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error().and_then(|error| error.code())
}

#[cfg(feature = "postgres-tls")]
fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|error| error.downcast_ref())
}

#[cfg(feature = "postgres-tls")]
fn reason(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError as Bad, Error as TlsError};
    match error {
        TlsError::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            "PostgreSQL cannot be reached: the TLS handshake failed, its certificate is of an authority that is not \
             trusted (sslrootcert)"
        }
        TlsError::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "PostgreSQL cannot be reached: the TLS handshake failed, its certificate is for another name than the host \
             in its URL"
        }
        TlsError::InvalidCertificate(
            Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. },
        ) => "PostgreSQL cannot be reached: the TLS handshake failed, its certificate is not valid at this time",
        TlsError::AlertReceived(_) => {
            "PostgreSQL cannot be reached: the TLS handshake failed, it refuses our certificate or wants one (sslcert, \
             sslkey)"
        }
        _ => "PostgreSQL cannot be reached: the TLS handshake failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_repeatable_commands_are_tried_again_after_a_lost_connection() {
        let lost = || DriverError::Io(std::io::ErrorKind::UnexpectedEof.into());
        assert_eq!(next(&lost(), Work::Read), Next::Elsewhere);
        assert_eq!(next(&lost(), Work::Write), Next::GiveUp);
        for final_one in [DriverError::RowNotFound, DriverError::PoolTimedOut, DriverError::PoolClosed] {
            assert_eq!(next(&final_one, Work::Read), Next::GiveUp, "{final_one}");
        }
    }

    #[test]
    fn tls_errors_of_the_driver_are_told_in_our_words() {
        let none = DriverError::Tls("server does not support TLS".into());
        assert!(explain(&none).is_some_and(|text| text.contains("offers no TLS")));
        assert!(another_mode_may_do(&none) && !refuses_parameters(&none));
        let other = DriverError::Tls("hunter2".into());
        assert!(!cannot_connect(other).to_string().contains("hunter2"));
        assert_eq!(explain(&DriverError::RowNotFound), None);
    }
}
