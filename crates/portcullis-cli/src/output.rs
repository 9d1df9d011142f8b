//! Standard output and standard error, which may be pipes that nobody reads any more, or files on a full disk.
//!
//! Those of the standard library end in a panic then. Here `print!` and `println!` note what was wrong, which is what the
//! command ends with if it ends well otherwise, and what cannot be said on standard error is not said.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::OnceLock;

use crate::failure::Failure;
use crate::wording::with_options;

static FAILED: OnceLock<io::Error> = OnceLock::new();

macro_rules! print {
    ($($text:tt)*) => { $crate::output::print(format_args!($($text)*)) };
}

macro_rules! println {
    () => { $crate::output::print(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprint {
    ($($text:tt)*) => { $crate::output::complain(format_args!($($text)*)) };
}

macro_rules! eprintln {
    () => { $crate::output::complain(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::complain(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) fn print(text: fmt::Arguments<'_>) {
    if FAILED.get().is_some() {
        return;
    }
    let mut stdout = io::stdout().lock();
    let written = stdout.write_fmt(text).and_then(|()| stdout.flush());
    if let Err(error) = written {
        let _ = FAILED.set(error);
    }
}

pub(crate) fn complain(text: fmt::Arguments<'_>) {
    let text = text.to_string();
    let _ = io::stderr()
        .lock()
        .write_all(with_options(&text).as_bytes());
}

/// Whether all that was printed has been written.
pub(crate) fn finish() -> Result<(), Failure> {
    match FAILED.get() {
        None => Ok(()),
        Some(error) => Err(Failure::transport("standard output", error)),
    }
}
