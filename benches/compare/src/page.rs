//! docs/benchmarks.md and its pictures.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    comparison::{CONNECTIONS, Comparison},
    contenders::Contender,
    goals,
    load::{Cell, Kind, Sample, Shape},
    plot::{Bar, Panel, Plot},
    stats::Spread,
};

/// Fewer rounds only show that the program works.
const ENOUGH_ROUNDS: usize = 5;

/// The method of the measurement.
pub struct Method {
    pub rounds: usize,
    pub milliseconds: u128,
}

impl Method {
    fn sentence(&self) -> String {
        let Self { rounds, milliseconds } = self;
        let warning = if *rounds < ENOUGH_ROUNDS {
            format!(
                "**Made with {rounds} of at least {ENOUGH_ROUNDS} rounds: this shows that the program works, and its \
                 figures mean nothing.** "
            )
        } else {
            String::new()
        };
        format!("{warning}Rounds: {rounds}, {milliseconds} ms for each cell.")
    }
}

/// Writes the page and the pictures; `sections` follow the tables.
pub fn write(made: &[Comparison], method: &Method, sections: &[String]) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let images = docs.join("images");
    fs::create_dir_all(&images).unwrap();
    let mut page = include_str!("head.md").to_owned();
    _ = writeln!(page, "{}\n\n{} {}\n", method.sentence(), machine(), versions());
    page += &goals::section(made);
    page += &losses(made);
    for (name, plot) in plots(made) {
        write_file(&images.join(&name), &plot.svg());
        _ = writeln!(page, "![{}](images/{name})\n", plot.title);
    }
    for comparison in made {
        page += &tables(comparison);
    }
    for section in sections {
        page += section;
    }
    write_file(&docs.join("benchmarks.md"), &(page.trim_end().to_owned() + "\n"));
}

fn write_file(path: &PathBuf, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    eprintln!("wrote {}", path.display());
}

/// The cells in which ours is not ahead: a line for each, with the peers that are.
fn losses(made: &[Comparison]) -> String {
    let mut text =
        "## Where ours is behind\n\nThroughput as a ratio to the same framework by hand; the medians.\n".to_owned();
    let empty = text.len();
    for comparison in made {
        let mut lines: Vec<(String, Vec<String>)> = Vec::new();
        for (cell, peer, theirs, ours) in comparison.losses() {
            let connections = if cell.connections == 1 { "1 connection" } else { "32 connections" };
            let line = format!(
                "- {connections}, **{}**: {} {:.2}, behind",
                cell.shape.name(),
                peer.ours().name(),
                ours.median
            );
            let theirs = format!("{} {:.2}", peer.name(), theirs.median);
            match lines.last_mut() {
                Some((last, peers)) if *last == line => peers.push(theirs),
                _ => lines.push((line, vec![theirs])),
            }
        }
        if !lines.is_empty() {
            _ = writeln!(text, "\n{}:\n", comparison.title);
        }
        for (line, peers) in lines {
            _ = writeln!(text, "{line} {}", peers.join(", "));
        }
    }
    if text.len() == empty {
        text += "\nNowhere: in every cell ours is ahead of each peer on the same framework.\n";
    }
    text + "\n"
}

fn ratio(spread: Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", spread.median, spread.least, spread.most)
}

fn tables(made: &Comparison) -> String {
    let mut text = format!("## {}\n\n", made.title);
    for connections in CONNECTIONS {
        let title = format!("Throughput to the floor, connections: {connections}");
        table(&mut text, &title, connections, |contender, cell| Some(ratio(made.ratio(contender, cell)?)));
    }
    text += &near(made);
    let many = CONNECTIONS[0];
    let median = |contender, cell, figure: fn(&Sample) -> f64| Some(made.of(contender, cell, figure)?.median);
    for connections in CONNECTIONS {
        let title = format!("Requests a second; p50 · p99 in µs, connections: {connections}");
        table(&mut text, &title, connections, |contender, cell| {
            let rate = median(contender, cell, |sample| sample.per_second)?;
            let (p50, p99) =
                (median(contender, cell, |sample| sample.p50)?, median(contender, cell, |sample| sample.p99)?);
            Some(format!("{rate:.0}; {p50:.0} · {p99:.0}"))
        });
    }
    table(&mut text, "Processor time for a request, µs: service · Redis", many, |contender, cell| {
        let (own, redis) =
            (median(contender, cell, |sample| sample.cpu)?, median(contender, cell, |sample| sample.redis_cpu)?);
        Some(format!("{own:.0} · {redis:.0}"))
    });
    table(&mut text, "Idle share of the processors, %", many, |contender, cell| {
        Some(format!("{:.0}", median(contender, cell, |sample| sample.idle)? * 100.0))
    });
    table(&mut text, "Commands of Redis for a request", many, |contender, cell| {
        Some(format!("{:.1}", median(contender, cell, |sample| sample.commands)?))
    });
    let mut failures: Vec<String> = Vec::new();
    for ((_, contender), why) in &made.failures {
        let line = format!("{}: {why}", contender.name());
        if !failures.contains(&line) {
            failures.push(line);
        }
    }
    if !failures.is_empty() {
        _ = writeln!(text, "A dash is where a contender failed: {}.\n", failures.join("; "));
    }
    text
}

/// The near cache, compared with a request that does not use Redis.
fn near(made: &Comparison) -> String {
    let cell = |kind| Cell { connections: CONNECTIONS[0], shape: Shape { size: Shape::ALL[0].size, kind } };
    let to_nothing = |near: Contender| {
        let spread = made.ratio_to(near, cell(Kind::Read), near.floor(), cell(Kind::Untouched))?;
        Some(format!("{} on {}", ratio(spread), if near == Contender::NearOnAxum { "Axum" } else { "Actix Web" }))
    };
    let found: Vec<String> =
        [Contender::NearOnAxum, Contender::NearOnActix].into_iter().filter_map(to_nothing).collect();
    format!("A read that the near cache answers, next to a route by hand that asks no Redis: {}.\n\n", found.join(", "))
}

fn table(text: &mut String, title: &str, connections: usize, of: impl Fn(Contender, Cell) -> Option<String>) {
    let names = Shape::ALL.map(Shape::name);
    _ = writeln!(text, "| {title} | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    for contender in Contender::ALL {
        let mark = if contender.is_ours() { "**" } else { "" };
        let cells =
            Shape::ALL.map(|shape| of(contender, Cell { connections, shape }).unwrap_or_else(|| "–".to_owned()));
        _ = writeln!(text, "| {mark}{}{mark} | {} |", contender.name(), cells.join(" | "));
    }
    text.push('\n');
}

/// The file names and the contents of the pictures.
fn plots(made: &[Comparison]) -> Vec<(String, Plot)> {
    let labels = || Contender::ALL.map(Contender::name).to_vec();
    let panels = |bar: &dyn Fn(&Comparison, Contender, Cell) -> Option<Bar>| {
        let groups = |comparison: &Comparison| {
            let of = |shape: Shape| {
                let cell = Cell { connections: CONNECTIONS[0], shape };
                (shape.name(), Contender::ALL.map(|contender| bar(comparison, contender, cell)).to_vec())
            };
            Shape::ALL.map(of).to_vec()
        };
        made.iter().map(|comparison| Panel { title: comparison.title.clone(), groups: groups(comparison) }).collect()
    };
    let median =
        |made: &Comparison, contender, cell, figure: fn(&Sample) -> f64| Some(made.of(contender, cell, figure)?.median);
    let plot = |name: &str, title: &str, decimals, line, panels| {
        let plot = Plot { title: title.to_owned(), labels: labels(), decimals, line, panels };
        (format!("bench-{name}.svg"), plot)
    };
    vec![
        plot(
            "throughput",
            "Throughput with 32 connections, as a ratio to the same framework by hand (higher is better)",
            2,
            Some(1.0),
            panels(&|made, contender, cell| Some(Bar::of(made.ratio(contender, cell)?.median))),
        ),
        plot(
            "latency",
            "Milliseconds for a request with 32 connections: the bar is p50, the tick above it p99 (lower is better)",
            1,
            None,
            panels(&|made, contender, cell| {
                let milliseconds = |figure| Some(median(made, contender, cell, figure)? / 1000.0);
                let p99 = milliseconds(|sample| sample.p99)?;
                Some(Bar { tick: Some(p99), ..Bar::of(milliseconds(|sample| sample.p50)?) })
            }),
        ),
        plot(
            "cpu",
            "Processor time for a request, µs: the bar is the service, the tick with Redis (lower is better)",
            0,
            None,
            panels(&|made, contender, cell| {
                let own = median(made, contender, cell, |sample| sample.cpu)?;
                let both = own + median(made, contender, cell, |sample| sample.redis_cpu)?;
                Some(Bar { tick: Some(both), ..Bar::of(own) })
            }),
        ),
        plot(
            "commands",
            "Commands of Redis for a request, those within scripts included (lower is better)",
            1,
            None,
            panels(&|made, contender, cell| Some(Bar::of(median(made, contender, cell, |sample| sample.commands)?))),
        ),
    ]
}

pub fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (cpu, kernel) = (read("/proc/cpuinfo"), read("/proc/sys/kernel/osrelease"));
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "The machine: {cores} cores of {model}, Linux {}; services, load and Redis share them.",
        kernel.trim().split('-').next().unwrap_or_default()
    )
}

/// The versions of the compiler and the contenders.
fn versions() -> String {
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let lock = include_str!("../Cargo.lock");
    let names = [
        "axum",
        "actix-web",
        "tower-sessions",
        "tower-sessions-redis-store",
        "axum_session",
        "axum_session_redispool",
        "ruts",
        "actix-session",
        "redis",
        "fred",
    ];
    let versions = names.map(|name| format!("{name} {}", locked(lock, name)));
    format!("Versions: {rustc}, all contenders with the defaults of `--release`, without LTO; {}.", versions.join(", "))
}

/// The versions of a crate in a `Cargo.lock`.
fn locked(lock: &str, name: &str) -> String {
    let start = format!("name = \"{name}\"\nversion = \"");
    let versions: Vec<&str> = lock.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    versions.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::made_up;

    #[test]
    fn a_page_of_few_rounds_says_that_it_means_nothing() {
        assert!(Method { rounds: 1, milliseconds: 50 }.sentence().contains("1 of at least 5 rounds"));
        assert!(!Method { rounds: 5, milliseconds: 50 }.sentence().contains("nothing"));
    }

    #[test]
    fn losses_are_named_and_their_absence_too() {
        let lost = made_up(100.0, &[(Contender::OursOnActix, Kind::Read, 50.0)]);
        let text = losses(&[lost]);
        let line = "- 32 connections, **read**: ours on Actix Web 0.50, behind actix-session 1.00";
        assert!(text.lines().any(|found| found == line), "{text}");
        assert!(losses(&[made_up(100.0, &[])]).contains("Nowhere"));
    }

    #[test]
    fn a_table_has_a_row_for_every_contender_and_a_dash_for_a_failed_one() {
        let mut made = made_up(100.0, &[]);
        let failed = made.samples.keys().copied().filter(|(_, contender)| *contender == Contender::Ruts);
        for key in failed.collect::<Vec<_>>() {
            made.samples.remove(&key);
            made.failures.insert(key, "/start answered 500".to_owned());
        }
        let text = tables(&made);
        let dashes = "| ruts |".to_owned() + &" – |".repeat(7);
        assert_eq!(text.lines().filter(|line| *line == dashes).count(), 7, "{text}");
        assert_eq!(text.matches("ruts: /start answered 500").count(), 1);
        assert!(text.contains("| **ours on Axum** | 1.00 (1.00–1.00) |"), "{text}");
        assert!(text.contains("asks no Redis: 1.00 (1.00–1.00) on Axum, 1.00 (1.00–1.00) on Actix Web."), "{text}");
    }

    #[test]
    fn every_picture_has_a_panel_for_every_server() {
        let plots = plots(&[made_up(100.0, &[]), made_up(50.0, &[])]);
        assert_eq!(plots.len(), 4);
        assert!(plots.iter().all(|(name, plot)| name.ends_with(".svg") && plot.panels.len() == 2));
    }

    #[test]
    fn versions_are_those_that_are_locked() {
        let lock = "[[package]]\nname = \"redis\"\nversion = \"0.32.7\"\n\n[[package]]\nname = \"redis\"\nversion = \"1.8.1\"\n";
        assert_eq!(locked(lock, "redis"), "0.32.7 and 1.8.1");
        assert!(!versions().contains(" ,") && !versions().contains(" ."), "{}", versions());
    }
}
