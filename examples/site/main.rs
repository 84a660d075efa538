//! `site`: server-rendered pages on Actix Web.

use std::process::ExitCode;

use shared_session_examples::{
    args::{self, Command},
    settings::{Service, Settings},
};

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => println!("{}", args::USAGE),
        Ok(_) => match Settings::load(Service::Site) {
            Ok(settings) => println!("settings are good; would listen on {}", settings.listen_addr()),
            Err(error) => return refuse(&error.to_string()),
        },
        Err(message) => return refuse(&message),
    }
    ExitCode::SUCCESS
}

fn refuse(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(2)
}
