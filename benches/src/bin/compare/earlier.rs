//! What an earlier run has written, beside what this one has measured.

use std::collections::BTreeMap;
use std::io;

use portcullis_benches::job::Cost;
use portcullis_benches::processor::Processor;
use portcullis_benches::report::medians;
use serde::Deserialize;

use crate::tables::{Row, number};

/// The medians of a run, by case and stack.
pub(crate) struct Earlier(BTreeMap<(String, String), Cost>);

/// A line of a run: its head, or what a case cost a stack.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Head(Processor),
    Cost {
        case: String,
        stack: String,
        cost_us: Option<Measured>,
    },
}

/// A cost, or why there is none.
#[derive(Deserialize)]
enum Measured {
    Ok(Cost),
    #[serde(rename = "Err")]
    Unable(#[expect(dead_code, reason = "only that there is no cost counts")] String),
}

impl Earlier {
    /// Reads what a run has printed.
    ///
    /// # Errors
    /// When it does not begin with a processor, or with another than `here`.
    pub(crate) fn read(text: &str, here: &Processor) -> io::Result<Self> {
        let mut lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        match lines.next() {
            Some(Line::Head(processor)) => here.comparable(&processor)?,
            _ => {
                return Err(io::Error::other(
                    "not compared: those figures do not say of which processor they are",
                ));
            }
        }
        let cost = |line| match line {
            Line::Cost {
                case,
                stack,
                cost_us: Some(Measured::Ok(cost)),
            } => Some(((case, stack), cost)),
            _ => None,
        };
        Ok(Self(lines.filter_map(cost).collect()))
    }

    /// Costs of this run as parts of the earlier ones'.
    pub(crate) fn table(&self, stacks: &[&str], rows: &[Row]) -> String {
        let mut text = format!("| case | {} |\n|---|", stacks.join(" | "));
        text.push_str(&"---|".repeat(stacks.len()));
        for row in rows {
            text.push_str(&format!("\n| {} |", row.case));
            for (stack, rounds) in stacks.iter().zip(&row.rounds) {
                let then = self.0.get(&(row.case.clone(), (*stack).to_owned()));
                match then.zip(rounds.as_ref().map(|rounds| medians(rounds))) {
                    Some((then, now)) => text.push_str(&format!(
                        " {} / {} / {} |",
                        number(now.client / then.client),
                        number(now.server / then.server),
                        number(now.wall / then.wall),
                    )),
                    None => text.push_str(" – |"),
                }
            }
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use portcullis_benches::processor::Class;

    use super::*;

    const RUN: &str = concat!(
        r#"{"processor":"VAES without AVX-512","OPENSSL_ia32cap":null}"#,
        "\n",
        r#"{"case":"bulk","cost_us":{"Ok":{"client":1.0,"server":2.0,"wall":4.0}},"stack":"portcullis"}"#,
        "\n",
        r#"{"case":"bulk","cost_us":{"Err":"cannot"},"stack":"plain transport"}"#,
        "\n\nMedians of 7 rounds.\n",
    );

    #[test]
    fn a_run_of_another_class_is_refused() {
        let mut here = Processor {
            class: Class::Vaes,
            mask: None,
        };
        let earlier = Earlier::read(RUN, &here).unwrap();
        assert_eq!(earlier.0.len(), 1);
        here.class = Class::Avx512;
        assert!(Earlier::read(RUN, &here).is_err());
        here.class = Class::Vaes;
        here.mask = Some("~0x0:~0x5e42d0230000".to_owned());
        assert!(Earlier::read(RUN, &here).is_err());
    }

    /// Such as what was written before the head was.
    #[test]
    fn a_run_without_a_head_is_refused() {
        let here = Processor {
            class: Class::Vaes,
            mask: None,
        };
        let (_, headless) = RUN.split_once('\n').unwrap();
        assert!(Earlier::read(headless, &here).is_err());
        assert!(Earlier::read("", &here).is_err());
    }
}
