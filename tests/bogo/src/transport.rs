//! The connection to the runner: a blocking socket, and a pace at which bytes come out of it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpStream};
use std::time::Duration;

use crate::Stop;

/// How long to wait for the runner, which has a timeout of its own.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Transport {
    stream: TcpStream,
    /// Bytes read and not yet handed out.
    ready: Vec<u8>,
    one_by_one: bool,
    /// Everything that was handed out until the handshake was over.
    pub(crate) heard: Vec<u8>,
    /// What must not overtake the rest of an unfinished write.
    unfinished: Vec<u8>,
}

impl Transport {
    /// Connects and says which shim this is.
    pub(crate) fn connect(port: u16, shim_id: u64, one_by_one: bool) -> Result<Self, Stop> {
        let connect = || -> std::io::Result<TcpStream> {
            let mut stream = TcpStream::connect((Ipv6Addr::LOCALHOST, port))
                .or_else(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(&shim_id.to_le_bytes())?;
            Ok(stream)
        };
        let stream = connect().map_err(|error| Stop::failed(format!("connecting: {error}")))?;
        Ok(Self {
            stream,
            ready: Vec::new(),
            one_by_one,
            heard: Vec::new(),
            unfinished: Vec::new(),
        })
    }

    /// Sends everything.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.finish_write()?;
        self.stream
            .write_all(bytes)
            .map_err(|error| Stop::failed(format!("writing: {error}")))
    }

    /// Sends one byte and keeps the rest until [`finish_write`](Self::finish_write).
    pub(crate) fn send_one(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let (first, rest) = bytes.split_at(1.min(bytes.len()));
        self.send(first)?;
        self.unfinished = rest.to_vec();
        Ok(())
    }

    pub(crate) fn finish_write(&mut self) -> Result<(), Stop> {
        let rest = std::mem::take(&mut self.unfinished);
        self.stream
            .write_all(&rest)
            .map_err(|error| Stop::failed(format!("writing: {error}")))
    }

    /// Whether [`receive`](Self::receive) can answer without waiting.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// What will be received first, without taking it.
    pub(crate) fn peek(&mut self) -> Result<Vec<u8>, Stop> {
        if self.ready.is_empty() {
            self.ready = self.read()?;
        }
        Ok(self.ready.clone())
    }

    fn read(&mut self) -> Result<Vec<u8>, Stop> {
        let mut buffer = [0; 16 * 1024];
        let read = loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break 0,
                Err(error) => return Err(Stop::failed(format!("reading: {error}"))),
                Ok(read) => break read,
            }
        };
        Ok(buffer.get(..read).unwrap_or_default().to_vec())
    }

    /// The next bytes, at least one; none at the end of the stream.
    pub(crate) fn receive(&mut self) -> Result<Vec<u8>, Stop> {
        if self.ready.is_empty() {
            self.ready = self.read()?;
        }
        let count = if self.one_by_one { 1 } else { usize::MAX };
        let count = count.min(self.ready.len());
        Ok(self.ready.drain(..count).collect())
    }

    /// Closes so that nothing is lost on the way: half, then reads what is left.
    pub(crate) fn close(mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.stream.set_read_timeout(Some(Duration::from_secs(2)));
        let mut buffer = [0; 16 * 1024];
        while self.stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
    }
}
