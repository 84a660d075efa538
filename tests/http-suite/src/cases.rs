//! The cases of the suite, one function each; [`tests!`](crate::tests) runs them all.
#![allow(missing_docs, reason = "the names of the cases are sentences")]

pub mod bearer;
pub mod cross_origin;
pub mod duplicate_cookies;
pub mod endings;
pub mod failures;
pub mod forms;
pub mod guards;
pub mod headers;
pub mod long_lived;
pub mod races;
pub mod reading;
pub mod signing_in;
pub mod users;

use serde_json::Value;

use crate::Step;

fn get(name: &str) -> Step {
    Step::Get(name.into())
}

fn insert(name: &str, value: impl Into<Value>) -> Step {
    Step::Insert(name.into(), value.into())
}

fn add(name: &str, n: i64) -> Step {
    Step::Add(name.into(), n)
}

fn login(name: &str) -> Step {
    Step::Login(name.into())
}

fn wait(gate: &str) -> Step {
    Step::Wait(gate.into())
}

fn header(name: &str, value: &str) -> Step {
    Step::Header(name.into(), value.into())
}
