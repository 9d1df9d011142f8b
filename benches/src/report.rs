//! Medians.

use crate::job::Cost;

/// The middle of these values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The medians of one stack in one case.
pub fn medians(rounds: &[Cost]) -> Cost {
    let of = |side: fn(&Cost) -> f64| median(rounds.iter().map(side).collect());
    Cost {
        client: of(|cost| cost.client),
        server: of(|cost| cost.server),
        wall: of(|cost| cost.wall),
    }
}

/// What each round of one stack cost, as a part of what it cost another: the two are measured
/// right after each other, and what the machine does besides lasts longer than that.
pub fn ratios(rounds: &[Cost], base: &[Cost]) -> Cost {
    let ratios: Vec<_> = rounds
        .iter()
        .zip(base)
        .map(|(cost, base)| Cost {
            client: cost.client / base.client,
            server: cost.server / base.server,
            wall: cost.wall / base.wall,
        })
        .collect();
    medians(&ratios)
}
