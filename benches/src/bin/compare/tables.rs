//! The tables of a comparison.

use portcullis_benches::job::{Cost, Job};
use portcullis_benches::processor::Processor;
use portcullis_benches::report::{limits, medians, ratios};

/// To what the others are compared.
pub(crate) const BASE: &str = "tokio-rustls";

/// In this order, others between them and the floors.
const FIRST: [&str; 5] = [
    "portcullis",
    BASE,
    "tokio-boring",
    "s2n-tls-tokio",
    "tokio-openssl",
];

/// No stacks: what none of them can do without.
const FLOORS: [&str; 2] = [portcullis_benches::floor::NAME, "plain transport"];

/// One case, with the rounds of each stack.
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) job: Job,
    pub(crate) rounds: Vec<Option<Vec<Cost>>>,
}

/// By what stacks are sorted.
pub(crate) fn place(stack: &str) -> (usize, String) {
    let at = |list: &[&str]| list.iter().position(|one| *one == stack);
    let place = match (at(&FIRST), at(&FLOORS)) {
        (Some(place), _) => place,
        (None, None) => FIRST.len(),
        (None, Some(place)) => FIRST.len() + 1 + place,
    };
    (place, stack.to_owned())
}

/// Costs, and ratios to the base and to the limit, measured `here`.
pub(crate) fn tables(here: &Processor, stacks: &[&str], rows: &[Row]) -> String {
    let base = stacks.iter().position(|stack| *stack == BASE);
    let all: Vec<_> = (0..stacks.len()).collect();
    let compared: Vec<_> = all.iter().copied().filter(|at| Some(*at) != base).collect();
    let floors = FLOORS.map(|floor| stacks.iter().position(|stack| *stack == floor));
    let limit = |row: &Row| {
        let [primitives, transport] = floors.map(|at| row.rounds[at?].as_deref());
        Some(limits(primitives?, transport?, row.job.ends_overlap()))
    };
    let able: Vec<_> = all
        .iter()
        .copied()
        .filter(|at| !floors.contains(&Some(*at)))
        .collect();
    let costs = table(stacks, rows, &all, |row, at| {
        Some(medians(row.rounds[at].as_ref()?))
    });
    let to_base = table(stacks, rows, &compared, |row, at| {
        let (rounds, base) = (&row.rounds[at], &row.rounds[base?]);
        Some(ratios(rounds.as_ref()?, base.as_ref()?))
    });
    let to_limit = table(stacks, rows, &able, |row, at| {
        Some(ratios(row.rounds[at].as_ref()?, &limit(row)?))
    });
    format!(
        "Costs, client / server / clock in µs: of a handshake, of a MiB, of a round trip, of \
         1,000 writes; medians of all rounds. Processor: {here}.\n\n{costs}\nRatios to {BASE} in the same round, \
         client / server / clock; below 1 is cheaper; medians of all rounds. Processor: {here}.\n\n\
         {to_base}\n\
         Ratios to the limit, {} and {} together, in the same round; medians of all rounds. \
         Processor: {here}.\n\n{to_limit}",
        FLOORS[0], FLOORS[1],
    )
}

fn table(
    stacks: &[&str],
    rows: &[Row],
    columns: &[usize],
    value: impl Fn(&Row, usize) -> Option<Cost>,
) -> String {
    let heads = columns.iter().map(|at| format!(" {} |", stacks[*at]));
    let mut text = format!("| case |{}\n|---|", heads.collect::<String>());
    text.push_str(&"---|".repeat(columns.len()));
    text.push('\n');
    for row in rows {
        let cells = columns.iter().map(|at| match value(row, *at) {
            Some(cost) => format!(
                " {} / {} / {} |",
                number(cost.client),
                number(cost.server),
                number(cost.wall)
            ),
            None => " – |".to_owned(),
        });
        text.push_str(&format!("| {} |{}\n", row.case, cells.collect::<String>()));
    }
    text
}

/// Three digits or more.
pub(crate) fn number(value: f64) -> String {
    let decimals = match value {
        _ if value >= 99.95 => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}
