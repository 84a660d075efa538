//! The guides, as they are in the repository.
//!
//! - [`operations`]: what to set, what users see when something breaks, what to watch, what is guaranteed.
//! - [`django`]: sharing sessions with a Django site, or moving it over route by route.
//! - [`from_tower_sessions`], [`from_actix_session`]: moving an application that has sessions already.
//! - [`compare`]: features, guarantees and figures beside seven other libraries.
//! - [`wire_format`]: the record, byte by byte, for services in other languages.

#[doc = include_str!("../docs/compare.md")]
pub mod compare {}

#[doc = include_str!("../docs/django.md")]
pub mod django {}

#[doc = include_str!("../docs/from-actix-session.md")]
pub mod from_actix_session {}

#[doc = include_str!("../docs/from-tower-sessions.md")]
pub mod from_tower_sessions {}

#[doc = include_str!("../docs/operations.md")]
pub mod operations {}

#[doc = include_str!("../docs/wire-format.md")]
pub mod wire_format {}
