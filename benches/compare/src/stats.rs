//! Statistics over many figures.

/// The median and the extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Spread {
    /// `None` if there are no figures.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median =
            if figures.len() % 2 == 1 { figures[middle] } else { f64::midpoint(figures[middle - 1], figures[middle]) };
        Some(Self { least, median, most })
    }

    /// The ratios of each round, because a disturbance of the machine affects a whole round.
    pub fn of_ratios(own: &[f64], floor: &[f64]) -> Option<Self> {
        Self::of(own.iter().zip(floor).map(|(own, floor)| own / floor))
    }
}

/// The smallest figure that at least this share of all figures does not exceed. The figures must be sorted.
pub fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = |figures: &[f64]| Spread::of(figures.iter().copied());
        assert_eq!(spread(&[3.0, 1.0, 9.0]), Some(Spread { least: 1.0, median: 3.0, most: 9.0 }));
        assert_eq!(spread(&[4.0, 1.0, 9.0, 2.0]).unwrap().median, 3.0);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn ratios_are_those_of_a_round() {
        // In the second round the machine was busy. The ratio of the medians would be 1.
        let ratio = Spread::of_ratios(&[50.0, 10.0, 60.0], &[100.0, 20.0, 50.0]).unwrap();
        assert_eq!(ratio, Spread { least: 0.5, median: 0.5, most: 1.2 });
    }

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let figures: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert_eq!(percentile(&figures, 0.5), Some(500.0));
        assert_eq!(percentile(&figures, 0.999), Some(999.0));
        assert_eq!(percentile(&figures, 1.0), Some(1000.0));
        assert_eq!(percentile(&[7.0], 0.001), Some(7.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
