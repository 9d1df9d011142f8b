//! The same machine over a stream, for what datagrams cost beside it.

use std::time::Duration;

use portcullis_core::question::Question;
use portcullis_core::{Handshake, Step};
use rustls_pki_types::ServerName;

use super::Failure;
use super::portcullis::{Prepared, now};
use crate::pki::SERVER_NAME;

/// What an end has to say, until it waits; whether it is connected.
fn turn(handshake: &mut Handshake, sent: &mut Vec<Vec<u8>>) -> Result<bool, Failure> {
    loop {
        match handshake.poll()? {
            Step::Transmit(bytes) => sent.push(bytes),
            Step::Ask(question) => {
                handshake.answer(Question::default_answer(question), now(Duration::ZERO))?;
            }
            Step::Connected => return Ok(true),
            Step::Wait { .. } => return Ok(false),
            _ => {}
        }
    }
}

impl Prepared {
    /// A full handshake of TLS.
    ///
    /// # Errors
    /// When it fails.
    pub fn connect_stream(&self) -> Result<(), Failure> {
        let name = ServerName::try_from(SERVER_NAME)?;
        let mut ends = [
            Box::new(Handshake::client(self.client.clone(), name)?),
            Box::new(Handshake::server(self.server.clone())),
        ];
        let (mut sent, mut connected) = (Vec::new(), [false; 2]);
        while connected != [true; 2] {
            let before = connected;
            let mut is_silent = true;
            for (from, to) in [(0, 1), (1, 0)] {
                if !connected[from] {
                    connected[from] = turn(&mut ends[from], &mut sent)?;
                }
                for bytes in sent.drain(..) {
                    is_silent = false;
                    ends[to].receive(&bytes, now(Duration::ZERO));
                }
            }
            if is_silent && connected == before {
                return Err("the handshake does not go on".into());
            }
        }
        for mut end in ends {
            std::hint::black_box(end.take_connection()?);
        }
        Ok(())
    }
}
