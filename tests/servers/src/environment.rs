//! The paths of the server programs: from environment variables, otherwise from `scripts/test-env`.

use std::env;
use std::fs;
use std::path::PathBuf;

const DIRECTORY: &str = ".test-env";
const MISSING: &str = "run `make test` (or scripts/test-env) first";

/// The directory `.test-env` of this workspace, searched for from the tested package upwards.
pub(crate) fn directory() -> PathBuf {
    let start = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env::current_dir().unwrap(), PathBuf::from);
    start
        .ancestors()
        .map(|ancestor| ancestor.join(DIRECTORY))
        .find(|directory| directory.join("servers.env").is_file())
        .unwrap_or_else(|| panic!("no {DIRECTORY}/servers.env at or above {}: {MISSING}", start.display()))
}

/// The program, or directory of programs, that the variable `name` names, otherwise `.test-env/servers.env`.
pub(crate) fn server(name: &str) -> PathBuf {
    server_that(name, "")
}

/// The same for a server that some machines cannot have: `first` is the advice in that case.
pub(crate) fn server_that(name: &str, first: &str) -> PathBuf {
    if let Some(path) = env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from) {
        assert!(path.exists(), "the variable {name} is set to {}, which does not exist", path.display());
        return path;
    }
    let file = directory().join("servers.env");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}: {MISSING}", file.display()));
    let path = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .find_map(|(key, value)| (key == name).then(|| PathBuf::from(value)))
        .unwrap_or_else(|| panic!("{} does not name {name}: {first} {MISSING}", file.display()));
    assert!(path.exists(), "{} does not exist: {MISSING}", path.display());
    path
}
