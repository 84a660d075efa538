//! The queries that several pages take.

use actix_web::web::Query;
use serde::Deserialize;
use shared_session_examples::links::safe_next;

use crate::page::Visit;

/// `?page=`: the page of a list.
#[derive(Deserialize)]
pub(crate) struct PageQuery {
    #[serde(default)]
    pub(crate) page: String,
}

/// `?next=`: the path to go to after a form.
#[derive(Deserialize)]
pub(crate) struct NextQuery {
    #[serde(default)]
    next: String,
}

/// The path to go to after the form; empty without a query, or if the query cannot be read.
pub(crate) fn next_of(query: Option<Query<NextQuery>>) -> String {
    query.map(|query| query.into_inner().next).unwrap_or_default()
}

/// The value of the field `next` in a form: a path of this site, or empty.
pub(crate) fn kept_next(visit: &Visit, next: &str) -> String {
    if next.is_empty() { String::new() } else { safe_next(next, &visit.prefix()).into_owned() }
}
