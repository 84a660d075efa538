use shared_session::testing::Fault;

use super::login;
use crate::{Site, Step};

pub async fn events_survive_a_rotation_and_end_with_a_sign_out(site: &Site) {
    let ann = site.signed_in("ann").await;
    let mut events = ann.request("GET", "/events").open().await;
    events.wait_for("valid").await;
    ann.run(&[Step::CycleId]).await.assert_ok();
    events.wait_for("rotated").await;
    ann.run(&[login("ann")]).await.assert_ok();
    events.wait_for("rotated").await;
    ann.run(&[Step::Logout]).await.assert_ok();
    events.wait_for_end().await;
}

pub async fn events_go_on_through_an_outage(site: &Site) {
    let ann = site.signed_in("ann").await;
    let mut events = ann.request("GET", "/events").open().await;
    events.wait_for("valid").await;
    site.world().faults().fail_next("load", Fault::Refused);
    events.wait_for("unknown").await;
    events.wait_for("valid").await;
}
