//! Terms in Erlang's external format, looked at before they are decoded.
//!
//! The decoder below `erl_dist` (`eetf` 0.11) believes what it reads: six bytes, `83 6c ffffffff`, have it ask for
//! 240 GB, other tags have it panic, it recurses as deep as terms are nested, and unpacks compressed ones without a
//! bound. Any of this ends the process. [`check`] walks over a message once, without recursion and without memory
//! that a length in it decides, and lets through only what is safe to decode.
//!
//! The encoder changes some lists: [`to_send`] sees to it that they arrive as they are.

use std::fmt;
use std::mem;

use erl_dist::term::{FixInteger, ImproperList, InternalFun, List, Term};

/// Terms in terms.
const MAX_DEPTH: usize = 256;
/// Terms of a message: the shortest has one byte, and decoded see [`TERM`].
const MAX_TERMS: u32 = 1 << 20;
/// Bytes that a decoded term takes at the most, besides those that it came in: a third of a map of one pair.
const TERM: usize = 3 * size_of::<Term>();
/// Terms, or 32 bytes each, that are hashed and compared as keys of maps: more take seconds.
const MAX_WORK: u64 = 1 << 22;
/// Bytes of an integer: more take seconds to print.
const MAX_INTEGER: usize = 64 << 10;
/// In front of each term.
const VERSION: u8 = 131;
/// A number of pairs, and those.
const MAP: u8 = 116;

/// Why a message is not decoded. Nothing of what is in it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsafe {
    /// It ends within a term, or a length says more than is there.
    Short,
    /// No term begins with 131 here.
    Version(u8),
    /// A tag that our flags do not allow, or that the decoder does not survive.
    Tag(u8),
    /// Nested more than 256 deep.
    TooDeep,
    /// More than 1,048,576 terms.
    TooMany,
    /// Keys of maps that are costly to look up: maps themselves, in each other or many.
    TooCostly,
    /// An integer of more than 64 KiB.
    TooLargeInteger,
    /// A bit string whose last byte has none of its bits, or more than eight.
    Bits(u8),
    /// More behind the control message and its payload.
    Trailing,
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("a term ends early, or is shorter than its length says"),
            Self::Version(found) => write!(f, "a term begins with {found} instead of 131"),
            Self::Tag(tag) => write!(f, "the tag {tag} of a term is none that was asked for"),
            Self::TooDeep => write!(f, "terms are nested more than {MAX_DEPTH} deep"),
            Self::TooMany => write!(f, "there are more than {MAX_TERMS} terms in a message"),
            Self::TooCostly => f.write_str("the keys of maps take too long to be looked up"),
            Self::TooLargeInteger => write!(f, "an integer has more than {MAX_INTEGER} bytes"),
            Self::Bits(bits) => write!(f, "the last byte of a bit string has {bits} bits"),
            Self::Trailing => f.write_str("more than two terms in a message"),
        }
    }
}

impl std::error::Error for Unsafe {}

/// Whether a message, which is a control term and perhaps a payload, is safe to decode; and how many bytes of
/// memory it takes then, with those that it came in.
///
/// # Errors
/// Why it is not.
pub(crate) fn check(message: &[u8]) -> Result<usize, Unsafe> {
    let mut walk = Walk {
        rest: message,
        terms: 0,
        work: 0,
    };
    walk.whole_term()?;
    if !walk.rest.is_empty() {
        walk.whole_term()?;
    }
    match walk.rest {
        [] => Ok(message.len() + TERM * walk.terms as usize),
        _ => Err(Unsafe::Trailing),
    }
}

struct Walk<'a> {
    rest: &'a [u8],
    terms: u32,
    /// What the decoder does about keys of maps.
    work: u64,
}

/// A term that is not at its end.
struct Open {
    /// Terms that are missing in it.
    missing: u64,
    /// If it is a map. Keys and values take turns, and with an even number missing a key comes.
    pairs: Option<u64>,
    /// To hash it, or to compare it with its like: what of it is at its end.
    cost: u64,
    /// Whether a map is in it, or it is one. The hash of a map is that of its keys and values without its size, and
    /// so there are many with the same.
    has_map: bool,
}

impl Walk<'_> {
    fn whole_term(&mut self) -> Result<(), Unsafe> {
        match self.byte()? {
            VERSION => {}
            other => return Err(Unsafe::Version(other)),
        }
        let mut open = vec![Open {
            missing: 1,
            pairs: None,
            cost: 0,
            has_map: false,
        }];
        while let Some(last) = open.last_mut() {
            if last.missing > 0 {
                last.missing -= 1;
                let before = self.rest;
                let missing = self.term()?;
                if missing > 0 && open.len() == MAX_DEPTH {
                    return Err(Unsafe::TooDeep);
                }
                let bytes = before.len() - self.rest.len();
                let is_map = before.first() == Some(&MAP);
                open.push(Open {
                    missing,
                    pairs: is_map.then_some(missing / 2),
                    cost: 1 + bytes as u64 / 32,
                    has_map: is_map,
                });
                continue;
            }
            let Some(ended) = open.pop() else { break };
            let Some(around) = open.last_mut() else { break };
            let mut cost = ended.cost;
            if let Some(pairs) = around.pairs
                && around.missing % 2 == 1
            {
                // Hashed once, and in the worst case compared with each other one.
                cost = cost.saturating_mul(if ended.has_map { pairs } else { 1 });
                self.work = self.work.saturating_add(cost);
                if self.work > MAX_WORK {
                    return Err(Unsafe::TooCostly);
                }
            }
            around.cost = around.cost.saturating_add(cost);
            around.has_map |= ended.has_map;
        }
        Ok(())
    }

    /// Steps over a term, up to those in it, and gives their number.
    fn term(&mut self) -> Result<u64, Unsafe> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(Unsafe::TooMany);
        }
        let within = match self.byte()? {
            // SMALL_INTEGER, INTEGER, NEW_FLOAT.
            97 => self.skip(1)?,
            98 => self.skip(4)?,
            70 => self.skip(8)?,
            // SMALL_BIG and LARGE_BIG: a sign in front of what is counted.
            110 => {
                let bytes = usize::from(self.byte()?);
                self.skip(1 + bytes)?
            }
            111 => {
                let bytes = self.four()?;
                if bytes > MAX_INTEGER {
                    return Err(Unsafe::TooLargeInteger);
                }
                self.skip(1 + bytes)?
            }
            // SMALL_ATOM_UTF8 and SMALL_ATOM, ATOM_UTF8 and ATOM.
            119 | 115 => {
                let bytes = usize::from(self.byte()?);
                self.skip(bytes)?
            }
            118 | 100 => {
                let bytes = self.two()?;
                self.skip(bytes)?
            }
            // STRING, BINARY.
            107 => {
                let bytes = self.two()?;
                self.skip(bytes)?
            }
            109 => {
                let bytes = self.four()?;
                self.skip(bytes)?
            }
            // BIT_BINARY.
            77 => {
                let bytes = self.four()?;
                let bits = self.byte()?;
                // The decoder shifts by the rest of eight.
                if !(1..=8).contains(&bits) {
                    return Err(Unsafe::Bits(bits));
                }
                self.skip(bytes)?
            }
            // NIL, LIST, whose end is a term, SMALL_TUPLE, LARGE_TUPLE, MAP.
            106 => 0,
            108 => self.four()? as u64 + 1,
            104 => u64::from(self.byte()?),
            105 => self.four()? as u64,
            MAP => self.four()? as u64 * 2,
            // NEW_PID, NEW_PORT and V4_PORT begin with the atom of their node.
            88 => self.node_and(12)?,
            89 => self.node_and(8)?,
            120 => self.node_and(12)?,
            // NEWER_REFERENCE.
            90 => {
                let words = self.two()?;
                self.node_and(4 + words * 4)?
            }
            // EXPORT: module, function, arity.
            113 => 3,
            // NEW_FUN: module, two integers, the process that made it, and what it has closed over.
            112 => {
                self.skip(4 + 1 + 16 + 4)?;
                self.four()? as u64 + 4
            }
            tag => return Err(Unsafe::Tag(tag)),
        };
        // The shortest has one byte; so what the decoder allocates for them is bounded, too.
        if within > self.rest.len() as u64 {
            return Err(Unsafe::Short);
        }
        Ok(within)
    }

    /// An atom, and bytes behind it.
    fn node_and(&mut self, bytes: usize) -> Result<u64, Unsafe> {
        let tag = *self.rest.first().ok_or(Unsafe::Short)?;
        if !matches!(tag, 100 | 115 | 118 | 119) {
            return Err(Unsafe::Tag(tag));
        }
        self.term()?;
        self.skip(bytes)
    }

    fn byte(&mut self) -> Result<u8, Unsafe> {
        let (first, rest) = self.rest.split_first().ok_or(Unsafe::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    fn two(&mut self) -> Result<usize, Unsafe> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Unsafe::Short)?;
        self.rest = rest;
        Ok(usize::from(u16::from_be_bytes(*bytes)))
    }

    fn four(&mut self) -> Result<usize, Unsafe> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Unsafe::Short)?;
        self.rest = rest;
        usize::try_from(u32::from_be_bytes(*bytes)).map_err(|_| Unsafe::Short)
    }

    /// Steps over bytes; there are no terms in them.
    fn skip(&mut self, bytes: usize) -> Result<u64, Unsafe> {
        self.rest = self.rest.get(bytes..).ok_or(Unsafe::Short)?;
        Ok(0)
    }
}

/// A term as the encoder needs it: that one takes a negative integer for a byte, if all of a list are below 256, and
/// cuts what it has decoded as a string, and was made longer, at 64 KiB.
///
/// # Errors
/// When it is nested too deep to be encoded.
pub(crate) fn to_send(mut term: Term) -> Result<Term, Unsafe> {
    change(&mut term, 0)?;
    Ok(term)
}

fn change(term: &mut Term, depth: usize) -> Result<(), Unsafe> {
    if depth == MAX_DEPTH {
        return Err(Unsafe::TooDeep);
    }
    let within = |terms: &mut Vec<Term>| terms.iter_mut().try_for_each(|t| change(t, depth + 1));
    match term {
        Term::List(list) => {
            within(&mut list.elements)?;
            let is_negative =
                |term: &Term| matches!(term, Term::FixInteger(FixInteger { value: ..0 }));
            if list.elements.iter().any(is_negative) {
                // The same on the wire, and never a string.
                let elements = mem::take(&mut list.elements);
                *term = ImproperList::from((elements, List::nil().into())).into();
            }
        }
        Term::ByteList(list) if list.bytes.len() > usize::from(u16::MAX) => {
            let integers = list.bytes.iter().map(|byte| FixInteger::from(*byte).into());
            *term = List::from(integers.collect::<Vec<_>>()).into();
        }
        Term::ImproperList(list) => {
            within(&mut list.elements)?;
            change(&mut list.last, depth + 1)?;
        }
        Term::Tuple(tuple) => within(&mut tuple.elements)?,
        Term::Map(map) => {
            let pairs = mem::take(&mut map.map).into_iter();
            let pairs = pairs.map(|(mut key, mut value)| {
                change(&mut key, depth + 1)?;
                change(&mut value, depth + 1)?;
                Ok((key, value))
            });
            map.map = pairs.collect::<Result<_, _>>()?;
        }
        Term::InternalFun(fun) => match fun.as_mut() {
            InternalFun::Old { free_vars, .. } | InternalFun::New { free_vars, .. } => {
                within(free_vars)?;
            }
        },
        _ => {}
    }
    Ok(())
}
