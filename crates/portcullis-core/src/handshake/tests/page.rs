//! `docs/states.md` shows the tables of the states, and nothing else.

use std::fs;

use super::super::table::{Kind, Row};
use super::super::{client, server};
use crate::Stage;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/states.md");

const INTRODUCTION: &str = "\
# States of a handshake

A handshake stands in one of these states, in the tables of `handshake/client` and `handshake/server` in the core. What a
state is not there for ends the handshake with `unexpected_message`. One that *waits* takes a message of the peer's; one that
*asks* has a question open, and takes its answer, which may come as late as the handshake's time allows; one that *switches*
takes a change_cipher_spec, before TLS 1.3. Questions are what [`Answers`](architecture.md#questions) has methods for; most
configurations answer them without anybody being asked, and then the state is passed over.

A row is a state, a column the state that may come next, by its letter; in the last one the handshake is over. Nothing stands
below the diagonal: no state goes back to one before it, so a handshake has an end. (A client waits for a second ServerHello where
the first is a HelloRetryRequest; a third is refused.)

This page is made from these tables: `UPDATE=1 cargo test -p portcullis-core --lib page_of_the_states`.
";

fn takes(row: &Row) -> String {
    let verb = match row.kind {
        Kind::Waits => "waits for",
        Kind::Pauses => "asks",
        Kind::Switches => "switches at",
    };
    format!("{verb} {}", row.takes.join(" or "))
}

fn named(stages: &[Stage]) -> String {
    let names: Vec<String> = stages.iter().map(|stage| format!("{stage:?}")).collect();
    names.join(", ")
}

/// The states of which the version is not known yet, and what may follow in any.
fn beginning(rows: &[&Row]) -> String {
    let mut text = String::from("| state | what for | goes to |\n|---|---|---|\n");
    for row in rows {
        let (stage, takes, next) = (row.stage, takes(row), named(row.goes_to));
        text += &format!("| {stage:?} | {takes} | {next} |\n");
    }
    text
}

/// Which state of a version goes to which.
fn picture(rows: &[&Row]) -> String {
    let letters = || ('a'..='z').take(rows.len());
    let names: Vec<String> = rows.iter().map(|row| format!("{:?}", row.stage)).collect();
    let width = names.iter().map(String::len).max().unwrap();
    let head: Vec<String> = letters().map(String::from).collect();
    let mut text = format!("```text\n  {:width$}  {} Connected\n", "", head.join(" "));
    for (at, (letter, row)) in letters().zip(rows).enumerate() {
        for next in row.goes_to {
            let to = rows.iter().position(|row| row.stage == *next);
            assert!(
                to.is_none_or(|to| to > at),
                "{:?}: back to {next:?}",
                row.stage
            );
            assert!(to.is_some() || *next == Stage::Connected, "{next:?}");
        }
        let marks: String = (0..rows.len())
            .map(|column| match rows[column].stage {
                _ if column == at => "\\ ",
                stage if row.goes_to.contains(&stage) => "■ ",
                _ if column < at => "  ",
                _ => "· ",
            })
            .collect();
        let end = if row.goes_to.contains(&Stage::Connected) {
            '■'
        } else {
            '·'
        };
        let name = &names[at];
        text += &format!(
            "{letter} {name:width$}  {marks}{end}         {}\n",
            takes(row)
        );
    }
    text + "```\n"
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (role, rows) in [
        ("client", client::State::rows()),
        ("server", server::State::rows()),
    ] {
        let of =
            |version| -> Vec<&Row> { rows.iter().filter(|row| row.version == version).collect() };
        let (undecided, tls13, before) = (of(""), of("Tls13"), of("Tls12"));
        assert_eq!(undecided.len() + tls13.len() + before.len(), rows.len());
        page += &format!(
            "\n## Of a {role}\nBefore the version is decided:\n\n{}\nTLS 1.3:\n\n{}\nBefore TLS 1.3:\n\n{}",
            beginning(&undecided),
            picture(&tls13),
            picture(&before)
        );
    }
    page
}

#[test]
#[cfg_attr(miri, ignore = "reads a file")]
fn the_page_of_the_states_is_made_from_the_tables() {
    let page = page();
    if std::env::var_os("UPDATE").is_some() {
        return fs::write(PAGE, page).unwrap();
    }
    let there = fs::read_to_string(PAGE).unwrap();
    let advice = "docs/states.md is another: UPDATE=1 cargo test -p portcullis-core --lib page_of_the_states";
    assert!(there == page, "{advice}");
}
