//! The keys of one number: every combination of the values of its labels, made when the first is counted.

use std::sync::OnceLock;

use metrics::{Key, Label};

use super::Metric;

/// The keys of a number that has `N` labels.
pub(super) struct Table<const N: usize> {
    metric: &'static Metric,
    /// As digits count: the last label changes first.
    rows: OnceLock<Vec<[Label; N]>>,
}

impl<const N: usize> Table<N> {
    pub(super) const fn new(metric: &'static Metric) -> Self {
        assert!(metric.labels.len() == N);
        Self {
            metric,
            rows: OnceLock::new(),
        }
    }

    /// The key with these values; what is not among the values of its label counts as the last of them.
    pub(super) fn key(&'static self, values: [&str; N]) -> Key {
        let rows = self.rows.get_or_init(|| rows(self.metric));
        let place = self
            .metric
            .labels
            .iter()
            .zip(values)
            .fold(0, |place, ((_, all), value)| {
                let digit = all.iter().position(|known| *known == value);
                place * all.len() + digit.unwrap_or(all.len() - 1)
            });
        Key::from_static_labels(self.metric.name, &rows[place])
    }
}

fn rows<const N: usize>(metric: &Metric) -> Vec<[Label; N]> {
    let count = metric
        .labels
        .iter()
        .map(|(_, values)| values.len())
        .product();
    (0..count)
        .map(|place| {
            let mut rest = place;
            let mut row = [const { Label::from_static_parts("", "") }; N];
            for (label, (name, values)) in row.iter_mut().zip(metric.labels).rev() {
                *label = Label::from_static_parts(name, values[rest % values.len()]);
                rest /= values.len();
            }
            row
        })
        .collect()
}
