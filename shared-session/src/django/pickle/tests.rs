#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod edits;
mod hostile;
mod properties;
mod written_by_python;

use std::collections::BTreeMap;

use super::*;

/// Made by Django 3.0 to 6.1 on CPython 3.8 to 3.13.
fn django() -> BTreeMap<String, Vec<u8>> {
    fixture(include_str!("../../../tests/fixtures/pickle/django.json"))
}

/// Made by CPython 3.11.
fn cpython() -> BTreeMap<String, Vec<u8>> {
    fixture(include_str!("../../../tests/fixtures/pickle/cpython.json"))
}

fn fixture(json: &str) -> BTreeMap<String, Vec<u8>> {
    let texts: BTreeMap<String, String> = serde_json::from_str(json).unwrap();
    texts.into_iter().map(|(id, hex)| (id, unhex(&hex))).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn reason(bytes: &[u8]) -> String {
    let error = Pickle::read(bytes).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    error.to_string().strip_prefix("pickle refused: ").unwrap().to_owned()
}

fn python(pickle: &Pickle, key: &str) -> PyValue {
    pickle.get(key).unwrap().to_python()
}

fn json(pickle: &Pickle, key: &str) -> Option<String> {
    pickle.get(key).unwrap().to_json()
}

fn text(text: &str) -> PyValue {
    text.into()
}

fn int(number: i64) -> PyValue {
    number.into()
}
