//! Small bar charts, drawn by the page itself.

use crate::translations::Text;

const WIDTH: usize = 480;
const HEIGHT: u64 = 112;
const BASE: u64 = 120;

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The title.
    pub title: Text,
    /// The label and the value of each bar, in order.
    pub values: Vec<(String, u64)>,
}

/// One bar, in the units of the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The left edge.
    pub x: usize,
    /// The upper edge.
    pub y: u64,
    /// The width.
    pub width: usize,
    /// The height.
    pub height: u64,
    /// The label.
    pub label: String,
    /// The value.
    pub value: u64,
}

impl Chart {
    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().all(|(_, value)| *value == 0)
    }

    /// The bars; the highest one fills the picture, and every bar with a value above zero is high enough to be seen.
    pub(super) fn bars(&self) -> Vec<Bar> {
        let (most, step) = (self.most().max(1), WIDTH / self.values.len().max(1));
        let bar = |(number, (label, value)): (usize, &(String, u64))| {
            let height = value.saturating_mul(HEIGHT).div_ceil(most).max(u64::from(*value > 0) * 2);
            let (x, width) = (number * step, step.saturating_sub(3).max(1));
            Bar { x, y: BASE - height, width, height, label: label.clone(), value: *value }
        };
        self.values.iter().enumerate().map(bar).collect()
    }

    pub(super) fn most(&self) -> u64 {
        self.values.iter().map(|(_, value)| *value).max().unwrap_or_default()
    }

    pub(super) fn first(&self) -> &str {
        self.values.first().map_or("", |(label, _)| label)
    }

    pub(super) fn last(&self) -> &str {
        self.values.last().map_or("", |(label, _)| label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_picture_and_the_lowest_can_be_seen() {
        let values = [("a", 0), ("b", 1), ("c", 10_000)].map(|(label, value)| (label.to_owned(), value)).to_vec();
        let chart = Chart { title: Text::new("chart-started"), values };
        let bars = chart.bars();
        assert_eq!(bars.iter().map(|bar| bar.height).collect::<Vec<_>>(), [0, 2, HEIGHT]);
        assert!(bars.iter().all(|bar| bar.y + bar.height == BASE && bar.x + bar.width <= WIDTH));
        assert_eq!((chart.first(), chart.last(), chart.most()), ("a", "c", 10_000));
        let none = Chart { title: Text::new("chart-started"), values: vec![] };
        assert!(none.is_empty() && none.bars().is_empty());
    }
}
