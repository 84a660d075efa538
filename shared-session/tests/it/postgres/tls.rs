//! PostgreSQL's own TLS, with our own certificate authorities.

use std::path::PathBuf;

use shared_session::{
    ErrorKind,
    store::{RedisStore, TieredStore},
    testing::store_contract,
};
use test_servers::{Authority, Postgres, Redis, RedisKind};

use super::*;

/// The users `secure` and `certified` can log in only with TLS, `certified` only with a certificate; `plain` only
/// without TLS.
const HBA: &str = "hostssl all secure all trust\nhost all secure all reject\n\
                   hostnossl all plain all trust\nhost all plain all reject\n\
                   hostssl all certified all trust clientcert=verify-ca\nhost all certified all reject\n";

struct Site {
    server: Postgres,
    authority: Authority,
    directory: PathBuf,
}

impl Site {
    /// A server whose certificate is for `localhost`.
    fn new(name: &str) -> Self {
        let authority = Authority::new();
        let (chain, key) = authority.certify("localhost");
        let files = [("server.crt", &*chain), ("server.key", &*key), ("clients.crt", &*authority.pem())];
        let server = Postgres::with_settings(&["ssl=on", "ssl_ca_file=clients.crt"], &files, HBA);
        for user in ["secure", "plain", "certified"] {
            server.sql("postgres", &format!("CREATE USER {user} SUPERUSER"));
        }
        let directory =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("postgres-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self { server, authority, directory }
    }

    fn file(&self, name: &str, pem: &str) -> String {
        let file = self.directory.join(name);
        std::fs::write(&file, pem).unwrap();
        file.display().to_string()
    }

    fn authority(&self) -> String {
        self.file("ca.crt", &self.authority.pem())
    }

    fn url(&self, user: &str, host: &str, query: &str) -> String {
        format!("postgres://{user}@{host}:{}/postgres?{query}", self.server.port())
    }

    /// Whether each connection of `user` is encrypted.
    fn encrypted(&self, user: &str) -> String {
        let sql = format!(
            "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = '{user}'"
        );
        self.server.sql("postgres", &sql)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_holds_over_tls_that_checks_the_server() {
    let site = Site::new("contract");
    let ca = site.authority();
    for mode in ["verify-full", "verify-ca", "require"] {
        let url = site.url("secure", "localhost", &format!("sslmode={mode}&sslrootcert={ca}"));
        let store = SqlStore::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        assert_eq!(site.encrypted("secure"), "t", "{mode}");
        if mode == "verify-full" {
            store_contract(store).await;
            assert!(SqlUsers::connect(&url).await.unwrap().migrate().await.is_ok());
        }
    }
    let redis = Redis::start(RedisKind::New);
    let rows = site.url("secure", "localhost", &format!("sslmode=verify-full&sslrootcert={ca}"));
    let rows = SqlStore::connect(&rows).await.unwrap();
    let tiered = TieredStore::new(RedisStore::connect(&redis.url()).await.unwrap(), rows);
    assert!(tiered.create("tiered", "value".into(), MINUTE).await.unwrap());
    assert!(tiered.load("tiered").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_used_where_the_server_has_it_unless_it_is_declined() {
    let site = Site::new("modes");
    // Mode, user, whether the connection is encrypted; `None`: refused.
    for (query, user, encrypted) in [
        ("", "secure", Some("t")),
        ("", "postgres", Some("t")),
        ("", "plain", Some("f")),
        ("sslmode=prefer", "secure", Some("t")),
        ("sslmode=prefer", "plain", Some("f")),
        ("sslmode=allow", "secure", Some("t")),
        ("sslmode=allow", "plain", Some("f")),
        ("sslmode=require", "secure", Some("t")),
        ("sslmode=require", "plain", None),
        ("sslmode=disable", "plain", Some("f")),
        ("sslmode=disable", "secure", None),
        ("ssl-mode=REQUIRE", "secure", Some("t")),
    ] {
        match (SqlStore::connect(&site.url(user, "localhost", query)).await, encrypted) {
            (Ok(store), Some(encrypted)) => {
                store.time().await.unwrap();
                if user != "postgres" {
                    assert_eq!(site.encrypted(user), encrypted, "{query} {user}");
                }
                store.close().await;
            }
            (Err(error), None) => {
                assert!(error.to_string().contains("pg_hba.conf"), "{error}");
            }
            (other, _) => panic!("{query} {user}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_error_gives_the_reason_without_naming_hosts() {
    let site = Site::new("wrong");
    let (ca, other) = (site.authority(), site.file("other.crt", &Authority::new().pem()));
    let cases = [
        ("localhost", format!("sslmode=verify-full&sslrootcert={other}"), "authority that is not trusted"),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={other}"), "authority that is not trusted"),
        ("localhost", format!("sslmode=require&sslrootcert={other}"), "authority that is not trusted"),
        ("localhost", "sslmode=verify-full".to_owned(), "authority that is not trusted"),
        ("localhost", "sslrootcert=system".to_owned(), "authority that is not trusted"),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ca}"), "certificate is for another name"),
    ];
    for (host, query, says) in cases {
        for text in [
            refusal(SqlStore::connect(&site.url("secure:hunter2", host, &query)).await),
            refusal(SqlUsers::connect(&site.url("secure:hunter2", host, &query)).await),
        ] {
            assert!(text.contains(says) && text.contains("PostgreSQL"), "{query}: {text}");
            assert!(!text.contains("hunter2") && !text.contains("localhost"), "{text}");
        }
    }
    // These modes do not check the name.
    for mode in ["verify-ca", "require"] {
        SqlStore::connect(&site.url("secure", "127.0.0.1", &format!("sslmode={mode}&sslrootcert={ca}"))).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_not_spoken_to_when_tls_is_demanded() {
    let url = Postgres::shared().create_database();
    for mode in ["require", "verify-ca", "verify-full"] {
        let text = refusal(SqlStore::connect(&format!("{url}?sslmode={mode}")).await);
        assert!(text.contains("offers no TLS"), "{text}");
    }
    for mode in ["disable", "allow", "prefer"] {
        SqlStore::connect(&format!("{url}?sslmode={mode}")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_want_a_certificate_of_the_client() {
    let site = Site::new("client");
    let (chain, key) = site.authority.certify("a client");
    let (chain, key) = (site.file("client.crt", &chain), site.file("client.key", &key));
    let base = format!("sslmode=verify-full&sslrootcert={}", site.authority());
    let with = format!("{base}&sslcert={chain}&sslkey={key}");
    sessions(&site.url("certified", "localhost", &with)).await;

    let text = refusal(SqlStore::connect(&site.url("certified", "localhost", &base)).await);
    assert!(text.contains("client certificate (sslcert, sslkey)"), "{text}");
    let (chain, key) = Authority::new().certify("a client");
    let (chain, key) = (site.file("other.crt", &chain), site.file("other.key", &key));
    let strange = format!("{base}&sslcert={chain}&sslkey={key}");
    let text = refusal(SqlStore::connect(&site.url("certified", "localhost", &strange)).await);
    assert!(text.contains("refuses our certificate"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_makes_no_sense_is_one_clear_error() {
    let site = Site::new("urls");
    let (ca, junk) = (site.authority(), site.file("junk", "hunter2"));
    for (query, says) in [
        ("sslmode=verify_full".to_owned(), "one of disable, allow, prefer, require, verify-ca and verify-full"),
        ("sslmode=".to_owned(), "one of disable"),
        ("channel_binding=hunter2".to_owned(), "not known, channel_binding"),
        ("SSLMODE=require".to_owned(), "not known, SSLMODE"),
        (format!("sslmode=verify-full&sslrootcert={ca}.hunter2"), "sslrootcert in the PostgreSQL URL cannot be read"),
        (format!("sslmode=verify-full&sslrootcert={junk}"), "sslrootcert in the PostgreSQL URL is not PEM"),
        (format!("sslmode=require&sslcert={ca}"), "belong together"),
        (format!("sslmode=require&sslkey={ca}"), "belong together"),
        (format!("sslmode=require&sslcert={ca}&sslkey=%2Fno%2Fhunter2"), "sslkey in the PostgreSQL URL cannot be read"),
        ("sslmode=require&sslrootcert=system".to_owned(), "needs sslmode=verify-full"),
        ("port=hunter2".to_owned(), "the PostgreSQL URL is not valid"),
    ] {
        for error in [
            SqlStore::connect(&site.url("secure", "localhost", &query)).await.unwrap_err(),
            SqlUsers::connect(&site.url("secure", "localhost", &query)).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config, "{query}");
            assert!(error.to_string().contains(says), "{query}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
