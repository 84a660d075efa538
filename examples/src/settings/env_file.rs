//! The `.env` file of the working directory. Those of its parents are ignored, because they belong to other programs.

use std::path::{Path, PathBuf};

use super::SettingsError;

const NAME: &str = ".env";

/// The path of the file.
#[must_use]
pub fn path() -> PathBuf {
    std::path::absolute(NAME).unwrap_or_else(|_| NAME.into())
}

/// The variables of the file, in order; `None` without a file.
///
/// # Errors
/// If it cannot be read. The error quotes none of the content, because the file holds secrets.
pub fn read() -> Result<Option<Vec<(String, String)>>, SettingsError> {
    let lines = match dotenvy::from_path_iter(Path::new(NAME)) {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(None),
        Err(_) => return Err(SettingsError("the .env file cannot be read".into())),
    };
    let not_a_line = |_| SettingsError("the .env file has a line that is not NAME=value".into());
    lines.map(|line| line.map_err(not_a_line)).collect::<Result<_, _>>().map(Some)
}
