//! Records of DTLS 1.3 by themselves: those of others, those that are forged, and fragments.

mod fragments;
mod records;
mod vectors;
mod wolfssl;

impl super::Writer {
    /// The memory held for what may be sent again, in bytes.
    pub(crate) fn kept(&self) -> usize {
        self.transmitter.kept()
    }
}
