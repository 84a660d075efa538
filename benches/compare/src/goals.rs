//! The goals for throughput, and the figures reached.

use std::fmt::Write as _;

use crate::{
    comparison::{CONNECTIONS, Comparison},
    contenders::Contender,
    load::{Cell, Kind, Shape},
    stats::Spread,
};

/// The goal for one kind of request, as a ratio to the throughput by hand: on servers with a native compare-and-set,
/// and with Lua.
struct Goal {
    shape: Shape,
    native: f64,
    lua: f64,
}

fn goals() -> [Goal; 5] {
    let [untouched, read, increment, rotation, _, large_increment, _] = Shape::ALL;
    let both = |shape, goal| Goal { shape, native: goal, lua: goal };
    [
        both(untouched, 0.97),
        both(read, 0.93),
        Goal { shape: increment, native: 0.95, lua: 0.82 },
        Goal { shape: rotation, native: 1.0, lua: 0.85 },
        both(large_increment, 0.80),
    ]
}

/// The goal for a read from the near cache, as a ratio to the throughput of a request that does not use Redis.
const NEAR: f64 = 0.85;

/// The section of the page.
pub fn section(made: &[Comparison]) -> String {
    let mut text =
        "## Goals\n\nOf throughput with 32 connections, as a ratio to the same framework by hand; of a read \
                    that the near cache answers, to a request by hand that asks no Redis.\n\n\
                    | | goal | ours on Axum | ours on Actix Web |\n|---|---|---|---|\n"
            .to_owned();
    for comparison in made {
        for goal in goals() {
            let least = if comparison.is_native { goal.native } else { goal.lua };
            let cell = Cell { connections: CONNECTIONS[0], shape: goal.shape };
            let reached = [Contender::OursOnAxum, Contender::OursOnActix].map(|ours| comparison.ratio(ours, cell));
            line(&mut text, comparison, &goal.shape.name(), least, reached);
        }
        let cell = |kind| Cell { connections: CONNECTIONS[0], shape: Shape { kind, ..Shape::ALL[0] } };
        let reached = [Contender::NearOnAxum, Contender::NearOnActix]
            .map(|near| comparison.ratio_to(near, cell(Kind::Read), near.floor(), cell(Kind::Untouched)));
        line(&mut text, comparison, "read from the near cache", NEAR, reached);
    }
    text + "\n"
}

fn line(text: &mut String, comparison: &Comparison, what: &str, goal: f64, reached: [Option<Spread>; 2]) {
    let [axum, actix] = reached.map(|spread| match spread {
        None => "–".to_owned(),
        Some(Spread { median, .. }) if (median * 100.0).round() >= goal * 100.0 => format!("{median:.2}"),
        Some(Spread { median, .. }) => format!("{median:.2}, missed"),
    });
    _ = writeln!(text, "| {}: {what} | {goal:.2} | {axum} | {actix} |", comparison.server);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::made_up;

    #[test]
    fn a_goal_is_reached_or_missed_by_the_median_and_depends_on_the_server() {
        let mut made = made_up(100.0, &[(Contender::OursOnActix, Kind::Increment, 90.0)]);
        made.is_native = true;
        let text = section(&[made]);
        assert!(text.lines().any(|line| line == "| Redis: increment | 0.95 | 1.00 | 0.90, missed |"), "{text}");
        let text = section(&[made_up(100.0, &[(Contender::OursOnActix, Kind::Increment, 90.0)])]);
        assert!(text.lines().any(|line| line == "| Redis: increment | 0.82 | 1.00 | 0.90 |"), "{text}");
        assert!(text.contains("| Redis: read from the near cache | 0.85 | 1.00 | 1.00 |"), "{text}");
    }
}
