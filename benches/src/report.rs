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

/// What each round would cost if a stack did nothing but the primitives and the transport. Ends that
/// `overlap` take as long as the slower of them.
pub fn limits(primitives: &[Cost], transport: &[Cost], overlap: bool) -> Vec<Cost> {
    let limit = |(primitives, transport): (&Cost, &Cost)| {
        let client = primitives.client + transport.client;
        let server = primitives.server + transport.server;
        Cost {
            client,
            server,
            wall: match overlap {
                true => transport.wall.max(client).max(server),
                false => primitives.wall + transport.wall,
            },
        }
    };
    primitives.iter().zip(transport).map(limit).collect()
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
