use tokio::time::advance;

use super::{super::User, *};

const AGE: Duration = Duration::from_secs(5);
const MS: Duration = Duration::from_millis(1);

fn row(id: &str, password: &str) -> Arc<dyn AuthUser> {
    Arc::new(User::new(id, "name").with_encoded_password(password))
}

fn keep(cache: &UserCache, id: &str, password: &str) {
    cache.fill(id, cache.begin(id), &row(id, password));
}

fn password(cache: &UserCache, id: &str) -> Option<String> {
    cache.get(id).map(|user| user.encoded_password().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_row_answers_until_its_age_counted_from_before_it_was_asked_for() {
    let cache = UserCache::new();
    let ticket = cache.begin("1");
    advance(AGE - MS).await;
    cache.fill("1", ticket, &row("1", "old"));
    assert_eq!(password(&cache, "1").as_deref(), Some("old"));
    advance(MS).await;
    assert_eq!(password(&cache, "1"), None);
    keep(&cache, "1", "new");
    assert_eq!(password(&cache, "1").as_deref(), Some("new"));
    assert_eq!(password(&cache, "2"), None);
}

#[tokio::test(start_paused = true)]
async fn no_row_answers_for_more_than_a_minute_or_without_an_age() {
    for (asked, most) in [(3600 * 1000 * MS, 60 * 1000 * MS), (100 * MS, 100 * MS)] {
        let cache = UserCache::new().with_max_age(asked);
        keep(&cache, "1", "old");
        advance(most - MS).await;
        assert!(cache.get("1").is_some());
        advance(MS).await;
        assert!(cache.get("1").is_none());
    }
    let never = UserCache::new().with_max_age(Duration::ZERO);
    keep(&never, "1", "old");
    assert!(never.get("1").is_none());
}

#[test]
fn a_row_that_was_read_before_a_change_does_not_answer_after_it_whenever_it_is_kept() {
    let changes: [fn(&UserCache); 3] =
        [|cache| cache.forget("1"), UserCache::forget_all, |cache| drop(cache.forget_after("1"))];
    for change in changes {
        let cache = UserCache::new();
        keep(&cache, "1", "old");
        let ticket = cache.begin("1");
        change(&cache);
        assert_eq!(password(&cache, "1"), None, "kept before");
        cache.fill("1", ticket, &row("1", "old"));
        assert_eq!(password(&cache, "1"), None, "kept after");
        keep(&cache, "1", "new");
        cache.fill("1", ticket, &row("1", "old"));
        assert_eq!(password(&cache, "1").as_deref(), Some("new"));
    }
}

/// A thread may be suspended between the check in `fill` and the insertion of the row.
#[test]
fn a_change_between_the_look_and_the_keeping_is_found_later() {
    let cache = UserCache::new();
    let kept = Kept { user: row("1", "old"), ticket: cache.begin("1") };
    cache.forget("1");
    cache.with_shard("1", |shard| shard.keep("1", kept, AGE));
    assert_eq!(password(&cache, "1"), None);
}

#[tokio::test(start_paused = true)]
async fn of_two_answers_the_one_that_was_asked_for_later_stays() {
    let cache = UserCache::new();
    let first = cache.begin("1");
    advance(MS).await;
    keep(&cache, "1", "new");
    cache.fill("1", first, &row("1", "old"));
    assert_eq!(password(&cache, "1").as_deref(), Some("new"));
}

#[test]
fn a_change_leaves_the_rows_of_most_others() {
    let cache = UserCache::new();
    let ids: Vec<String> = (0..1000).map(|id| id.to_string()).collect();
    ids.iter().for_each(|id| keep(&cache, id, "old"));
    cache.forget("7");
    let left = ids.iter().filter(|id| cache.get(id).is_some()).count();
    assert!((900..1000).contains(&left), "{left}");
}

#[test]
fn no_more_rows_are_kept_than_may_be_and_the_newest_half_at_least() {
    for most in [0, 1, 2, 3, 100, 1000, 5000] {
        let cache = UserCache::new().with_max_users(most);
        let ids: Vec<String> = (0..3 * most + 10).map(|id| id.to_string()).collect();
        for id in &ids {
            keep(&cache, id, "old");
            keep(&cache, id, "old");
        }
        let kept: usize = cache.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(kept <= most, "{kept} of {most}");
        let found = ids.iter().rev().take(most / 2).filter(|id| cache.get(id).is_some()).count();
        // Several shards have unequal shares of the ids.
        assert!(found >= most / 2 * 8 / 10, "{found} of {most}");
    }
}

#[test]
fn nothing_of_a_user_is_shown() {
    let cache = UserCache::new();
    keep(&cache, "an id", "a password");
    let shown = format!("{cache:?}");
    assert_eq!(shown, "UserCache { max_users: 10000, max_age: 5s, .. }");
}
