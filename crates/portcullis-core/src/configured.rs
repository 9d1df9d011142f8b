//! What was configured for a connection, in words.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An option of the configuration that a connection was made with: see
/// [`ConnectionInformation::options`](crate::ConnectionInformation::options).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfiguredOption {
    /// The name of the builder's method.
    pub name: &'static str,
    /// The name of the option in Erlang's `ssl`, if it has one.
    pub erlang_name: Option<&'static str>,
    /// What counts.
    pub value: OptionValue,
}

impl ConfiguredOption {
    /// For options besides those of a configuration.
    pub fn new(name: &'static str, erlang_name: Option<&'static str>, value: OptionValue) -> Self {
        Self {
            name,
            erlang_name,
            value,
        }
    }
}

/// The value of an option. Of secrets and callbacks it says whether there are some.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionValue {
    /// On or off, or whether it was given.
    Flag(bool),
    /// A number, of bytes or things.
    Number(u64),
    /// A time.
    Time(Duration),
    /// A name.
    Name(String),
    /// Names, in order.
    Names(Vec<String>),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(on) => on.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Time(time) => write!(f, "{time:?}"),
            Self::Name(name) => f.write_str(name),
            Self::Names(names) => f.write_str(&names.join(", ")),
        }
    }
}

impl From<bool> for OptionValue {
    fn from(on: bool) -> Self {
        Self::Flag(on)
    }
}

impl From<u64> for OptionValue {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Duration> for OptionValue {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

impl From<String> for OptionValue {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl OptionValue {
    /// Names of what prints as one.
    pub(crate) fn names(all: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        Self::Names(all.into_iter().map(|one| one.to_string()).collect())
    }
}

/// Options as they are written down.
#[derive(Default)]
pub(crate) struct Options(Vec<ConfiguredOption>);

impl Options {
    pub(crate) fn add(&mut self, name: &'static str, value: impl Into<OptionValue>) {
        self.put(name, None, value.into());
    }

    /// One that Erlang has by another name, or the same.
    pub(crate) fn also(
        &mut self,
        name: &'static str,
        erlang_name: &'static str,
        value: impl Into<OptionValue>,
    ) {
        self.put(name, Some(erlang_name), value.into());
    }

    fn put(&mut self, name: &'static str, erlang_name: Option<&'static str>, value: OptionValue) {
        self.0.push(ConfiguredOption {
            name,
            erlang_name,
            value,
        });
    }

    pub(crate) fn into_vec(self) -> Vec<ConfiguredOption> {
        self.0
    }
}

/// The configuration that a connection was made with, of either role.
///
/// Its type is hidden on purpose: only [`ConnectionInformation::options`](crate::ConnectionInformation::options) names the two
/// that it can be, so a program that never calls that is linked without the code that writes options down.
pub(crate) type InForce = Arc<dyn Any + Send + Sync>;
