//! Recognises our variables, and misspelt ones.

use super::{SettingsError, list::settings};

/// Ignored, because desktops set it.
const OF_DESKTOPS: &str = "SESSION_MANAGER";

/// Every variable that a service reads.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    settings().map(|setting| setting.name)
}

/// Starts of our variables that few other programs use: an unknown variable with one is a mistake.
const STEMS: &[&str] = &[
    "SESSION_",
    "REDIS_CA_",
    "REDIS_CLIENT_",
    "SECRET_KEY_FALLBACK",
    "SENTINEL_PASS",
    "SENTINEL_USER",
    "SITE_ADDR",
    "SITE_ORIGIN",
    "SITE_PREFIX",
    "API_ADDR",
    "API_BEARER",
    "API_ORIGIN",
    "TRUSTED_PROX",
    "NEAR_CACHE",
    "DJANGO_CODEC",
    "HTTP_CONNECTION",
    "HTTP_IDLE",
    "HTTP_REQUEST_TIME",
    "SIGN_IN_LIM",
    "OPERATIONS_ADDR",
    "OPERATIONS_TOKEN",
];

/// Starts of our variables that many other programs use (`API_KEY`): an unknown variable with one may be a mistake.
const PREFIXES: [&str; 6] = ["API_", "AUTH_", "DJANGO_", "SESSION_", "SITE_", "USER_CACHE"];

/// Variables that Django reads from the environment that it shares with these services.
const DJANGOS: [&str; 7] = [
    "DJANGO_ALLOW_ASYNC_UNSAFE",
    "DJANGO_AUTO_COMPLETE",
    "DJANGO_COLORS",
    "DJANGO_RUNSERVER_HIDE_WARNING",
    "DJANGO_SETTINGS_MODULE",
    "DJANGO_TEST_PROCESSES",
    "DJANGO_WATCHMAN_TIMEOUT",
];

/// Finds variables that were probably meant for us.
///
/// - A slip in the name of a setting (`SESION_URL`), or an unknown name with a start that only ours have (`SESSION_…`),
///   stops the start: otherwise the intended setting would silently have no effect.
/// - The names of other unknown variables that start with `SITE_`, `API_`, `AUTH_`, `DJANGO_` or `USER_CACHE` are
///   returned, for a warning. They do not stop the start, because other programs of the machine may use them.
/// - Variables that Kubernetes and Docker set by themselves for services of such names (`SITE_SERVICE_HOST`,
///   `API_PORT_80_TCP`), and those that Django reads itself (`DJANGO_SETTINGS_MODULE`, `DJANGO_SUPERUSER_…`), are
///   ignored.
///
/// # Errors
/// Names the first variable that stops the start, and the nearest setting.
pub fn unknown(names: impl IntoIterator<Item = String>) -> Result<Vec<String>, SettingsError> {
    let mut unknown = Vec::new();
    for name in names {
        match judge(&name) {
            Judgement::Fine => {}
            Judgement::Unknown => unknown.push(shown(&name)),
            Judgement::Mistake(nearest) => {
                let hint = nearest.map_or("remove it".to_owned(), |nearest| format!("did you mean {nearest}?"));
                return Err(SettingsError(format!("{} is not a setting; {hint}", shown(&name))));
            }
        }
    }
    unknown.sort();
    unknown.dedup();
    Ok(unknown)
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    /// A setting, or a variable that looks like none.
    Fine,
    /// The variable may have been meant for us.
    Unknown,
    /// The variable was meant for us; with the nearest setting.
    Mistake(Option<&'static str>),
}

fn judge(name: &str) -> Judgement {
    let is_of_others = name == OF_DESKTOPS || DJANGOS.contains(&name) || name.starts_with("DJANGO_SUPERUSER_");
    if is_of_others || is_link(name) || known().any(|known| known == name) {
        return Judgement::Fine;
    }
    let (away, nearest) = known().map(|known| (distance(name, known), known)).min().unwrap_or((usize::MAX, ""));
    let starts_like = |text: &str| STEMS.iter().chain(&PREFIXES).any(|stem| text.starts_with(stem));
    if STEMS.iter().any(|stem| name.starts_with(stem)) || (away <= 1 && starts_like(nearest)) {
        return Judgement::Mistake((away <= 3).then_some(nearest));
    }
    if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) { Judgement::Unknown } else { Judgement::Fine }
}

/// Whether Kubernetes or Docker sets a variable of this name for a service called `SITE`, `API`, `SESSION-…`:
/// `…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_SERVICE_PORT_<NAME>`, `…_PORT`, `…_PORT_<number>_TCP` and what follows.
fn is_link(name: &str) -> bool {
    let is_port = |rest: &str| {
        let number = rest.split('_').next().unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.ends_with("_PORT")
        || name.match_indices("_PORT_").any(|(at, part)| name.get(at + part.len()..).is_some_and(is_port))
}

fn shown(name: &str) -> String {
    name.escape_debug().to_string()
}

/// The number of letters to add, drop, replace or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let above = &rows[i - 1];
            let mut best = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str) -> Option<String> {
        unknown([name.to_owned()]).err().map(|error| error.to_string())
    }

    #[test]
    fn misspelt_variables_are_refused_with_the_right_name() {
        for (wrong, right) in [
            ("SESSION_COOKIE_NAEM", "SESSION_COOKIE_NAME"),
            ("SESSION_COOKIE_SAME_SITE", "SESSION_COOKIE_SAMESITE"),
            ("SESION_URL", "SESSION_URL"),
            ("SECRET_KEY_FALLBACK", "SECRET_KEY_FALLBACKS"),
            ("TRUSTED_PROXYS", "TRUSTED_PROXIES"),
            ("API_ORIGINS", "API_ORIGIN"),
            ("SITE_ADDRESS", "SITE_ADDR"),
            ("NEAR_CACH", "NEAR_CACHE"),
            ("USERS_CACHE", "USER_CACHE"),
            ("DJANGO_TIMEZONE", "DJANGO_TIME_ZONE"),
            ("AUTH_USER_TABEL", "AUTH_USER_TABLE"),
            ("AUTH_BACKENDS", "AUTH_BACKEND"),
        ] {
            assert_eq!(refusal(wrong), Some(format!("{wrong} is not a setting; did you mean {right}?")));
        }
        assert_eq!(refusal("SESSION_BACKEND_TYPE").unwrap(), "SESSION_BACKEND_TYPE is not a setting; remove it");
    }

    #[test]
    fn known_variables_and_those_of_others_are_left_alone() {
        let others = ["PATH", "HOME", "DATABASE_URI", "XDG_SESSION_ID", "MY_API_KEY", "SESSION_MANAGER"];
        let of_django = ["DJANGO_SETTINGS_MODULE", "DJANGO_SUPERUSER_PASSWORD"];
        let kubernetes = [
            "SESSION_SERVICE_HOST",
            "SESSION_PORT_80_TCP",
            "SESSION_REDIS_SERVICE_PORT",
            "SITE_SERVICE_HOST",
            "SITE_SERVICE_PORT_HTTP",
            "SITE_PORT",
            "SITE_PORT_8000_TCP_ADDR",
            "API_PORT",
            "API_PORT_8001_TCP_PROTO",
            "AUTH_SERVICE_PORT",
            "DJANGO_PORT_8000_TCP",
        ];
        for name in known().chain(others).chain(of_django).chain(kubernetes) {
            assert_eq!(judge(name), Judgement::Fine, "{name}");
        }
    }

    #[test]
    fn variables_that_may_be_ours_are_named_in_a_warning() {
        let found = [
            "SITE_NAME",
            "PATH",
            "API_KEY",
            "AUTH_USER_MODEL",
            "DJANGO_DEBUG",
            "API_PORTAL",
            "USER_CACHE_DIR",
            "API_KEY",
        ];
        let named = unknown(found.map(str::to_owned)).unwrap();
        assert_eq!(named, ["API_KEY", "API_PORTAL", "AUTH_USER_MODEL", "DJANGO_DEBUG", "SITE_NAME", "USER_CACHE_DIR"]);
    }

    #[test]
    fn the_example_file_has_every_setting_and_no_other() {
        let file = include_str!("../../../.env.example");
        let in_file =
            |name: &str| file.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{name}=")));
        for name in known() {
            assert!(in_file(name), "{name} is missing in .env.example");
        }
        let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let lines = file.lines().filter_map(|line| line.strip_prefix('#').unwrap_or(line).split_once('='));
        for name in lines.map(|(name, _)| name).filter(is_name) {
            assert!(known().any(|known| known == name) || name == "POSTGRES_PASSWORD", "{name} is no setting");
        }
    }

    #[test]
    fn the_distance_counts_swaps_once() {
        assert_eq!(distance("NAEM", "NAME"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
