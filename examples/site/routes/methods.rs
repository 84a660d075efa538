//! The methods of routes.

use actix_web::{
    Route,
    guard::{Any, Get, Head},
    web,
};

/// GET, and HEAD, which is GET without the body (RFC 9110, 9.3.2).
pub(super) fn get() -> Route {
    web::route().guard(Any(Get()).or(Head()))
}
