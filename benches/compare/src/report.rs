//! docs/benchmarks.md and its plots.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use crate::{
    contenders::{CONTENDERS, floor_of},
    load::{Kind, Sample},
};

/// What was measured with one server.
pub struct Table {
    pub title: String,
    pub samples: Vec<(&'static str, Kind, Vec<Sample>)>,
}

impl Table {
    fn median(&self, name: &str, kind: Kind, figure: impl Fn(&Sample) -> f64) -> f64 {
        let (_, _, samples) = self.samples.iter().find(|(of, of_kind, _)| *of == name && *of_kind == kind).unwrap();
        let mut figures: Vec<f64> = samples.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    }

    /// Throughput next to the floor of the same framework, round by round, the least first: what disturbs the machine
    /// disturbs a whole round.
    fn ratios(&self, name: &str, kind: Kind) -> Vec<f64> {
        let of = |name: &str| &self.samples.iter().find(|(of, of_kind, _)| *of == name && *of_kind == kind).unwrap().2;
        let pairs = of(name).iter().zip(of(floor_of(name)));
        let mut ratios: Vec<f64> = pairs.map(|(own, floor)| own.per_second / floor.per_second).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }

    fn ratio(&self, name: &str, kind: Kind) -> f64 {
        let ratios = self.ratios(name, kind);
        ratios[ratios.len() / 2]
    }
}

pub fn write(tables: &[Table], rounds: usize, milliseconds: u64) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut page = include_str!("head.md").to_owned();
    _ = writeln!(page, "{}\n", machine());
    _ = writeln!(page, "{rounds} rounds, {milliseconds} ms each, {}.\n", versions());
    for (number, table) in tables.iter().enumerate() {
        let plot = format!("benchmarks-{}.svg", number + 1);
        fs::write(docs.join(&plot), svg(table)).unwrap();
        _ = writeln!(
            page,
            "## {}\n\n![Throughput next to the same framework without a session layer]({plot})\n",
            table.title
        );
        section(&mut page, "Throughput next to the floor of the same framework (least–most)", |name, kind| {
            let ratios = table.ratios(name, kind);
            format!("{:.2} ({:.2}–{:.2})", table.ratio(name, kind), ratios[0], ratios[ratios.len() - 1])
        });
        section(&mut page, "Requests a second", |name, kind| {
            format!("{:.0}", table.median(name, kind, |sample| sample.per_second))
        });
        section(&mut page, "p50 · p99, µs", |name, kind| {
            let [p50, p99] =
                [table.median(name, kind, |sample| sample.p50), table.median(name, kind, |sample| sample.p99)];
            format!("{p50:.0} · {p99:.0}")
        });
        section(&mut page, "Processor time of the service for a request, µs", |name, kind| {
            format!("{:.0}", table.median(name, kind, |sample| sample.cpu))
        });
        section(&mut page, "Commands of Redis for a request, those in scripts included", |name, kind| {
            format!("{:.1}", table.median(name, kind, |sample| sample.commands))
        });
    }
    fs::write(docs.join("benchmarks.md"), page.trim_end().to_owned() + "\n").unwrap();
}

fn section(page: &mut String, title: &str, cell: impl Fn(&str, Kind) -> String) {
    _ = writeln!(page, "| {title} | {} |", Kind::ALL.map(Kind::name).join(" | "));
    _ = writeln!(page, "|---|{}", "---|".repeat(Kind::ALL.len()));
    for name in CONTENDERS {
        let label = if name.starts_with("ours") { format!("**{name}**") } else { (*name).to_owned() };
        _ = writeln!(page, "| {label} | {} |", Kind::ALL.map(|kind| cell(name, kind)).join(" | "));
    }
    page.push('\n');
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("The machine: {cores} cores of {model}; the services, the load and Redis share them.")
}

/// Of the compiler and the contenders.
fn versions() -> String {
    let rustc = Command::new("rustc")
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let lock = include_str!("../Cargo.lock");
    let version = |name: &str| {
        let start = format!("name = \"{name}\"\nversion = \"");
        let versions = lock.split(&start).skip(1).filter_map(|rest| rest.split('"').next());
        format!("{name} {}", versions.collect::<Vec<_>>().join(" and "))
    };
    let names = ["axum", "actix-web", "tower-sessions", "tower-sessions-redis-store", "actix-session", "redis"];
    format!("{}; {}", rustc.unwrap_or_default(), names.map(version).join(", "))
}

/// Bars: one group for each kind of request, one bar for each contender.
fn svg(table: &Table) -> String {
    const COLORS: [&str; 7] = ["#9aa5b1", "#1f77b4", "#17a2b8", "#e8a33d", "#6b7280", "#2ca02c", "#d1495b"];
    const BAR: usize = 14;
    const GAP: usize = 26;
    const HEIGHT: f64 = 240.0;
    const LEFT: usize = 50;
    let most = CONTENDERS.iter().flat_map(|name| Kind::ALL.map(|kind| table.ratio(name, kind))).fold(1.2, f64::max);
    let y = |ratio: f64| 20.0 + HEIGHT * (1.0 - ratio / most);
    let group = BAR * CONTENDERS.len() + GAP;
    let width = LEFT + group * Kind::ALL.len() + 10;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} 380\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"380\" fill=\"white\"/>\n"
    );
    for step in 0..=(most / 0.25) as usize {
        let ratio = step as f64 * 0.25;
        let stroke = if step == 4 { "#333" } else { "#ddd" };
        _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{width}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"{stroke}\"/>",
            y(ratio)
        );
        _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{ratio:.2}</text>", LEFT - 6, y(ratio) + 4.0);
    }
    for (at, kind) in Kind::ALL.into_iter().enumerate() {
        let start = LEFT + group * at + GAP / 2;
        for (bar, name) in CONTENDERS.iter().enumerate() {
            let (x, ratio) = (start + BAR * bar, table.ratio(name, kind));
            let color = COLORS[bar % COLORS.len()];
            _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{:.1}\" width=\"{}\" height=\"{:.1}\" fill=\"{color}\"><title>{name}: {ratio:.2}</title></rect>",
                y(ratio),
                BAR - 2,
                y(0.0) - y(ratio),
            );
        }
        let middle = start + BAR * CONTENDERS.len() / 2;
        _ = writeln!(svg, "<text x=\"{middle}\" y=\"280\" text-anchor=\"middle\">{}</text>", kind.name());
    }
    for (at, name) in CONTENDERS.iter().enumerate() {
        let (x, y) = (LEFT + at % 4 * 160, 305 + at / 4 * 24);
        _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{}\"/>",
            y - 10,
            COLORS[at % COLORS.len()]
        );
        _ = writeln!(svg, "<text x=\"{}\" y=\"{y}\">{name}</text>", x + 17);
    }
    svg + "</svg>\n"
}
