//! Bars as SVG, readable on light and dark pages.

use std::fmt::Write as _;

/// Panels one below the other, each with groups of bars, and one legend.
pub struct Plot {
    pub title: String,
    /// The labels of the bars in every group.
    pub labels: Vec<&'static str>,
    /// The decimals of the figures above the bars: that of the bar, and that of its tick if it has one.
    pub decimals: usize,
    /// A horizontal line to compare with.
    pub line: Option<f64>,
    pub panels: Vec<Panel>,
}

pub struct Panel {
    pub title: String,
    /// The name of each group, and a bar for each label, if there is one.
    pub groups: Vec<(String, Vec<Option<Bar>>)>,
}

#[derive(Clone, Copy, Debug)]
pub struct Bar {
    pub value: f64,
    /// A mark above the bar.
    pub tick: Option<f64>,
}

impl Bar {
    pub fn of(value: f64) -> Self {
        Self { value, tick: None }
    }
}

const BAR: f64 = 13.0;
const GAP: f64 = 22.0;
const LEFT: f64 = 46.0;
const TOP: f64 = 34.0;
const HEIGHT: f64 = 170.0;
/// The height of a panel with its title, its figures and the names of its groups.
const PANEL: f64 = HEIGHT + 90.0;
const LEGEND_COLUMNS: usize = 4;

/// For light and dark pages. For each framework the floor is grey and ours are blue or green; peers have warm colours.
const COLORS: [[&str; 2]; 10] = [
    ["#8b949e", "#8b949e"],
    ["#0550ae", "#58a6ff"],
    ["#54aeff", "#a5d6ff"],
    ["#bc4c00", "#f0883e"],
    ["#d4a72c", "#e3b341"],
    ["#a40e26", "#ff7b72"],
    ["#57606a", "#b1bac4"],
    ["#116329", "#3fb950"],
    ["#4ac26b", "#7ee787"],
    ["#8250df", "#d2a8ff"],
];

impl Plot {
    pub fn svg(&self) -> String {
        let groups = self.panels.iter().map(|panel| panel.groups.len()).max().unwrap_or_default();
        let width = LEFT + (BAR * self.labels.len() as f64 + GAP) * groups as f64 + 10.0;
        let legend = self.labels.len().div_ceil(LEGEND_COLUMNS) as f64 * 20.0 + 16.0;
        let height = TOP + PANEL * self.panels.len() as f64 + legend;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
             font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<title>{}</title>\n{}\
             <rect class=\"page\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"6\"/>\n\
             <text x=\"12\" y=\"22\" font-weight=\"600\">{0}</text>\n",
            escaped(&self.title),
            self.style(),
        );
        for (at, panel) in self.panels.iter().enumerate() {
            self.panel(&mut svg, panel, TOP + PANEL * at as f64, width);
        }
        let top = height - legend + 12.0;
        for (at, label) in self.labels.iter().enumerate() {
            let (column, row) = ((at % LEGEND_COLUMNS) as f64, (at / LEGEND_COLUMNS) as f64);
            let (x, y) = (12.0 + column * (width - 24.0) / LEGEND_COLUMNS as f64, top + row * 20.0);
            _ = writeln!(svg, "<rect class=\"c{at}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"11\" height=\"11\"/>", y - 10.0);
            _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", x + 16.0, escaped(label));
        }
        svg + "</svg>\n"
    }

    fn style(&self) -> String {
        let theme = |theme: usize, page: &str, text: &str, grid: &str| {
            let mut css =
                format!(".page{{fill:{page}}}text{{fill:{text}}}.grid{{stroke:{grid}}}.mark{{stroke:{text}}}");
            for at in 0..self.labels.len() {
                _ = write!(css, ".c{at}{{fill:{}}}", COLORS[at % COLORS.len()][theme]);
            }
            css
        };
        format!(
            "<style>{}\n@media (prefers-color-scheme:dark){{{}}}</style>\n",
            theme(0, "#ffffff", "#1f2328", "#d1d9e0"),
            theme(1, "#0d1117", "#e6edf3", "#3d444d"),
        )
    }

    fn panel(&self, svg: &mut String, panel: &Panel, top: f64, width: f64) {
        let bars = panel.groups.iter().flat_map(|(_, bars)| bars.iter().flatten());
        let most = bars.map(|bar| bar.tick.map_or(bar.value, |tick| tick.max(bar.value)));
        let most = most.chain(self.line).fold(f64::MIN_POSITIVE, f64::max);
        let step = step_of(most);
        let most = (most / step).ceil() * step;
        let bottom = top + 56.0 + HEIGHT;
        let y = |value: f64| bottom - HEIGHT * value / most;
        _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{:.1}\">{}</text>", top + 20.0, escaped(&panel.title));
        for line in 0..=(most / step).round() as usize {
            let value = line as f64 * step;
            let class = if self.line.is_some_and(|at| (at - value).abs() < step / 100.0) { "mark" } else { "grid" };
            _ = writeln!(
                svg,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/>\
                 <text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>",
                width - 8.0,
                y(value),
                LEFT - 5.0,
                y(value) + 4.0,
                short(value),
            );
        }
        let group = BAR * self.labels.len() as f64 + GAP;
        for (at, (name, bars)) in panel.groups.iter().enumerate() {
            let start = LEFT + group * at as f64 + GAP / 2.0;
            for (bar, shown) in bars.iter().enumerate() {
                let x = start + BAR * bar as f64;
                match shown {
                    Some(shown) => self.bar(svg, bar, *shown, x, &y),
                    None => {
                        _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">–</text>", x + 2.0, bottom - 3.0);
                    }
                }
            }
            let middle = start + (group - GAP) / 2.0;
            _ = writeln!(
                svg,
                "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                escaped(name)
            );
        }
    }

    fn bar(&self, svg: &mut String, at: usize, bar: Bar, x: f64, y: &impl Fn(f64) -> f64) {
        let figures = |value: f64| format!("{value:.*}", self.decimals);
        let figure = bar.tick.map_or_else(|| figures(bar.value), |tick| figures(bar.value) + " · " + &figures(tick));
        _ = writeln!(
            svg,
            "<rect class=\"c{at}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}: {figure}</title></rect>",
            y(bar.value),
            BAR - 2.0,
            y(0.0) - y(bar.value),
            escaped(self.labels[at]),
        );
        let mut above = y(bar.value);
        if let Some(tick) = bar.tick {
            above = y(tick);
            _ = writeln!(
                svg,
                "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{:.1}\" y1=\"{above:.1}\" y2=\"{above:.1}\" stroke-width=\"2\"/>",
                x + BAR - 2.0
            );
        }
        let (x, y) = (x + BAR / 2.0 + 2.0, above - 3.0);
        _ = writeln!(svg, "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" font-size=\"9\">{figure}</text>");
    }
}

/// The distance of the grid lines, so that there are four to ten of them.
fn step_of(most: f64) -> f64 {
    let power = 10_f64.powf(most.log10().floor());
    [0.1, 0.2, 0.25, 0.5, 1.0]
        .map(|part| part * power)
        .into_iter()
        .find(|step| most / step <= 8.0)
        .unwrap_or(2.0 * power)
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(groups: Vec<(String, Vec<Option<Bar>>)>) -> Plot {
        let panels = vec![Panel { title: "Redis".to_owned(), groups }];
        Plot { title: "a < b".to_owned(), labels: vec!["one", "two"], decimals: 2, line: Some(1.0), panels }
    }

    #[test]
    fn every_bar_is_drawn_to_scale_and_named() {
        let high = Bar { tick: Some(2.0), ..Bar::of(1.0) };
        let svg = plot(vec![("read".to_owned(), vec![Some(high), Some(Bar::of(0.5))])]).svg();
        assert!(svg.contains("<title>one: 1.00 · 2.00</title>") && svg.contains("<title>two: 0.50</title>"), "{svg}");
        assert!(svg.contains(">1.00 · 2.00</text>") && svg.contains(">0.50</text>"), "{svg}");
        let height = |at: &str| {
            let line = svg.lines().find(|line| line.starts_with(&format!("<rect class=\"{at}\"")));
            let (_, rest) = line.unwrap().split_once(" height=\"").unwrap();
            rest.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        assert_eq!((height("c0"), height("c1")), (HEIGHT / 2.0, HEIGHT / 4.0));
        assert!(svg.contains("a &lt; b") && !svg.contains("a < b"));
    }

    #[test]
    fn it_has_colors_for_light_and_dark_pages() {
        let svg = plot(vec![]).svg();
        let (light, dark) = svg.split_once("prefers-color-scheme:dark").unwrap();
        assert!(light.contains(".page{fill:#ffffff}") && dark.contains(".page{fill:#0d1117}"));
    }

    #[test]
    fn a_missing_bar_is_a_dash() {
        let svg = plot(vec![("read".to_owned(), vec![None, Some(Bar::of(0.5))])]).svg();
        assert_eq!(svg.matches(">–</text>").count(), 1);
    }

    #[test]
    fn lines_are_few_and_round() {
        for (most, step) in [(1.2, 0.2), (0.9, 0.2), (4.0, 0.5), (8.0, 1.0), (85.0, 20.0), (100.0, 20.0), (9.7, 2.0)] {
            assert!((step_of(most) - step).abs() < 1e-9, "{most}: {}", step_of(most));
        }
    }
}
