//! The slowest answers: with a busy Redis, beside one huge session, and during a failover.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use test_servers::{RedisKind, Sentinel};
use tokio::runtime::Runtime;

use crate::{
    contenders::Contender,
    load::{Answer, ask_for, sorted_micros, visitors},
    process::Service,
    server::Server,
    stats::percentile,
};

/// The measured contenders. axum_session answers from its own memory, and ruts reads a single field, so neither has the
/// tail that is measured here.
const CONTENDERS: [Contender; 6] = [
    Contender::AxumByHand,
    Contender::OursOnAxum,
    Contender::TowerSessions,
    Contender::ActixByHand,
    Contender::OursOnActix,
    Contender::ActixSession,
];

const VISITORS: usize = 31;
const SMALL: usize = 200;
/// Ours accepts at most 512 KiB in all.
const HUGE: usize = 512 * 1000;
const TIME: Duration = Duration::from_millis(500);
const PATH: &str = "/increment";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scene {
    Quiet,
    /// Other connections keep Redis busy all the time.
    Saturated,
    /// One more visitor has a huge session.
    Huge,
}

impl Scene {
    const ALL: [Self; 3] = [Self::Quiet, Self::Saturated, Self::Huge];

    fn title(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Saturated => "saturated Redis",
            Self::Huge => "beside one session of 512 KB",
        }
    }
}

type Answers = BTreeMap<(Scene, Contender), Vec<Answer>>;

/// The section of the page.
pub fn section(rounds: usize) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answers = runtime.block_on(ask(rounds));
    let mut text = format!(
        "## The tail\n\n{VISITORS} visitors increment a counter in a session of {SMALL} bytes, {rounds} rounds of {} ms, \
         Valkey. Saturated: four other connections each run a script of 1000 `GET` all the time. Beside one session of \
         512 KB: one more visitor increments in it all the time, and only the answers of the others are counted. \
         Percentiles are of the answers of all rounds.\n\n",
        TIME.as_millis()
    );
    _ = writeln!(text, "| p99 · p99.9, ms | {} |", Scene::ALL.map(Scene::title).join(" | "));
    _ = writeln!(text, "|---|{}", "---|".repeat(Scene::ALL.len()));
    for contender in CONTENDERS {
        let cells = Scene::ALL.map(|scene| cell(&answers[&(scene, contender)]));
        _ = writeln!(text, "| {} | {} |", contender.name(), cells.join(" | "));
    }
    _ = writeln!(text, "\n| p99 · p99.9, as a ratio | {} | the last to its own quiet |", headings());
    _ = writeln!(text, "|---|{}", "---|".repeat(Scene::ALL.len() + 1));
    for contender in CONTENDERS.into_iter().filter(|contender| contender.floor() != *contender) {
        let cells = Scene::ALL.map(|scene| ratios(&answers, (scene, contender), (scene, contender.floor())));
        let own = ratios(&answers, (Scene::Huge, contender), (Scene::Quiet, contender));
        _ = writeln!(text, "| {} | {} | {own} |", contender.name(), cells.join(" | "));
    }
    text + "\n" + &failovers(&runtime)
}

fn headings() -> String {
    Scene::ALL.map(|scene| format!("{}, to the floor", scene.title())).join(" | ")
}

const SHARES: [f64; 2] = [0.99, 0.999];

fn percentiles(answers: &[Answer]) -> Option<[f64; 2]> {
    let times = sorted_micros(answers.iter().filter(|answer| answer.is_good()));
    let [p99, p999] = SHARES.map(|share| percentile(&times, share));
    Some([p99?, p999?])
}

fn cell(answers: &[Answer]) -> String {
    let failed = answers.iter().filter(|answer| !answer.is_good()).count();
    let failed = if failed == 0 { String::new() } else { format!(" ({failed} of {} failed)", answers.len()) };
    good(answers) + &failed
}

/// Percentiles in milliseconds.
fn good(answers: &[Answer]) -> String {
    match percentiles(answers) {
        Some([p99, p999]) => format!("{:.1} · {:.1}", p99 / 1000.0, p999 / 1000.0),
        None => "–".to_owned(),
    }
}

fn ratios(answers: &Answers, own: (Scene, Contender), to: (Scene, Contender)) -> String {
    match (percentiles(&answers[&own]), percentiles(&answers[&to])) {
        (Some(own), Some(to)) => format!("{:.2} · {:.2}", own[0] / to[0], own[1] / to[1]),
        _ => "–".to_owned(),
    }
}

async fn ask(rounds: usize) -> Answers {
    let server = Server::native();
    let url = server.redis.url();
    let services = CONTENDERS.map(|contender| (contender, Service::start(contender, &url)));
    let mut answers = Answers::new();
    for round in 0..rounds {
        for scene in Scene::ALL {
            for at in 0..services.len() {
                let (contender, service) = &services[(at + round) % services.len()];
                answers.entry((scene, *contender)).or_default().extend(ask_in(scene, service.port, &url).await);
            }
        }
        eprintln!("tail: round {} of {rounds}", round + 1);
    }
    answers
}

/// The answers to the visitors with small sessions.
async fn ask_in(scene: Scene, port: u16, url: &str) -> Vec<Answer> {
    let start = async |count, size| match visitors(port, count, size).await {
        Ok(visitors) => visitors,
        Err(why) => panic!("no sessions for the tail: {why}"),
    };
    let small = start(VISITORS, SMALL).await;
    let huge = start(usize::from(scene == Scene::Huge), HUGE).await;
    let hogs = if scene == Scene::Saturated { hogs(url).await } else { Vec::new() };
    let (small, _) = ask_for(port, small, PATH, TIME / 5).await;
    let ((_, answers), (_, of_huge)) = tokio::join!(ask_for(port, small, PATH, TIME), ask_for(port, huge, PATH, TIME));
    for hog in hogs {
        hog.abort();
    }
    if let Some(bad) = of_huge.iter().find(|answer| !answer.is_good()) {
        eprintln!("  the huge session was answered {:?}", bad.status);
    }
    answers
}

/// Connections that keep Redis busy at almost no cost for this process.
async fn hogs(url: &str) -> Vec<tokio::task::JoinHandle<()>> {
    const HOGS: usize = 4;
    const SCRIPT: &str = "for i = 1, 1000 do redis.call('GET', KEYS[1]) end";
    let client = redis::Client::open(url).unwrap();
    let mut hogs = Vec::new();
    for _ in 0..HOGS {
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        hogs.push(tokio::spawn(async move {
            loop {
                let script = redis::cmd("EVAL").arg(SCRIPT).arg(1).arg("hog").query_async::<()>(&mut connection).await;
                if script.is_err() {
                    return;
                }
            }
        }));
    }
    hogs
}

/// A planned failover, and one in which the primary is killed.
fn failovers(runtime: &Runtime) -> String {
    let mut text = "### During a failover\n\nOurs on Axum, the same load, Sentinels that replace a primary which is silent \
                    for a second. A failed response is 503 with `Retry-After`.\n\n\
                    | | first to last failure, ms | failed | slowest answer, ms | good before, p99 · p99.9, ms | good from \
                    then on, p99 · p99.9, ms |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for (name, fault) in [("the primary is killed", killed as fn(&Sentinel)), ("planned", Sentinel::fail_over)] {
        let sentinel = Sentinel::start(RedisKind::Valkey);
        let service = Service::start(Contender::OursOnAxum, &sentinel.url());
        let (answers, at) = during(runtime, &sentinel, service.port, fault);
        _ = writeln!(text, "| {name} | {} |", told(&answers, at));
        eprintln!("tail: failover, {name}");
    }
    text + "\n"
}

fn killed(sentinel: &Sentinel) {
    sentinel.primary().kill();
}

/// The answers before and after the fault, and the time of the fault.
fn during(runtime: &Runtime, sentinel: &Sentinel, port: u16, fault: fn(&Sentinel)) -> (Vec<Answer>, Instant) {
    const BEFORE: Duration = Duration::from_secs(1);
    const WHOLE: Duration = Duration::from_secs(6);
    let visitors = runtime.block_on(visitors(port, VISITORS, SMALL)).unwrap_or_else(|why| panic!("no sessions: {why}"));
    let (visitors, _) = runtime.block_on(ask_for(port, visitors, PATH, TIME));
    // The fault waits for the server, so it needs a thread of its own.
    thread::scope(|scope| {
        let breaking = scope.spawn(|| {
            thread::sleep(BEFORE);
            let at = Instant::now();
            fault(sentinel);
            at
        });
        let (_, answers) = runtime.block_on(ask_for(port, visitors, PATH, WHOLE));
        (answers, breaking.join().unwrap())
    })
}

/// The cells of a row.
fn told(answers: &[Answer], at: Instant) -> String {
    let (before, after): (Vec<Answer>, Vec<Answer>) =
        answers.iter().partition(|answer| answer.asked + answer.took < at);
    let failed: Vec<&Answer> = answers.iter().filter(|answer| !answer.is_good()).collect();
    let first = failed.iter().map(|answer| answer.asked).min();
    let last = failed.iter().map(|answer| answer.asked + answer.took).max();
    let outage = first.zip(last).map_or(0.0, |(first, last)| (last - first).as_secs_f64() * 1000.0);
    let slowest = answers.iter().map(|answer| answer.took).max().unwrap_or_default().as_secs_f64() * 1000.0;
    format!("{outage:.0} | {} of {} | {slowest:.0} | {} | {}", failed.len(), answers.len(), good(&before), good(&after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(begin: Instant, of: &[(u64, u64, Option<u16>)]) -> Vec<Answer> {
        let ms = Duration::from_millis;
        of.iter().map(|&(at, took, status)| Answer { asked: begin + ms(at), took: ms(took), status }).collect()
    }

    #[test]
    fn a_failover_is_told_from_its_first_failure_to_its_last() {
        let begin = Instant::now();
        let all = [(0, 2, Some(200)), (100, 10, Some(503)), (110, 300, None), (420, 4, Some(200))];
        let told = told(&answers(begin, &all), begin + Duration::from_millis(50));
        assert_eq!(told, "310 | 2 of 4 | 300 | 2.0 · 2.0 | 4.0 · 4.0");
    }

    #[test]
    fn failed_answers_are_counted_and_have_no_part_in_percentiles() {
        let begin = Instant::now();
        assert_eq!(cell(&answers(begin, &[(0, 2, Some(200)), (1, 900, Some(503))])), "2.0 · 2.0 (1 of 2 failed)");
        assert_eq!(cell(&answers(begin, &[(1, 900, None)])), "– (1 of 1 failed)");
    }

    #[test]
    fn ratios_refer_to_the_named_contender() {
        let begin = Instant::now();
        let (own, floor) = ((Scene::Huge, Contender::OursOnAxum), (Scene::Huge, Contender::AxumByHand));
        let all =
            Answers::from([(own, answers(begin, &[(0, 6, Some(200))])), (floor, answers(begin, &[(0, 4, Some(200))]))]);
        assert_eq!(ratios(&all, own, floor), "1.50 · 1.50");
    }
}
