//! Opening a session: reading our cookie out of what browsers and their tenants send.

use std::{hint::black_box, time::Duration};

use criterion::Criterion;
use shared_session::{SessionManager, store::MemoryStore};

fn main() {
    let manager = SessionManager::new(MemoryStore::new());
    let ours = format!("{}={}", manager.cookie().name(), "A".repeat(56));
    let among = |siblings: usize| {
        let siblings: String = (0..siblings).map(|n| format!("_ga_{n}=GS1.1.1700000000.1; ")).collect();
        siblings + &ours
    };
    let headers = [
        ("alone", ours.clone()),
        ("among 20 siblings", among(20)),
        ("among 4000 siblings", among(4000)),
        ("twice", format!("{ours}; {ours}")),
        ("absent", "theme=dark; language=en".to_owned()),
    ];
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    let mut group = criterion.benchmark_group("cookie");
    for (name, header) in &headers {
        group.bench_function(*name, |bencher| bencher.iter(|| manager.open([black_box(header.as_bytes())])));
    }
    group.finish();
    criterion.final_summary();
}
