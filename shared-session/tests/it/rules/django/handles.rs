//! Finding a session by its handle, which does not contain the key.

use shared_session::Handle;

use super::{KEY, PREFIX, fleet, made_by_django, set};

#[tokio::test]
async fn a_session_is_found_by_its_handle_behind_many_others_and_others_are_not() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("a", "1")]).await;
    let handle = fleet.load(&browser).await.1.handle().unwrap();
    // A page has 500.
    for n in 0..1200 {
        set(&fleet, &format!("{PREFIX}{n:032}"), "text".into()).await;
    }
    assert!(KEY > "9", "it comes last");
    assert_eq!(fleet.manager.find_session(&handle).await.unwrap().map(|session| session.handle), Some(handle));
    let unknown = Handle::parse(&"A".repeat(24)).unwrap();
    assert!(fleet.manager.find_session(&unknown).await.unwrap().is_none());
}
