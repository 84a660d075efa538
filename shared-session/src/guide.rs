//! The guides, as they are in the repository.
//!
//! - [`operations`]: settings, the effects of failures on users, monitoring, guarantees.
//! - [`security`]: the attackers, the requirements, how each is met, and the tests that prove it.
//! - [`django`]: sharing sessions with a Django site, or migrating it route by route.
//! - [`from_tower_sessions`], [`from_actix_session`]: migrating an application that already has sessions.
//! - [`compare`]: features, guarantees and figures compared with seven other libraries.
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

#[doc = include_str!("../docs/security.md")]
pub mod security {}

#[doc = include_str!("../docs/wire-format.md")]
pub mod wire_format {}
