//! Between this side and its peer: a socket whose bytes are written down, or what was written down.

/// One thing that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Another connection stands.
    Connected,
    /// By this side, at once; over datagrams one.
    Ours(Vec<u8>),
    /// By the peer, as it came; over datagrams one.
    Theirs(Vec<u8>),
    /// The peer has closed its side.
    Closed,
}

pub(crate) trait Wire {
    /// The next connection.
    fn connect(&mut self);
    fn send(&mut self, bytes: &[u8]);
    /// What comes next; nothing when the peer has closed.
    fn receive(&mut self) -> Vec<u8>;
}

/// What was written down.
pub(crate) struct Script {
    name: String,
    said: std::vec::IntoIter<Said>,
}

impl Script {
    pub(crate) fn new(name: String, said: Vec<Said>) -> Self {
        Self {
            name,
            said: said.into_iter(),
        }
    }

    fn next(&mut self, due: &str) -> Said {
        let next = self.said.next();
        next.unwrap_or_else(|| panic!("{}: {due} is behind the end of the recording", self.name))
    }

    /// Nothing was left out.
    pub(crate) fn is_over(&mut self) {
        assert_eq!(self.said.next(), None, "{}: there is more", self.name);
    }
}

impl Wire for Script {
    fn connect(&mut self) {
        let next = self.next("a connection");
        assert_eq!(next, Said::Connected, "{}", self.name);
    }

    fn send(&mut self, bytes: &[u8]) {
        let next = self.next("what is sent");
        let Said::Ours(then) = next else {
            panic!(
                "{}: this side spoke when then there was {next:02x?}",
                self.name
            );
        };
        let same = then.iter().zip(bytes).take_while(|(then, now)| then == now);
        let same = same.count();
        assert!(
            then == bytes,
            "{}: of what this side says, {same} bytes are as they were when it was recorded. If that is meant, record again, \
             as the top of main.rs says.\nnow:  {:02x?}\nthen: {:02x?}",
            self.name,
            bytes.get(same..).map(|rest| &rest[..rest.len().min(40)]),
            then.get(same..).map(|rest| &rest[..rest.len().min(40)]),
        );
    }

    fn receive(&mut self) -> Vec<u8> {
        match self.next("what is received") {
            Said::Theirs(bytes) => bytes,
            Said::Closed => Vec::new(),
            other => panic!("{}: what is received was then {other:02x?}", self.name),
        }
    }
}

/// Changes the last byte but 20 of the peer's `nth` word.
pub(crate) fn change(said: &mut [Said], nth: usize) {
    let theirs = said.iter_mut().filter_map(|said| match said {
        Said::Theirs(bytes) => Some(bytes),
        _ => None,
    });
    let bytes = theirs.into_iter().nth(nth).expect("a word of the peer");
    let at = bytes.len() - 20;
    bytes[at] ^= 1;
}
