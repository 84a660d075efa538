//! The secret keys: those of the settings, or that of an embedded start, which is created once and kept in the data
//! directory.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use shared_session::{Error, ErrorKind, SecretKeys};

use crate::{data_dir, settings::Settings};

const FILE: &str = "secret_key";
const RANDOM_BYTES: usize = 32;

/// The keys of `settings`, or the key in the data directory, which is created if it is missing.
///
/// # Errors
/// One line with the setting to change.
pub(crate) fn keys(settings: &Settings) -> Result<SecretKeys, Error> {
    let mut keys = match &settings.secret_key {
        Some(key) if settings.profile.is_django() => SecretKeys::django(key.expose())?,
        Some(key) => SecretKeys::new(key.expose())?,
        None => SecretKeys::new(load_or_create(&settings.data_dir).map_err(|source| {
            Error::new(ErrorKind::Config, format!("the secret key in DATA_DIR cannot be used: {source}"))
        })?)?,
    };
    for fallback in &settings.secret_key_fallbacks {
        keys = keys.with_fallback(fallback.expose())?;
    }
    Ok(keys)
}

/// Reads the key in `data_dir`. Creates the key and the directory first if they are missing.
///
/// Services that start at the same moment get the same key: each writes its key to a file of another name and links
/// that to the key file, which succeeds for one of them only; the others read the winner's. A key file is therefore
/// either absent or complete, also after a crash, and it is never overwritten.
///
/// # Errors
/// If the directory cannot be written, or the file is not a valid key.
fn load_or_create(data_dir: &Path) -> io::Result<String> {
    let path = data_dir.join(FILE);
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    data_dir::make(data_dir)?;
    let draft = data_dir.join(format!("{FILE}.{}.new", random(9)?));
    let linked = write_new(&draft, &random(RANDOM_BYTES)?).and_then(|()| fs::hard_link(&draft, &path));
    // The draft is no longer needed, and harmless if it stays.
    let _ = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(&path)?.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the secret key was removed")),
    }
}

/// The key file, if a start would create it: the settings have no key, and the file does not exist.
pub(crate) fn missing_file(settings: &Settings) -> Option<PathBuf> {
    let file = settings.data_dir.join(FILE);
    (settings.secret_key.is_none() && !file.exists()).then_some(file)
}

fn random(bytes: usize) -> io::Result<String> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(io::Error::other)?;
    Ok(URL_SAFE_NO_PAD.encode(buffer))
}

fn read(path: &Path) -> io::Result<Option<String>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let key = text.trim_end();
    if URL_SAFE_NO_PAD.decode(key).is_ok_and(|bytes| bytes.len() >= RANDOM_BYTES) {
        return Ok(Some(key.to_owned()));
    }
    let advice = format!("{} is not a secret key; restore it, or remove it to have a new one made", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidData, advice))
}

fn write_new(path: &Path, key: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{key}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{Arc, Barrier},
        thread,
    };

    use super::*;
    use crate::settings::testing::site;

    #[test]
    fn with_a_django_profile_sessions_are_tied_to_users_as_django_does() {
        let settings = site(&[
            ("SESSION_PROFILE", "django-db"),
            ("DATABASE_URL", "sqlite://db.sqlite3"),
            ("SECRET_KEY", "short"),
            ("SECRET_KEY_FALLBACKS", "old"),
        ]);
        let user = shared_session::users::User::new("1", "ann");
        let keys = keys(&settings).unwrap();
        let hash = user.session_auth_hash(&keys);
        assert_eq!(hash, user.session_auth_hash(&SecretKeys::django("short").unwrap()));
        let old = user.session_auth_hash(&SecretKeys::django("old").unwrap());
        assert_ne!(hash, old);
        assert!(user.verify_session_auth_hash(&keys, &old));
    }

    #[test]
    fn the_key_is_created_once_and_then_read() {
        let dir = tempfile::tempdir().unwrap();
        let key = load_or_create(&dir.path().join("deeper")).unwrap();
        assert!(key.len() >= 32);
        assert_eq!(load_or_create(&dir.path().join("deeper")).unwrap(), key);
        assert_ne!(load_or_create(dir.path()).unwrap(), key);
    }

    #[test]
    fn services_that_start_at_once_end_with_the_same_key() {
        for _ in 0..50 {
            let dir = Arc::new(tempfile::tempdir().unwrap());
            let barrier = Arc::new(Barrier::new(4));
            let starts: Vec<_> = (0..4)
                .map(|_| {
                    let (dir, barrier) = (Arc::clone(&dir), Arc::clone(&barrier));
                    thread::spawn(move || {
                        barrier.wait();
                        load_or_create(dir.path()).unwrap()
                    })
                })
                .collect();
            let keys: BTreeSet<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
            assert_eq!(keys.len(), 1);
            let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, [FILE], "drafts are removed");
        }
    }

    #[test]
    fn a_draft_that_a_crash_left_is_not_taken_for_the_key() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret_key.crashed.new"), "half").unwrap();
        assert!(load_or_create(dir.path()).unwrap().len() >= 32);
    }

    #[test]
    fn a_damaged_key_is_an_error_that_shows_nothing_and_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        for damaged in ["", "tooshort", "not base64 but long enough to be taken for one!"] {
            fs::write(dir.path().join(FILE), damaged).unwrap();
            let error = load_or_create(dir.path()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(damaged.is_empty() || !error.to_string().contains(damaged));
            assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), damaged);
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        load_or_create(dir.path()).unwrap();
        assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
