//! `portcullis ticket-key`: files of ticket keys that servers share, and their change.
//!
//! A file has the secret that seals, the one that will, and those that did, of 48 bytes each, as
//! `server --ticket-key` reads it. So whoever has the file of yesterday opens what is sealed today.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use portcullis::session::TicketKeys;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files;
use crate::text::hex;

const SECRET: usize = TicketKeys::SECRET_LEN;
/// The first bytes of a secret are its name, which tickets show.
const NAME: usize = 16;
/// The most secrets in a file.
const MOST: usize = 16;

#[derive(Debug, Subcommand)]
pub(crate) enum TicketKey {
    /// Make a file with the key that seals and the one that comes after it.
    New(New),
    /// Let the next key seal, make the one after it, and keep the last ones, which open.
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The file, which must not be there.
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// The file, which is replaced as a whole.
    file: PathBuf,
    /// How many keys are kept that seal no more: 0 to 14.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(0..=14))]
    keep: u8,
}

type Secrets = Zeroizing<Vec<u8>>;

impl TicketKey {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::New(New { file }) => {
                let mut secrets = room(2);
                secrets.extend_from_slice(&*fresh()?);
                secrets.extend_from_slice(&*fresh()?);
                let written = files::create(&file, &secrets, files::Readers::Owner);
                written.map_err(|error| match error.kind() {
                    ErrorKind::AlreadyExists => about(
                        &file,
                        &"is there already; `ticket-key rotate` changes its keys",
                    ),
                    _ => about(&file, &error),
                })?;
                println!("{}", seals(&secrets));
                Ok(())
            }
            Self::Rotate(Rotate { file, keep }) => {
                let (there, secrets) = read(&file)?;
                let secrets = rotated(&secrets, keep.into(), &*fresh()?);
                let written = there.replace(&secrets);
                written.map_err(|error| about(&file, &error))?;
                println!("{}", seals(&secrets));
                Ok(())
            }
        }
    }
}

/// What the file has next. A key seals only when it was in the file before, so that every server that has read
/// it opens what another seals: one that is alone gets a successor, and no more happens.
fn rotated(secrets: &[u8], keep: usize, fresh: &[u8]) -> Secrets {
    let mut all = secrets.chunks(SECRET);
    let mut out = room(MOST);
    match (all.next(), all.next()) {
        (Some(current), Some(next)) => {
            let kept = [next, fresh, current].into_iter().chain(all);
            kept.take(2 + keep)
                .for_each(|secret| out.extend_from_slice(secret));
        }
        (current, _) => {
            out.extend_from_slice(current.unwrap_or_default());
            out.extend_from_slice(fresh);
        }
    }
    out
}

/// What may be told of the keys: which they are.
fn seals(secrets: &[u8]) -> String {
    let mut names = secrets
        .chunks(SECRET)
        .map(|secret| hex(secret.get(..NAME).unwrap_or_default(), ""));
    let (seals, next) = (names.next(), names.next());
    format!(
        "seals: {}\nnext:  {}\nopens: {} more",
        seals.unwrap_or_default(),
        next.unwrap_or_default(),
        names.count()
    )
}

/// It does not grow: what had grown would have left its beginning in memory.
fn room(secrets: usize) -> Secrets {
    Zeroizing::new(Vec::with_capacity(secrets * SECRET))
}

fn fresh() -> Result<Zeroizing<[u8; SECRET]>, Failure> {
    let mut secret = Zeroizing::new([0; SECRET]);
    aws_lc_rs::rand::fill(&mut *secret)
        .map_err(|_| Failure::usage("this system has no randomness to make a key of"))?;
    Ok(secret)
}

fn read(path: &Path) -> Result<(files::There, Secrets), Failure> {
    let told = |error: std::io::Error| about(path, &error);
    let mut there = files::There::open(path).map_err(told)?;
    let secrets = there.secret(MOST * SECRET).map_err(told)?;
    if secrets.is_empty() || secrets.len() % SECRET != 0 {
        return Err(about(
            path,
            &"no file of ticket keys, which is 1 to 16 secrets of 48 bytes and nothing else",
        ));
    }
    Ok((there, secrets))
}

fn about(path: &Path, what: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[u8]) -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| [*number; SECRET])
            .collect()
    }

    #[test]
    fn a_key_is_known_before_it_seals() {
        let mut file = of(&[1]);
        for (fresh, keep, expected) in [
            (2, 1, &[1, 2][..]),
            (3, 1, &[2, 3, 1]),
            (4, 1, &[3, 4, 2]),
            (5, 3, &[4, 5, 3, 2]),
            (6, 3, &[5, 6, 4, 3, 2]),
            (7, 0, &[6, 7]),
        ] {
            let next = rotated(&file, keep, &of(&[fresh]));
            assert_eq!(*next, of(expected));
            // A server that still has the last file opens what is sealed now.
            assert!(file.chunks(SECRET).any(|known| known == &next[..SECRET]));
            file = next.to_vec();
        }
        assert!(rotated(&of(&[0; 16]), 14, &of(&[1])).len() <= MOST * SECRET);
        assert!(!seals(&file).contains(&hex(&[6; NAME + 1], "")));
    }
}
