//! Datagrams in memory, for libraries that want to read and to write each, as a system call would.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

/// Datagrams that are under way in one direction, and buffers that are free.
#[derive(Debug, Default)]
struct Wire {
    sent: VecDeque<Vec<u8>>,
    free: Vec<Vec<u8>>,
}

/// One end: each read is a datagram, and each write.
#[derive(Debug)]
pub struct End {
    from: Rc<RefCell<Wire>>,
    to: Rc<RefCell<Wire>>,
}

impl End {
    /// Two ends of one network that loses nothing.
    #[must_use]
    pub fn both() -> [Self; 2] {
        let [up, down] = [(); 2].map(|()| Rc::new(RefCell::new(Wire::default())));
        let client = Self {
            from: Rc::clone(&down),
            to: Rc::clone(&up),
        };
        [client, Self { from: up, to: down }]
    }
}

impl Read for End {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.from.borrow_mut();
        let datagram = wire.sent.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let length = datagram.len().min(out.len());
        out[..length].copy_from_slice(&datagram[..length]);
        wire.free.push(datagram);
        Ok(length)
    }
}

impl Write for End {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        let mut wire = self.to.borrow_mut();
        let mut buffer = wire.free.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(datagram);
        wire.sent.push_back(buffer);
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
