//! Reads settings in tests.

use super::{Service, Settings};

/// Long enough for a secret key.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn read(vars: &[(&str, &str)], service: Service) -> Result<Settings, String> {
    let lookup = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Settings::from_env(lookup, service).map_err(|error| error.to_string())
}

pub(crate) fn site(vars: &[(&str, &str)]) -> Settings {
    read(vars, Service::Site).unwrap()
}

pub(crate) fn refusal(vars: &[(&str, &str)]) -> String {
    let message = read(vars, Service::Site).unwrap_err();
    assert!(!message.contains('\n') && !message.is_empty(), "{message:?}");
    message
}

/// A bad value of a variable that is not secret: the line names the variable and the value.
pub(crate) fn assert_refused(name: &str, values: &[&str]) {
    for value in values {
        let message = refusal(&[(name, value)]);
        assert!(message.starts_with(&format!("{name} is ")) && message.contains("expected "), "{message}");
        assert!(message.contains(&format!("{:?}", value.trim())), "{value:?} is not in: {message}");
    }
}

/// A bad value that may hold a secret: the line names the variable and does not show the value.
pub(crate) fn assert_refused_silently(vars: &[(&str, &str)]) {
    let (name, value) = vars[0];
    let message = refusal(vars);
    assert!(message.starts_with(name) && message.contains("expected "), "{message}");
    assert!(!message.contains("hunter2"), "{value:?} leaks in: {message}");
}
