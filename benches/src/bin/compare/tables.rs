//! The tables of a comparison.

use portcullis_benches::job::Cost;

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

/// One case, with the medians of each stack.
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) costs: Vec<Option<Cost>>,
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

/// Costs and ratios.
pub(crate) fn tables(stacks: &[&str], rows: &[Row]) -> String {
    let base = stacks.iter().position(|stack| *stack == BASE);
    let all: Vec<_> = (0..stacks.len()).collect();
    let compared: Vec<_> = all
        .iter()
        .copied()
        .filter(|at| Some(*at) != base && !FLOORS.contains(&stacks[*at]))
        .collect();
    let costs = table(stacks, rows, &all, |row, at| row.costs[at]);
    let ratios = table(stacks, rows, &compared, |row, at| {
        let (cost, base) = (row.costs[at]?, row.costs[base?]?);
        Some(Cost {
            client: cost.client / base.client,
            server: cost.server / base.server,
            wall: cost.wall / base.wall,
        })
    });
    format!(
        "Costs, client / server / clock in µs: of a handshake, of a MiB, of a round trip, of \
         1,000 writes.\n\n{costs}\nRatios to {BASE}, client / server / clock; below 1 is \
         cheaper.\n\n{ratios}"
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
fn number(value: f64) -> String {
    let decimals = match value {
        _ if value >= 99.95 => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}
