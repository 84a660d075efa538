//! `api`: JSON on Axum.

use std::process::ExitCode;

use shared_session_examples::settings::{Service, Settings};

fn main() -> ExitCode {
    match Settings::load(Service::Api) {
        Ok(settings) => println!("settings are good; would listen on {}", settings.listen_addr()),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
