//! The cost of requests with more and more stored sessions, of all users and of one.

use std::{fmt::Write as _, time::Duration};

use tokio::runtime::Runtime;

use super::{SMALL, Scene, copy, example, fill, table};
use crate::{
    load::{Cell, Kind, Sample, Shape, measure},
    server::calls_of,
    stats::Spread,
};

const TIME: Duration = Duration::from_millis(150);
const KINDS: [Kind; 3] = [Kind::Read, Kind::Increment, Kind::Rotation];

pub fn by_sessions(runtime: &Runtime, rounds: usize) -> String {
    const COUNTS: [usize; 4] = [1, 1_000, 100_000, 1_000_000];
    let scenes = COUNTS.map(|count| {
        let scene = Scene::new();
        let (key, _) = example(runtime, &scene, SMALL, false);
        copy(&scene.server.redis, &key, count);
        scene
    });
    let samples = in_turns(runtime, &scenes, &KINDS, rounds);
    let mut text = "### With the number of stored sessions\n\n".to_owned();
    costs(&mut text, "stored sessions", &COUNTS, &KINDS, &samples);
    text
}

/// The cost of one user's sessions at a sign-in of that user, and in a list.
pub fn by_devices(runtime: &Runtime, rounds: usize) -> String {
    const COUNTS: [usize; 3] = [1, 100, 10_000];
    let scenes = COUNTS.map(|count| {
        let scene = Scene::new();
        let redis = &scene.server.redis;
        let (key, _) = example(runtime, &scene, SMALL, true);
        copy(redis, &key, count);
        let index = format!("{}user:42", super::PREFIX);
        let entry = redis.cli(&["ZRANGE", &index, "0", "0", "WITHSCORES"]);
        let score = entry.lines().nth(1).expect("an entry of the index").to_owned();
        // In addition to the example itself.
        fill(redis, count - 1, |pipe, at| {
            pipe.zadd(&index, format!("{at:024}"), &score);
        });
        scene
    });
    // First, because the rotations are sign-ins of the same user.
    let lists: Vec<(f64, f64)> = scenes.iter().map(|scene| listed(runtime, scene)).collect();
    let samples = in_turns(runtime, &scenes, &[Kind::Rotation], rounds);
    let mut text = "### With the number of one user's sessions\n\n".to_owned();
    costs(&mut text, "sessions of the user", &COUNTS, &[Kind::Rotation], &samples);
    text.push('\n');
    table(&mut text, &["listing them: sessions of the user", "commands", "commands for a session", "ms"]);
    for (count, (commands, milliseconds)) in COUNTS.iter().zip(lists) {
        let each = commands / (*count as f64);
        _ = writeln!(text, "| {count} | {commands:.0} | {each:.2} | {milliseconds:.1} |");
    }
    text
}

/// The commands and the milliseconds of one list.
fn listed(runtime: &Runtime, scene: &Scene) -> (f64, f64) {
    let redis = &scene.server.redis;
    redis.cli(&["CONFIG", "RESETSTAT"]);
    let started = std::time::Instant::now();
    runtime.block_on(async {
        let mut visitor = crate::visitor::Visitor::connect(scene.service.port).await.expect("a connection");
        assert_eq!(visitor.ask("/devices").await.ok(), Some(200), "the list of sessions");
    });
    let took = started.elapsed();
    let ours = calls_of(redis).into_iter().filter(|(name, _)| !name.contains('|'));
    (ours.map(|(_, (calls, _))| calls).sum(), took.as_secs_f64() * 1000.0)
}

/// For each scene and kind, the samples of all rounds.
fn in_turns(runtime: &Runtime, scenes: &[Scene], kinds: &[Kind], rounds: usize) -> Vec<Vec<Vec<Sample>>> {
    let mut samples = vec![vec![Vec::new(); kinds.len()]; scenes.len()];
    for _ in 0..rounds {
        for (at, kind) in kinds.iter().enumerate() {
            let cell = Cell { connections: 32, shape: Shape { size: SMALL, kind: *kind } };
            for (scene, samples) in scenes.iter().zip(&mut samples) {
                match runtime.block_on(measure(&scene.service, &scene.server.redis, cell, TIME)) {
                    Ok(sample) => samples[at].push(sample),
                    Err(why) => panic!("growth: {why}"),
                }
            }
        }
    }
    samples
}

fn costs(text: &mut String, what: &str, counts: &[usize], kinds: &[Kind], samples: &[Vec<Vec<Sample>>]) {
    let names: Vec<String> =
        kinds.iter().map(|kind| format!("{}: commands; µs service · Redis", kind.name())).collect();
    let heads: Vec<&str> = [what].into_iter().chain(names.iter().map(String::as_str)).collect();
    table(text, &heads);
    for (count, samples) in counts.iter().zip(samples) {
        let cells: Vec<String> = samples.iter().map(|samples| cost(samples)).collect();
        _ = writeln!(text, "| {count} | {} |", cells.join(" | "));
    }
}

fn cost(samples: &[Sample]) -> String {
    let median =
        |figure: fn(&Sample) -> f64| Spread::of(samples.iter().map(figure)).map_or(0.0, |spread| spread.median);
    format!(
        "{:.2}; {:.0} · {:.1}",
        median(|sample| sample.commands),
        median(|sample| sample.cpu),
        median(|sample| sample.redis_cpu)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_of_medians() {
        let sample = |commands, cpu| Sample { commands, cpu, redis_cpu: 1.25, ..Sample::default() };
        assert_eq!(cost(&[sample(2.0, 90.0), sample(2.0, 30.0), sample(2.1, 31.0)]), "2.00; 31 · 1.2");
    }
}
