//! Looks for kinds of difference with random short plans, faster than libFuzzer finds them:
//! `cargo run --release --manifest-path fuzz/Cargo.toml --example differences -- SECONDS SEED`.
//!
//! Each kind comes with the shortest plan that showed it; one that nobody has explained with how many
//! of four more runs of it did.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use portcullis_fuzz::difference::{self, Difference};
use portcullis_fuzz::plan::{Flags, Operation, Plan, What};
use portcullis_fuzz::settings::{OLDER, Settings};

fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |what| -> u64 {
        let arg = args.next().unwrap_or_else(|| panic!("{what} is missing"));
        arg.parse().expect("a number")
    };
    let end = Instant::now() + Duration::from_secs(number("SECONDS"));
    let mut random = Random(number("SEED"));
    let mut kinds: BTreeMap<Difference, (u64, Plan)> = BTreeMap::new();
    let mut plans = 0_u64;
    while Instant::now() < end {
        let plan = random.plan();
        plans += 1;
        let Some(found) = difference::find(&plan) else {
            continue;
        };
        let (count, shortest) = kinds.entry(found).or_insert_with(|| (0, plan.clone()));
        *count += 1;
        if plan.operations.len() < shortest.operations.len() {
            *shortest = plan;
        }
    }
    println!("{plans} plans");
    for (kind, (count, plan)) in kinds {
        let hex = String::from_iter(plan.encode().iter().map(|byte| format!("{byte:02x}")));
        if kind.explanation().is_some() {
            println!("{count:8}  {kind:?}: {hex}");
            continue;
        }
        let again = (0..4).filter(|_| difference::find(&plan).as_ref() == Some(&kind));
        let again = again.count();
        println!("{count:8}  NEW {kind:?}, again {again} of 4: {hex}");
    }
}

/// PCG's generator: nothing here needs a better one.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % bound
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    /// One to three operations on what one side says, mostly near the front of a unit.
    fn plan(&mut self) -> Plan {
        let writer = self.below(2) as usize;
        let mut raw = [0; 8];
        raw.fill_with(|| self.byte());
        if self.below(2) == 0 {
            raw = [0, 0, raw[2], raw[3] & 7, 0, 0, 0, 0];
        }
        // Each version is half of it.
        raw[7] = if self.below(2) == 0 { OLDER } else { 0 };
        Plan {
            settings: Settings::of_both(raw),
            flags: Flags {
                repair: self.below(4) != 0,
                key_updates: self.below(4) == 0,
                piecewise: self.below(8) == 0,
                early_data: false,
                authentication: false,
            },
            answers: 0,
            operations: (0..=self.below(6) / 2)
                .map(|_| self.operation(writer))
                .collect(),
        }
    }

    fn operation(&mut self, writer: usize) -> Operation {
        Operation {
            what: What::ALL[self.below(What::ALL.len() as u32) as usize],
            writer,
            unit: self.below(9) as usize,
            position: match self.below(3) {
                0 => self.below(1 << 16) as u16,
                _ => self.below(128) as u16,
            },
            value: match self.below(4) {
                0 => 1 << self.below(8),
                1 => self.below(64) as u8,
                _ => self.byte(),
            },
        }
    }
}
