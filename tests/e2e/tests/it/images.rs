//! The base images of containers are pinned.

use std::{collections::BTreeSet, fs, path::Path};

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)).unwrap()
}

/// The image with the tests has only the files that are not ignored.
#[test]
fn no_file_that_a_test_reads_is_kept_from_the_images() {
    let ignored = read(".dockerignore");
    for name in ["Dockerfile", "docker-compose", ".dockerignore", "docs", "tests", "*.md"] {
        assert!(!ignored.lines().any(|line| line.starts_with(name)), "tests read {name}");
    }
}

#[test]
fn every_image_is_pinned_by_its_digest() {
    let (dockerfile, compose) = (read("Dockerfile"), read("docker-compose.yml"));
    let stages: BTreeSet<&str> =
        dockerfile.lines().filter_map(|line| line.split_once(" AS ")).map(|(_, name)| name).collect();
    let bases = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")?.split(' ').next());
    let images = compose.lines().filter_map(|line| line.trim().strip_prefix("image: "));
    let all: Vec<&str> = bases.filter(|base| !stages.contains(base)).chain(images).collect();
    assert!(all.len() > 10, "{all:?}");
    for image in all {
        let digest = image.split_once("@sha256:").map(|(_, digest)| digest).unwrap_or_default();
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_digest, "{image} may change: pin it with its digest");
    }
}
