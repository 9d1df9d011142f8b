//! Which of the three configurations a flag is for.

use super::Options;
use crate::Stop;

/// The options of the first connection, of the later ones, and after early data was rejected.
#[derive(Debug, Default)]
pub(crate) struct AllOptions {
    pub(crate) initial: Options,
    pub(crate) resume: Options,
    pub(crate) retry: Options,
}

impl AllOptions {
    /// Reads the command line.
    ///
    /// # Errors
    /// [`Stop::Unimplemented`] at the first flag or value that is not implemented.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, Stop> {
        let mut all = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let flag = argument
                .strip_prefix('-')
                .ok_or_else(|| Stop::unimplemented(format!("argument {argument}")))?;
            let flag = flag.strip_prefix("on-shim-").unwrap_or(flag);
            let (ignored, flag) = match flag.strip_prefix("on-handshaker-") {
                Some(rest) => (true, rest),
                None => (false, flag),
            };
            let (targets, name): (Vec<&mut Options>, &str) =
                if let Some(rest) = flag.strip_prefix("on-initial-") {
                    (vec![&mut all.initial], rest)
                } else if let Some(rest) = flag.strip_prefix("on-resume-") {
                    (vec![&mut all.resume], rest)
                } else if let Some(rest) = flag.strip_prefix("on-retry-") {
                    (vec![&mut all.retry], rest)
                } else {
                    (
                        vec![&mut all.initial, &mut all.resume, &mut all.retry],
                        flag,
                    )
                };
            let value = if Options::is_switch(name) {
                String::new()
            } else if Options::takes_value(name) {
                arguments
                    .next()
                    .ok_or_else(|| Stop::failed(format!("-{name} needs a value")))?
            } else {
                return Err(Stop::unimplemented(format!("flag -{name}")));
            };
            if ignored {
                continue;
            }
            for options in targets {
                options.set(name, &value)?;
            }
        }
        Ok(all)
    }
}
