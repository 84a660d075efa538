//! `rediss://`: real handshakes, with our own certificate authorities.

use rcgen::{CertificateParams, date_time_ymd};
use test_servers::Authority;

use super::*;

pub(super) fn trusting(authority: &Authority) -> RedisConfig {
    patient().with_root_certificates(authority.pem())
}

#[track_caller]
pub(super) fn assert_refused(result: Result<RedisStore, Error>, why: &str) {
    let error = result.unwrap_err();
    assert_unavailable(&error);
    assert!(error.to_string().contains(why), "{error:?}");
    assert!(!format!("{error:?}").contains("localhost"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_over_tls() {
    let (redis, authority) = (Redis::start(RedisKind::New), Authority::new());
    let port = redis.encrypt(authority.certify("localhost"), None).await;
    let store = RedisStore::connect_with(&format!("rediss://localhost:{port}"), &trusting(&authority)).await.unwrap();
    store_contract(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_can_be_for_an_address() {
    let (redis, authority) = (Redis::start(RedisKind::New), Authority::new());
    let port = redis.encrypt(authority.certify("127.0.0.1"), None).await;
    RedisStore::connect_with(&format!("rediss://127.0.0.1:{port}"), &trusting(&authority)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_proves_nothing_is_refused() {
    let (redis, authority) = (Redis::start(RedisKind::New), Authority::new());
    let good = redis.encrypt(authority.certify("localhost"), None).await;
    let url = format!("rediss://localhost:{good}");
    RedisStore::connect_with(&url, &trusting(&authority)).await.unwrap();

    let not_trusted = "an authority that is not trusted";
    assert_refused(RedisStore::connect_with(&url, &trusting(&Authority::new())).await, not_trusted);
    assert_refused(RedisStore::connect_with(&url, &patient()).await, not_trusted);
    let by_address = format!("rediss://127.0.0.1:{good}");
    assert_refused(RedisStore::connect_with(&by_address, &trusting(&authority)).await, "another name");

    let mut old = CertificateParams::new(["localhost".to_owned()]).unwrap();
    old.not_after = date_time_ymd(2020, 1, 1);
    let expired = redis.encrypt(authority.certify_with(&old), None).await;
    let url = format!("rediss://localhost:{expired}");
    assert_refused(RedisStore::connect_with(&url, &trusting(&authority)).await, "not valid at this time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_can_ask_for_a_certificate_of_the_client() {
    let (redis, authority) = (Redis::start(RedisKind::New), Authority::new());
    let port = redis.encrypt(authority.certify("localhost"), Some(&authority)).await;
    let url = format!("rediss://localhost:{port}");
    let (chain, key) = authority.certify("a client");
    let config = trusting(&authority).with_client_certificate(chain, key);
    let store = RedisStore::connect_with(&url, &config).await.unwrap();
    assert_eq!(store.load(KEY).await.unwrap(), None);
    assert_unavailable(&RedisStore::connect_with(&url, &trusting(&authority)).await.unwrap_err());
    let (chain, key) = Authority::new().certify("a client");
    let config = trusting(&authority).with_client_certificate(chain, key);
    assert_unavailable(&RedisStore::connect_with(&url, &config).await.unwrap_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_and_encrypted_do_not_meet() {
    let (redis, authority) = (Redis::start(RedisKind::New), Authority::new());
    let port = redis.encrypt(authority.certify("localhost"), None).await;
    assert_unavailable(&RedisStore::connect_with(&format!("redis://localhost:{port}"), &patient()).await.unwrap_err());
    let plain = format!("rediss://localhost:{}", redis.port());
    // The server waits for the end of an incomplete line.
    let config = trusting(&authority).with_connect_timeout(Duration::from_millis(500));
    assert_unavailable(&RedisStore::connect_with(&plain, &config).await.unwrap_err());
}

#[test]
fn certificates_that_cannot_be_used_are_a_configuration_error() {
    let (chain, key) = Authority::new().certify("a client");
    let (_, another) = Authority::new().certify("a client");
    let broken = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    for (config, why) in [
        (RedisConfig::new().with_root_certificates("hunter2"), "the authorities"),
        (RedisConfig::new().with_root_certificates(""), "the authorities"),
        (RedisConfig::new().with_root_certificates(key.clone()), "the authorities"),
        (RedisConfig::new().with_root_certificates(broken), "the authorities"),
        (RedisConfig::new().with_client_certificate(chain.clone(), "hunter2"), "the key"),
        (RedisConfig::new().with_client_certificate("hunter2", key), "the client certificate for Redis is none"),
        (RedisConfig::new().with_client_certificate(chain, another), "do not belong together"),
    ] {
        let error = RedisStore::connect_lazy("rediss://h", &config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert_discreet(&error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_to_a_plain_server_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rediss://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"-ERR unknown command\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await
    });
    let error = RedisStore::connect_with(&url, &patient()).await.unwrap_err();
    assert_unavailable(&error);
    assert!(error.to_string().contains("TLS handshake"), "{error:?}");
}
