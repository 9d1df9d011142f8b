//! What stands in the extensions that are looked at here, a file for each.
//!
//! RFC 5280 §4.2. All of it is borrowed from the certificate. An extension that is not there is
//! told apart from one that cannot be read: the second never counts as the first.

pub(super) mod alt_name;
mod basic_constraints;
mod extended_key_usage;
mod key_identifiers;
mod key_usage;
mod known;
pub(super) mod name_constraints;
pub(super) mod policies;
mod tls_feature;

#[cfg(test)]
mod tests;

pub(super) use alt_name::GeneralNames;
pub(super) use basic_constraints::BasicConstraints;
pub(super) use extended_key_usage::ExtendedKeyUsage;
pub(super) use key_identifiers::{authority_key_identifier, subject_key_identifier};
pub(super) use key_usage::KeyUsage;
pub(super) use known::{Known, Unreadable};
pub(super) use tls_feature::demands_staple;
