//! Which variables are ours, and which are misspelt.

use super::SettingsError;

/// Every variable that a service reads.
pub(super) const KNOWN: [&str; 33] = [
    "API_ADDR",
    "API_ORIGIN",
    "AUTH_BACKEND",
    "AUTH_USER_TABLE",
    "DATABASE_URL",
    "DATA_DIR",
    "DJANGO_CODEC",
    "NEAR_CACHE",
    "REDIS_URL",
    "RUST_LOG",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "SESSION_ABSOLUTE",
    "SESSION_COOKIE_DOMAIN",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_SAMESITE",
    "SESSION_COOKIE_SECURE",
    "SESSION_DURABLE",
    "SESSION_FENCED_READS",
    "SESSION_IDLE",
    "SESSION_KEY_PREFIX",
    "SESSION_KEY_VERSION",
    "SESSION_PROFILE",
    "SESSION_REPLICAS",
    "SESSION_RETRY_AFTER",
    "SESSION_TIMEOUT_MS",
    "SESSION_URL",
    "SITE_ADDR",
    "SITE_ORIGIN",
    "SITE_PREFIX",
    "SUPERUSER_PASSWORD",
    "TRUSTED_PROXIES",
    // Not read: desktops set it.
    "SESSION_MANAGER",
];

/// What a variable of ours starts with. `API_` and `SITE_` alone are too common to claim.
const STEMS: [&str; 10] = [
    "SESSION_",
    "SECRET_KEY_FALLBACK",
    "SITE_ADDR",
    "SITE_ORIGIN",
    "SITE_PREFIX",
    "API_ADDR",
    "API_ORIGIN",
    "TRUSTED_PROX",
    "NEAR_CACHE",
    "DJANGO_CODEC",
];

/// What Kubernetes adds to the names of services, which may be called "session" (`SESSION_SERVICE_HOST`).
const KUBERNETES: [&str; 3] = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];

/// Refuses variables that were probably meant for us: an unknown one that starts like ours, or one with a slip in
/// such a name (`SESION_URL`).
///
/// # Errors
/// Names the first such variable, and the known one that is nearest to it.
pub fn refuse_unknown(names: impl IntoIterator<Item = String>) -> Result<(), SettingsError> {
    for name in names {
        if KNOWN.contains(&name.as_str()) || KUBERNETES.iter().any(|part| name.contains(part)) {
            continue;
        }
        let starts_like_ours = STEMS.iter().any(|stem| name.starts_with(stem));
        let nearest = KNOWN.iter().map(|known| (distance(&name, known), *known)).min().unwrap_or((usize::MAX, ""));
        let has_a_slip = nearest.0 <= 1 && STEMS.iter().any(|stem| nearest.1.starts_with(stem));
        if starts_like_ours || has_a_slip {
            let hint = if nearest.0 <= 3 { format!("did you mean {}?", nearest.1) } else { "remove it".to_owned() };
            return Err(SettingsError(format!("{} is not a setting; {hint}", name.escape_debug())));
        }
    }
    Ok(())
}

/// How many letters must be added, dropped, replaced or swapped with their neighbour (optimal string alignment).
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
        refuse_unknown([name.to_owned()]).err().map(|error| error.to_string())
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
        ] {
            assert_eq!(refusal(wrong), Some(format!("{wrong} is not a setting; did you mean {right}?")));
        }
        assert_eq!(refusal("SESSION_BACKEND_TYPE").unwrap(), "SESSION_BACKEND_TYPE is not a setting; remove it");
    }

    #[test]
    fn known_variables_and_those_of_others_are_left_alone() {
        for known in KNOWN {
            assert_eq!(refusal(known), None, "{known}");
        }
        let others =
            ["PATH", "HOME", "API_KEY", "SITE_DIR", "DATABASE_URI", "DJANGO_SETTINGS_MODULE", "XDG_SESSION_ID"];
        let kubernetes = ["SESSION_SERVICE_HOST", "SESSION_PORT_80_TCP", "SESSION_REDIS_SERVICE_PORT"];
        for other in others.iter().chain(&kubernetes) {
            assert_eq!(refusal(other), None, "{other}");
        }
    }

    #[test]
    fn the_distance_counts_swaps_once() {
        assert_eq!(distance("NAEM", "NAME"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
