//! Which options are in force on a connection.

use portcullis_core::{ConfiguredOption, OptionValue};

use crate::stream::TlsStream;

impl<IO> TlsStream<IO> {
    /// The options that are in force: those of the [configuration](crate::ConnectionInformation::options), if it is kept, that the
    /// connection was made with, and those of the stream as they are now (`getopts`, `connection_information`). They are
    /// written down anew each time, and hold no secret.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, _server) = connected().await;
    /// for option in client.options() {
    ///     println!("{}: {}", option.name, option.value);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn options(&self) -> Vec<ConfiguredOption> {
        let parts = self.parts();
        let mut options = parts.information.options();
        let limits = parts.write.limits();
        options.extend(
            limits
                .write_timeout()
                .map(|limit| ConfiguredOption::new("write_timeout", None, limit.into())),
        );
        if let Some(limit) = limits.send_timeout() {
            let both = [
                ConfiguredOption::new("send_timeout", Some("send_timeout"), limit.into()),
                ConfiguredOption::new(
                    "send_timeout_close",
                    Some("send_timeout_close"),
                    limits.closes.into(),
                ),
            ];
            options.extend(both);
        }
        if let Some(after) = parts.hibernation.after() {
            let name = "hibernate_after";
            options.push(ConfiguredOption::new(name, Some(name), after.into()));
        }
        let reads = u64::from(parts.read.reads_per_turn().get());
        let known = Some("internal_active_n");
        let reads = OptionValue::Number(reads);
        options.push(ConfiguredOption::new("reads_per_turn", known, reads));
        if let Some((eof, alert_timeout, log)) = parts.read.told_manners() {
            let eof = OptionValue::Name(format!("{eof:?}"));
            options.push(ConfiguredOption::new("eof_policy", None, eof));
            let name = "alert_timeout";
            options.push(ConfiguredOption::new(
                name,
                Some(name),
                alert_timeout.into(),
            ));
            if let Some(level) = log {
                let level = OptionValue::Name(format!("{level:?}"));
                options.push(ConfiguredOption::new("log_level", Some("log_level"), level));
            }
        }
        options
    }
}
