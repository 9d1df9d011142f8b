//! What the server makes of early data, and its end.
//!
//! RFC 8446 §4.2.10, §4.5.

use super::super::super::Cx;
use super::super::parameters::Parameters;
use super::Keyed;
use crate::Violation;
use crate::error::Abort;
use crate::information::{EarlyDataRejection, EarlyDataStatus};
use crate::key_schedule::Transcript;
use crate::record::Keys;
use crate::wire::EndOfEarlyData;

impl Keyed {
    /// EncryptedExtensions says whether early data is accepted. The handshake goes on under its own keys if
    /// it is not, else at its end.
    pub(super) fn on_early_data(
        &mut self,
        is_accepted: bool,
        parameters: &Parameters,
        cx: &mut Cx<'_>,
    ) -> Result<(), Abort> {
        match (&self.client.early_data, is_accepted) {
            (None, false) => {}
            (None, true) => return Err(Violation::EarlyDataWithAnotherPsk.into()),
            (Some(offered), true) => {
                offered.check(self.suite, parameters.alpn.as_deref())?;
                self.client.early_data_status = EarlyDataStatus::Accepted;
            }
            (Some(_), false) => {
                self.client
                    .early_data_rejected(EarlyDataRejection::Declined);
                cx.outgoing.end_early_data();
                if let Some(mut keys) = self.write_keys.take() {
                    cx.outgoing.install_write(keys.take())?;
                }
            }
        }
        Ok(())
    }
}

/// §4.5: nothing more comes under the keys of early data, if it was accepted; these are the next.
pub(super) fn end(
    keys: Option<Box<Keys>>,
    transcript: &mut Transcript,
    cx: &mut Cx<'_>,
) -> Result<(), Abort> {
    cx.outgoing.end_early_data();
    if let Some(mut keys) = keys {
        cx.send(transcript, EndOfEarlyData::put);
        cx.outgoing.install_write(keys.take())?;
    }
    Ok(())
}
