//! `rediss://` to servers with native TLS, which the servers of `make test` lack.

use std::{fs, path::PathBuf, process};

use test_servers::{Authority, Cluster, Sentinel};

use super::{
    tls::{assert_refused, trusting},
    *,
};
use crate::rules::near_cache::{Service, soon};

/// The servers that `make versions` builds; the Valkey of the tests has no TLS.
const KINDS: [RedisKind; 2] = [RedisKind::Old, RedisKind::New];

/// A certificate authority, and the files of its servers. The files are deleted with it.
struct Files {
    authority: Authority,
    directory: PathBuf,
    args: Vec<String>,
}

impl Files {
    fn new(name: &str) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        let authority = Authority::new();
        let (chain, key) = authority.certify("127.0.0.1");
        let files = [("ca-cert", authority.pem()), ("cert", chain), ("key", key)];
        let args = files.into_iter().flat_map(|(name, pem)| {
            let file = directory.join(name);
            fs::write(&file, pem).unwrap();
            [format!("--tls-{name}-file"), file.display().to_string()]
        });
        Self { args: args.collect(), authority, directory }
    }

    /// The arguments that turn on TLS. By default the server then asks clients for a certificate.
    fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        self.args.iter().map(String::as_str).chain(more.iter().copied()).collect()
    }

    fn as_a_client(&self) -> RedisConfig {
        let (chain, key) = self.authority.certify("a client");
        trusting(&self.authority).with_client_certificate(chain, key)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs servers with TLS: `make versions`"]
async fn the_contract_holds_over_a_servers_own_tls() {
    let files = Files::new("tls-contract");
    for kind in KINDS {
        let redis = Redis::with_args(kind, &files.args(&["--tls-auth-clients", "no"]));
        store_contract(RedisStore::connect_with(&redis.url(), &trusting(&files.authority)).await.unwrap()).await;

        let not_trusted = "an authority that is not trusted";
        assert_refused(RedisStore::connect_with(&redis.url(), &trusting(&Authority::new())).await, not_trusted);
        let by_name = redis.url().replace("127.0.0.1", "localhost");
        assert_refused(RedisStore::connect_with(&by_name, &trusting(&files.authority)).await, "another name");
        let plain = redis.url().replace("rediss:", "redis:");
        assert_unavailable(&RedisStore::connect_with(&plain, &patient()).await.unwrap_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs servers with TLS: `make versions`"]
async fn a_server_with_tls_that_restarts_answers_the_next_call() {
    let files = Files::new("tls-restart");
    for kind in KINDS {
        let redis = Redis::with_args(kind, &files.args(&[]));
        let store = RedisStore::connect_with(&redis.url(), &files.as_a_client()).await.unwrap();
        assert!(store.create(KEY, value(), MINUTE).await.unwrap());
        redis.kill();
        assert_unavailable(&store.load(KEY).await.unwrap_err());
        redis.restart();
        assert_eq!(store.load(KEY).await.unwrap(), None);
        assert!(store.create(KEY, value(), MINUTE).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs servers with TLS: `make versions`"]
async fn a_server_with_tls_lets_in_whom_its_authority_has_certified() {
    let files = Files::new("tls-clients");
    for kind in KINDS {
        let redis = Redis::with_args(kind, &files.args(&[]));
        store_contract(RedisStore::connect_with(&redis.url(), &files.as_a_client()).await.unwrap()).await;

        let nobody = trusting(&files.authority);
        assert_unavailable(&RedisStore::connect_with(&redis.url(), &nobody).await.unwrap_err());
        let (chain, key) = Authority::new().certify("a client");
        let foreign = trusting(&files.authority).with_client_certificate(chain, key);
        assert_unavailable(&RedisStore::connect_with(&redis.url(), &foreign).await.unwrap_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs servers with TLS: `make versions`"]
async fn a_near_cache_hears_of_changes_over_tls() {
    let files = Files::new("tls-near");
    for kind in KINDS {
        let redis = Redis::with_args(kind, &files.args(&[]));
        let near = Service::near_with(&redis.url(), &files.as_a_client(), |near| near);
        let mut browser = near.start().await;
        near.keep(&browser).await;
        let far = Service::near_with(&redis.url(), &files.as_a_client(), |near| near.with_max_sessions(0));
        far.write(&mut browser, 1).await;
        soon("the change is seen", async || near.read(&browser).await == Some(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs servers with TLS: `make versions`"]
async fn sentinels_and_what_they_name_are_reached_over_tls() {
    let files = Files::new("tls-sentinel");
    for kind in KINDS {
        let sentinel = Sentinel::with_args(kind, &files.args(&["--tls-replication", "yes"]));
        let config = files.as_a_client();
        store_contract(RedisStore::connect_with(&sentinel.url(), &config).await.unwrap()).await;
        assert_unavailable(&RedisStore::connect_with(&sentinel.url(), &patient()).await.unwrap_err());

        let store = RedisStore::connect_with(&sentinel.url(), &config).await.unwrap();
        store.create(KEY, value(), MINUTE).await.unwrap();
        let old = sentinel.primary();
        old.wait_for_replicas(2);
        old.kill();
        sentinel.wait_for_another_than(old);
        let mut answer = store.load(KEY).await;
        while answer.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            answer = store.load(KEY).await;
        }
        assert_eq!(answer.unwrap(), Some(value()), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs servers with TLS: `make versions`"]
async fn the_nodes_of_a_cluster_are_reached_over_tls() {
    let files = Files::new("tls-cluster");
    for kind in KINDS {
        let cluster = Cluster::with_args(kind, &files.args(&["--tls-cluster", "yes", "--tls-replication", "yes"]));
        let config = files.as_a_client();
        store_contract(RedisStore::connect_with(&cluster.url(), &config).await.unwrap()).await;
        assert_unavailable(&RedisStore::connect_with(&cluster.url(), &patient()).await.unwrap_err());

        let store = RedisStore::connect_with(&cluster.url(), &config).await.unwrap();
        let (there, new) = ("test:{slot}:there", "test:{slot}:new");
        store.create(there, value(), MINUTE).await.unwrap();
        let to = cluster.begin_moving(there);
        assert!(store.create(new, value(), MINUTE).await.unwrap());
        let slot = cluster.slot(new).to_string();
        assert_eq!(to.cli(&["CLUSTER", "COUNTKEYSINSLOT", &slot]), "1", "{kind:?}: it is at its new node");
        cluster.finish_moving(there, to);
        for key in [there, new] {
            assert_eq!(store.replace(key, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
        }
    }
}
