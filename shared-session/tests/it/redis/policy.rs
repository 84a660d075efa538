//! Warnings about the server for operators.

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
