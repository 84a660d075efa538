//! A Redis over TLS whose certificate is signed by a private authority.

mod servers;

use std::{fs, path::Path};

use test_servers::{Authority, Redis, RedisKind};

use harness::{Browser, Kind, Pair, TempDir, pair::SECRET_KEY};

/// Writes the text to a file of the directory, and returns its path for a setting.
fn file(directory: &Path, name: &str, text: &str) -> String {
    let file = directory.join(name);
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_services_connect_to_a_redis_with_a_private_authority_and_a_client_certificate() {
    let (redis, authority, directory) = (Redis::start(RedisKind::New), Authority::new(), TempDir::new().unwrap());
    let url = format!("rediss://127.0.0.1:{}", redis.encrypt(authority.certify("127.0.0.1"), Some(&authority)).await);
    let (chain, key) = authority.certify("the services");
    let settings = [
        ("SESSION_URL", url),
        ("SECRET_KEY", SECRET_KEY.to_owned()),
        ("REDIS_CA_FILE", file(directory.path(), "ca.pem", &authority.pem())),
        ("REDIS_CLIENT_CERT_FILE", file(directory.path(), "client.pem", &chain)),
        ("REDIS_CLIENT_KEY_FILE", file(directory.path(), "client-key.pem", &key)),
    ];
    let settings: Vec<_> = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let pair = Pair::over(None, &settings);
    let ann = Browser::new();
    ann.sign_in_at_site(&pair, "demo", "demo-password").await.assert_status(303);
    assert_eq!(ann.who(&pair).await.as_deref(), Some("demo"), "api reads the session that site stored");
    for service in pair.both() {
        service.get("/readyz").send().await.assert_status(200);
    }
    assert!(redis.cli(&["KEYS", "shared_session:*"]).lines().count() > 1, "it went through TLS to this Redis");

    // Refused: another authority, no client certificate, and the public authorities.
    let foreign = file(directory.path(), "foreign.pem", &Authority::new().pem());
    for (changed, said) in [
        (&[("REDIS_CA_FILE", &*foreign)][..], "an authority that is not trusted"),
        (&[("REDIS_CA_FILE", "")], "an authority that is not trusted"),
        (&[("REDIS_CLIENT_CERT_FILE", ""), ("REDIS_CLIENT_KEY_FILE", "")], "Redis"),
    ] {
        for kind in Kind::BOTH {
            let ended = pair.run(kind, &["check"], changed);
            assert_eq!(ended.status.code(), Some(1), "{changed:?}: {ended:?}");
            assert!(ended.stdout.contains(said), "{changed:?}: {ended:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_with_an_unusable_certificate_does_not_start_and_names_it() {
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let (chain, key) = authority.certify("the services");
    let (_, another) = authority.certify("somebody else");
    let (chain, key) = (file(directory.path(), "client.pem", &chain), file(directory.path(), "key.pem", &key));
    let another = file(directory.path(), "another.pem", &another);
    let secret = file(directory.path(), "secret.pem", "hunter2");
    let broken = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    let broken = file(directory.path(), "broken.pem", broken);
    let missing = directory.path().join("missing.pem").display().to_string();
    let of_client = |chain: &str, key: &str| {
        vec![("REDIS_CLIENT_CERT_FILE", chain.to_owned()), ("REDIS_CLIENT_KEY_FILE", key.to_owned())]
    };
    for (settings, code, said) in [
        (vec![("REDIS_CA_FILE", missing.clone())], 2, format!("REDIS_CA_FILE is {missing:?}; No such file")),
        (vec![("REDIS_CA_FILE", secret.clone())], 2, format!("REDIS_CA_FILE is {secret:?}; expected a file in PEM")),
        (vec![("REDIS_CA_FILE", broken)], 2, "the authorities for Redis are not PEM certificates".to_owned()),
        (of_client(&chain, &secret), 2, format!("REDIS_CLIENT_KEY_FILE is {secret:?}; expected a file in PEM")),
        (of_client(&chain, &another), 2, "do not belong together".to_owned()),
        (of_client(&chain, ""), 2, "REDIS_CLIENT_CERT_FILE is set; it needs REDIS_CLIENT_KEY_FILE".to_owned()),
        (
            vec![("REDIS_CA_FILE", key), ("SESSION_URL", "redis://127.0.0.1:1".to_owned())],
            2,
            "REDIS_CA_FILE is set; it needs SESSION_URL=rediss://".to_owned(),
        ),
    ] {
        let mut all = vec![("SESSION_URL", "rediss://127.0.0.1:1".to_owned()), ("SECRET_KEY", SECRET_KEY.to_owned())];
        all.extend(settings);
        let all: Vec<_> = all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for kind in Kind::BOTH {
            let ended = kind.run(directory.path(), &all, &[]);
            assert_eq!(ended.status.code(), Some(code), "{said}: {ended:?}");
            assert!(ended.stderr.contains(&said) && ended.stderr.lines().count() == 1, "{said}: {ended:?}");
            assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
        }
    }
}
