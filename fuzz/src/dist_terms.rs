//! Messages of Erlang's distribution, as the example `erlang_node` looks at them before they are decoded.

use erl_dist::message::Message;
use erl_dist::term::Term;

use crate::memory;
use crate::terms;

/// What a decoded message has besides its terms.
const BESIDES: usize = 4_096;

/// Takes what stands behind the byte 112: a control message, and perhaps a payload.
///
/// Returns whether it was decoded.
pub fn run(data: &[u8]) -> bool {
    let Ok(bytes) = terms::check(data) else {
        return false;
    };
    let before = memory::held();
    let read = Message::read_from(&mut &*data);
    let taken = memory::held().saturating_sub(before);
    assert!(
        taken <= bytes + BESIDES,
        "{taken} bytes are held, and {bytes} were said"
    );
    let Ok(message) = read else {
        return false;
    };
    if let Some(term) = payload(message) {
        // What came can be sent back.
        let term = terms::to_send(term).expect("it is no deeper than what came");
        let mut out = Vec::new();
        term.encode(&mut out).expect("it is encoded");
        assert_eq!(out.first(), Some(&131));
        let _ = term.to_string();
    }
    true
}

fn payload(message: Message) -> Option<Term> {
    match message {
        Message::Send(sent) => Some(sent.message),
        Message::RegSend(sent) => Some(sent.message),
        _ => None,
    }
}
