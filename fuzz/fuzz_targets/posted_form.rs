#![no_main]

use libfuzzer_sys::fuzz_target;
use shared_session::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::posted_form(bytes));
