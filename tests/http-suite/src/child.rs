use std::process::Command;

const CHILD: &str = "SHARED_SESSION_TEST_CHILD";

/// Runs the test `name` again in a process of its own, and returns the standard error of that process. Returns `None`
/// in that process.
///
/// # Panics
/// If the test fails there.
#[must_use]
pub fn in_child(name: &str) -> Option<String> {
    if std::env::var_os(CHILD).is_some() {
        return None;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    Some(String::from_utf8(child.stderr).unwrap())
}
