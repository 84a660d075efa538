//! Warnings about the server for operators.

use shared_session::store::Persistence;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_eviction_policy_is_told_unless_it_is_forbidden() {
    let no_resp3: &[&str] = &["--rename-command", "HELLO", ""];
    for kind in RedisKind::ALL {
        for args in [&[], no_resp3] {
            let redis = Redis::with_args(kind, args);
            let store = connect(&redis).await;
            assert_eq!(store.eviction_policy().await.unwrap(), "noeviction");
            redis.cli(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
            assert_eq!(store.eviction_policy().await.unwrap(), "volatile-ttl");
            redis.cli(&["ACL", "SETUSER", "default", "-info"]);
            assert_unavailable(&store.eviction_policy().await.unwrap_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_reports_what_a_restart_keeps() {
    for kind in RedisKind::ALL {
        let redis = Redis::start(kind);
        let store = connect(&redis).await;
        for (append, save, kept) in [
            ("no", "", Persistence::Nothing),
            ("no", "3600 1", Persistence::Snapshots),
            ("yes", "", Persistence::Writes),
            ("yes", "3600 1", Persistence::Writes),
        ] {
            assert_eq!(redis.cli(&["CONFIG", "SET", "appendonly", append]), "OK");
            assert_eq!(redis.cli(&["CONFIG", "SET", "save", save]), "OK");
            assert_eq!(store.persistence().await.unwrap(), kept);
        }
        redis.cli(&["ACL", "SETUSER", "default", "-info"]);
        assert_unavailable(&store.persistence().await.unwrap_err());
    }
}
