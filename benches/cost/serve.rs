//! The process of one cell.

use std::alloc::System;

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::BodyExt as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tower::Service;

use crate::{
    by_hand,
    cell::{Cell, Who},
    ours,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Enough to open connections, load scripts and grow buffers to their final size.
const WARM_UP: u64 = 50;

/// Serves the requests and prints the allocations and the allocated bytes of each.
pub(crate) fn child(text: &str) {
    let (cell, requests, url) = Cell::from_text(text).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (router, cookie) = match cell.who {
            Who::Floor => by_hand::service(&cell, &url).await,
            Who::Ours => ours::service(&cell, &url).await,
        };
        let mut visitor = Visitor {
            router,
            uri: cell.what.path().parse().unwrap(),
            host: shared("app.example.com"),
            agent: shared("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"),
            cookie: shared(&cookie),
        };
        visitor.ask(WARM_UP).await;
        let region = Region::new(ALLOCATOR);
        visitor.ask(requests).await;
        let change = region.change();
        // A realloc counts like other allocations.
        let per_request = |count: usize| count as f64 / requests as f64;
        println!("{} {}", per_request(change.allocations + change.reallocations), per_request(change.bytes_allocated));
    });
}

/// A browser with one cookie. As with hyper, the parts of a request's head are slices of a shared buffer.
struct Visitor {
    router: Router,
    uri: Uri,
    host: HeaderValue,
    agent: HeaderValue,
    cookie: HeaderValue,
}

impl Visitor {
    async fn ask(&mut self, requests: u64) {
        for _ in 0..requests {
            let request = Request::post(self.uri.clone())
                .header(header::HOST, self.host.clone())
                .header(header::USER_AGENT, self.agent.clone())
                .header(header::COOKIE, self.cookie.clone())
                .body(Body::empty())
                .unwrap();
            let response = Service::call(&mut self.router, request).await.unwrap();
            assert!(response.status().is_success(), "{response:?}");
            if let Some(set) = response.headers().get(header::SET_COOKIE) {
                self.cookie = shared(set.to_str().unwrap().split(';').next().unwrap());
            }
            let body = response.into_body().collect().await.unwrap();
            assert!(body.to_bytes().len() < 100);
        }
    }
}

fn shared(value: &str) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(value.as_bytes())).unwrap()
}
