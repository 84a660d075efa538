//! The costs of a process of ours: its start, a connection, and a session in its near cache.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

use super::{SMALL, table};
use crate::{
    contenders::Contender,
    load::{asked, visitors},
    process::{Service, memory_of},
    server::Server,
    stats::Spread,
    visitor::Visitor,
};

const CONNECTIONS: usize = 1000;
/// Less than the capacity of the near cache.
const KEPT: usize = 8000;

pub fn of_service(runtime: &Runtime, rounds: usize) -> String {
    let server = Server::native();
    let url = server.redis.url();
    let mut text =
        "### Of the service\n\nStarting is from `exec` to the first answer that needed Redis. Memory is what is \
                    resident.\n\n"
            .to_owned();
    table(&mut text, &["", "starting, ms", "after it, MB", "an idle connection of a browser, KB"]);
    for contender in [Contender::AxumByHand, Contender::OursOnAxum, Contender::ActixByHand, Contender::OursOnActix] {
        let starts = (0..rounds).map(|_| started(runtime, contender, &url).as_secs_f64() * 1000.0);
        let start = Spread::of(starts).map_or(0.0, |spread| spread.median);
        let (idle, each) = runtime.block_on(connections(contender, &url));
        _ = writeln!(text, "| {} | {start:.1} | {:.1} | {:.1} |", contender.name(), idle / 1e6, each / 1e3);
    }
    let (kept, read) = runtime.block_on(kept(&url));
    _ = writeln!(
        text,
        "\nA session of {SMALL} bytes in the near cache takes {kept:.0} bytes (the process without a near cache grew by \
         {read:.0} for each that it read)."
    );
    text
}

fn started(runtime: &Runtime, contender: Contender, url: &str) -> Duration {
    let begun = Instant::now();
    let service = Service::start(contender, url);
    runtime.block_on(visitors(service.port, 1, SMALL)).unwrap_or_else(|why| panic!("{why}"));
    begun.elapsed()
}

/// The memory of a process after some requests, and of each further connection.
async fn connections(contender: Contender, url: &str) -> (f64, f64) {
    let service = Service::start(contender, url);
    let of = async |count| {
        let mut visitors = visitors(service.port, count, SMALL).await.unwrap_or_else(|why| panic!("{why}"));
        for visitor in &mut visitors {
            asked(visitor, "/read").await.unwrap_or_else(|why| panic!("{why}"));
        }
        visitors
    };
    let few = of(50).await;
    let before = memory_of(service.id());
    let many = of(CONNECTIONS).await;
    let each = (memory_of(service.id()) - before) / CONNECTIONS as f64;
    drop((few, many));
    (before, each)
}

/// The memory of a session in the near cache, and of one that is only read.
async fn kept(url: &str) -> (f64, f64) {
    let near = grown(Contender::NearOnAxum, url).await;
    let far = grown(Contender::OursOnAxum, url).await;
    (near - far, far)
}

/// How many bytes the process grows for each session that it reads. Another process began the sessions, so this one has
/// not cached them.
async fn grown(contender: Contender, url: &str) -> f64 {
    let (other, service) = (Service::start(contender, url), Service::start(contender, url));
    let mut begun = visitors(other.port, 1, SMALL).await.unwrap_or_else(|why| panic!("{why}")).remove(0);
    let mut reading = Visitor::connect(service.port).await.unwrap();
    // Fills the buffers and tables that every process has.
    for _ in 0..500 {
        reading.cookies_of(&begun);
        asked(&mut reading, "/read").await.unwrap_or_else(|why| panic!("{why}"));
    }
    let before = memory_of(service.id());
    for _ in 0..KEPT {
        begun.forget();
        asked(&mut begun, &format!("/start/{SMALL}")).await.unwrap_or_else(|why| panic!("{why}"));
        reading.cookies_of(&begun);
        asked(&mut reading, "/read").await.unwrap_or_else(|why| panic!("{why}"));
    }
    (memory_of(service.id()) - before) / KEPT as f64
}
