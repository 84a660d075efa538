//! Sentinels and clusters with TLS, which the servers of `make test` do not support.

use serde_json::json;
use test_servers::{Authority, Cluster, RedisKind, Sentinel};

use super::file;
use harness::{
    Browser, Kind, Pair, TempDir,
    browser::login_at_api,
    eventually,
    pair::{SECRET_KEY, owned},
};

/// The servers that `make versions` builds; the Valkey of the tests has no TLS.
const KINDS: [RedisKind; 2] = [RedisKind::Old, RedisKind::New];

/// An authority, and the certificate files of servers and services.
struct Files {
    directory: TempDir,
    /// The arguments of a server, which requires a client certificate.
    server: Vec<String>,
    /// The settings of a service with a client certificate.
    service: Vec<(&'static str, String)>,
}

impl Files {
    fn new() -> Self {
        let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
        let at = |name: &str, text: &str| file(directory.path(), name, text);
        let ca = at("ca.pem", &authority.pem());
        let (chain, key) = authority.certify("127.0.0.1");
        let server = [("ca-cert", ca.clone()), ("cert", at("server.pem", &chain)), ("key", at("server-key.pem", &key))];
        let (chain, key) = authority.certify("the services");
        let service = vec![
            ("REDIS_CA_FILE", ca),
            ("REDIS_CLIENT_CERT_FILE", at("client.pem", &chain)),
            ("REDIS_CLIENT_KEY_FILE", at("client-key.pem", &key)),
            ("SECRET_KEY", SECRET_KEY.to_owned()),
            // For tests that do not test time-outs, because the machine may be busy.
            ("SESSION_TIMEOUT_MS", "10000".to_owned()),
        ];
        let server = server.into_iter().flat_map(|(name, file)| [format!("--tls-{name}-file"), file]).collect();
        Self { server, service, directory }
    }

    fn server<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        self.server.iter().map(String::as_str).chain(more.iter().copied()).collect()
    }

    /// Both services, and a visitor who signed in at one of them.
    async fn signed_in(&self, url: &str) -> (Pair, Browser) {
        let settings: Vec<_> = self.service.iter().map(|(name, value)| (*name, &**value)).collect();
        let pair = Pair::over(None, &owned(&[&settings[..], &[("SESSION_URL", url)]].concat()));
        let ann = Browser::new();
        ann.sign_in_at_site(&pair, "demo", "demo-password").await.assert_status(303);
        assert_eq!(ann.who(&pair).await.as_deref(), Some("demo"), "api reads the session that site stored");
        (pair, ann)
    }

    /// Without a valid certificate every command reports the reason, and a starting service answers with 503.
    async fn assert_needed(&self, pair: &Pair) {
        let foreign = file(self.directory.path(), "foreign.pem", &Authority::new().pem());
        let not_trusted = "its certificate is of an authority that is not trusted";
        for (changed, said) in [
            (&[("REDIS_CA_FILE", &*foreign)][..], not_trusted),
            (&[("REDIS_CA_FILE", "")], not_trusted),
            (&[("REDIS_CLIENT_CERT_FILE", ""), ("REDIS_CLIENT_KEY_FILE", "")], "SESSION_URL: "),
        ] {
            for kind in Kind::BOTH {
                let ended = pair.run(kind, &["check"], changed);
                assert_eq!(ended.status.code(), Some(1), "{changed:?}: {ended:?}");
                let failed: Vec<_> = ended.stdout.lines().filter(|line| line.starts_with("failed ")).collect();
                assert!(failed.len() == 1 && failed[0].contains("SESSION_URL: "), "{changed:?}: {ended:?}");
                assert!(failed[0].contains(said), "{changed:?}: {ended:?}");
            }
        }
        let api = pair.one_more_with(Kind::Api, &[("REDIS_CA_FILE", &foreign)]);
        api.get("/readyz").send().await.assert_status(503);
        login_at_api(&api, "demo", "demo-password").send().await.assert_status(503).assert_no_session_cookie();
        eventually("a word about it", async || api.output().contains(not_trusted).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers with TLS: `make versions`"]
async fn sentinels_name_a_new_primary_over_tls_and_nobody_is_signed_out() {
    let files = Files::new();
    for kind in KINDS {
        let sentinel = Sentinel::with_args(kind, &files.server(&["--tls-replication", "yes"]));
        assert!(sentinel.url().starts_with("rediss+sentinel://"), "{}", sentinel.url());
        let (pair, ann) = files.signed_in(&sentinel.url()).await;
        ann.set_preference(&pair, "a", &json!(1)).await;
        files.assert_needed(&pair).await;

        let old = sentinel.primary();
        old.wait_for_replicas(2);
        old.kill();
        sentinel.wait_for_another_than(old);
        for service in pair.both() {
            let is_ready = async || (service.get("/readyz").send().await.status == 200).then_some(());
            eventually("a new primary", is_ready).await;
        }
        assert_eq!(ann.who(&pair).await.as_deref(), Some("demo"), "{kind:?}");
        let stores = async || {
            let put = pair.api.put("/api/preferences/b").json(&json!(2));
            (ann.send(put).await.status == 204).then_some(())
        };
        eventually("a write", stores).await;
        assert_eq!(ann.preferences(&pair).await, json!({ "a": 1, "b": 2 }), "{kind:?}");
        ann.sign_out_at_site(&pair).await.assert_status(303);
        assert_eq!(ann.who(&pair).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers with TLS: `make versions`"]
async fn a_cluster_redirects_over_tls_while_a_slot_moves_and_afterwards() {
    let files = Files::new();
    for kind in KINDS {
        // Without failovers: a busy machine must not look like a failure.
        let steady = ["--tls-cluster", "yes", "--tls-replication", "yes", "--cluster-node-timeout", "60000"];
        let cluster = Cluster::with_args(kind, &files.server(&steady));
        assert!(cluster.url().starts_with("rediss+cluster://"), "{}", cluster.url());
        let (pair, ann) = files.signed_in(&cluster.url()).await;
        files.assert_needed(&pair).await;

        let key = format!("shared_session:{}", &ann.session().unwrap()[..24]);
        let from = cluster.owner(&key);
        let uses_it = async |value: u32| {
            ann.set_preference(&pair, "a", &json!(value)).await;
            ann.get(&pair.site, "/").await.assert_status(200);
            assert_eq!(ann.preferences(&pair).await["a"], value, "{kind:?}");
            assert_eq!(ann.who(&pair).await.as_deref(), Some("demo"), "{kind:?}");
        };
        uses_it(1).await;
        let to = cluster.begin_moving(&key);
        uses_it(2).await;
        // The key has moved before its slot: the old node redirects with ASK.
        assert_eq!(from.cli(&["MIGRATE", "127.0.0.1", &to.port().to_string(), &key, "0", "5000"]), "OK");
        uses_it(3).await;
        // Now with MOVED.
        cluster.finish_moving(&key, to);
        uses_it(4).await;
        assert_eq!((from.cli(&["EXISTS", &key]).contains("MOVED"), &*to.cli(&["EXISTS", &key])), (true, "1"));
        for service in pair.both() {
            service.get("/readyz").send().await.assert_status(200);
        }
    }
}
