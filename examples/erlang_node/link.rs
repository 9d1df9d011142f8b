//! A link to another node, when its handshake is over: packets of four bytes of length, one message in each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use erl_dist::message::{Message, RecvError};
use erl_dist::node::{LocalNode, PeerNode};
use erl_dist::term::{Atom, List, Pid, Reference, Term, Tuple};
use portcullis::packet::{Packet, PacketOptions, Piece};
use portcullis::{ProtocolVersion, ReadHalf, TlsStream, WriteHalf};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::node::Result;
use super::terms;

/// In front of a message: it is whole, and has no header.
const PASS_THROUGH: u8 = 112;
/// Bytes of a message.
const MAX_MESSAGE: u64 = 64 << 20;
/// Messages that wait on their way in or out.
const WAITING: usize = 64;

type Packets<Half> = portcullis::Packets<Half>;
type Pending = Mutex<HashMap<Reference, oneshot::Sender<Term>>>;

/// A link. Dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Link {
    peer: PeerNode,
    version: ProtocolVersion,
    /// Who we are on this link.
    pid: Pid,
    outgoing: mpsc::Sender<Message>,
    incoming: mpsc::Receiver<Result<Message>>,
    pending: Arc<Pending>,
    next: AtomicU32,
    /// Reads; the other, which writes, ends behind it.
    reading: AbortHandle,
    tasks: JoinSet<()>,
}

impl Link {
    pub(crate) fn new(
        stream: TlsStream<TcpStream>,
        local: &LocalNode,
        peer: PeerNode,
        tick_time: Duration,
    ) -> Self {
        let pid = Pid {
            node: Atom::from(local.name.to_string()),
            id: 1,
            serial: 0,
            creation: local.creation.get(),
        };
        let (outgoing, to_send) = mpsc::channel(WAITING);
        let (received, incoming) = mpsc::channel(WAITING);
        let pending = Arc::new(Pending::default());
        let options = PacketOptions::new(Packet::Length4);
        let options = options.size(MAX_MESSAGE).unwrap_or(options);
        let version = stream.information().version();
        let (reader, writer) = stream.into_split();
        let reader = Reader {
            packets: reader.into_packets(options),
            silence: tick_time + tick_time / 4,
            pid: pid.clone(),
            pending: Arc::clone(&pending),
            answers: outgoing.downgrade(),
            received,
        };
        let mut tasks = JoinSet::new();
        let reading = tasks.spawn(reader.run());
        tasks.spawn(write(writer.into_packets(options), to_send, tick_time / 4));
        Self {
            peer,
            version,
            pid,
            outgoing,
            incoming,
            pending,
            next: AtomicU32::new(1),
            reading,
            tasks,
        }
    }

    pub(crate) fn abort_handle(&self) -> AbortHandle {
        self.reading.clone()
    }

    /// The other node.
    pub(crate) fn peer(&self) -> String {
        self.peer.name.to_string()
    }

    /// Of TLS.
    pub(crate) fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// The process that we are for the other node: what is sent to it comes out of [`recv`](Self::recv).
    pub(crate) fn pid(&self) -> Pid {
        self.pid.clone()
    }

    /// Sends what waits, and then close_notify; at most a second.
    pub(crate) async fn close(self) {
        let Self {
            outgoing,
            incoming,
            mut tasks,
            ..
        } = self;
        drop((outgoing, incoming));
        let ends = async { while tasks.join_next().await.is_some() {} };
        let _ = timeout(Duration::from_secs(1), ends).await;
    }

    /// The next message that is none of the link's own.
    ///
    /// # Errors
    /// Why the link is down; then always.
    pub(crate) async fn recv(&mut self) -> Result<Message> {
        match self.incoming.recv().await {
            Some(received) => received,
            None => Err("the link is down".into()),
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the link is down.
    pub(crate) async fn send(&self, message: Message) -> Result {
        let sent = self.outgoing.send(message).await;
        sent.map_err(|_| "the link is down".into())
    }

    /// Sends a term to the process with this name.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn send_to(&self, name: &str, term: Term) -> Result {
        let message = Message::reg_send(self.pid(), Atom::from(name), term);
        self.send(message).await
    }

    /// `gen_server:call({Name, Node}, Request, Within)`.
    ///
    /// # Errors
    /// When no answer comes in time, or the link is down.
    pub(crate) async fn call(&self, name: &str, request: Term, within: Duration) -> Result<Term> {
        let reference = Reference {
            node: self.pid.node.clone(),
            id: vec![self.next.fetch_add(1, Ordering::Relaxed), 0, 0],
            creation: self.pid.creation,
        };
        let (answer, answered) = oneshot::channel();
        locked(&self.pending).insert(reference.clone(), answer);
        let from = tuple([self.pid().into(), reference.clone().into()]);
        let message = tuple([atom("$gen_call"), from, request]);
        let answer = timeout(within, async {
            self.send_to(name, message).await?;
            answered.await.map_err(|_| "the link is down".into())
        })
        .await;
        locked(&self.pending).remove(&reference);
        answer.unwrap_or_else(|_| Err(format!("{name} did not answer in time").into()))
    }

    /// `net_adm:ping(Node)`.
    ///
    /// # Errors
    /// When it does not answer within seven seconds.
    pub(crate) async fn ping(&self) -> Result<bool> {
        let request = tuple([atom("is_auth"), self.pid.node.clone().into()]);
        let answer = self.call("net_kernel", request, Duration::from_secs(7));
        Ok(answer.await? == atom("yes"))
    }

    /// `rpc:call(Node, Module, Function, Arguments, Within)`.
    ///
    /// # Errors
    /// As [`call`](Self::call). What goes wrong there is an answer: `{badrpc, Why}`.
    pub(crate) async fn rpc(
        &self,
        module: &str,
        function: &str,
        arguments: Vec<Term>,
        within: Duration,
    ) -> Result<Term> {
        let request = tuple([
            atom("call"),
            atom(module),
            atom(function),
            List::from(arguments).into(),
            self.pid().into(),
        ]);
        self.call("rex", request, within).await
    }
}

struct Reader {
    packets: Packets<ReadHalf<TcpStream>>,
    /// After so much of it the link is down.
    silence: Duration,
    pid: Pid,
    pending: Arc<Pending>,
    answers: mpsc::WeakSender<Message>,
    received: mpsc::Sender<Result<Message>>,
}

impl Reader {
    async fn run(mut self) {
        let why = loop {
            let message = match self.next().await {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                Err(why) => break why,
            };
            let Some(message) = self.own(message).await else {
                continue;
            };
            if self.received.send(Ok(message)).await.is_err() {
                return;
            }
        };
        // Who waits for an answer is told, too.
        locked(&self.pending).clear();
        let _ = self.received.send(Err(why)).await;
    }

    /// The next message; `None` for a tick, and for one that nothing is done about.
    async fn next(&mut self) -> Result<Option<Message>> {
        let packet = match self.packets.recv_timeout(self.silence).await {
            Ok(Piece::Data(packet)) => packet,
            Ok(other) => return Err(format!("no packet: {other:?}").into()),
            Err(error) if error.is_timeout() => return Err("the other node is silent".into()),
            Err(error) => return Err(error.into()),
        };
        let message = match packet.split_first() {
            None => return Ok(None),
            Some((&PASS_THROUGH, message)) => message,
            Some((kind, _)) => return Err(format!("a message of the kind {kind}").into()),
        };
        terms::check(message)?;
        match Message::read_from(&mut &*message) {
            Ok(message) => Ok(Some(message)),
            // Not to print what came.
            Err(RecvError::UnsupportedOp { op }) => {
                eprintln!("skipped: a message with the operation {op}");
                Ok(None)
            }
            Err(_) => {
                eprintln!("skipped: a message that is none");
                Ok(None)
            }
        }
    }

    /// Answers what is the link's own business, and gives what is not.
    async fn own(&mut self, message: Message) -> Option<Message> {
        match message {
            // Links and monitors are not kept: nobody is told when one of our processes ends.
            Message::Link(_) | Message::UnlinkId(_) | Message::UnlinkIdAck(_) => None,
            Message::MonitorP(_) | Message::DemonitorP(_) => None,
            Message::RegSend(call) if call.to_name.name == "net_kernel" => {
                if let Some((to, tag)) = is_auth(&call.message) {
                    let answer = Message::send(to, tuple([tag, atom("yes")]));
                    if let Some(answers) = self.answers.upgrade() {
                        let _ = answers.send(answer).await;
                    }
                }
                None
            }
            Message::Send(mut sent) if sent.to_pid == self.pid => {
                if let Term::Tuple(pair) = &mut sent.message
                    && let [Term::Reference(reference), value] = pair.elements.as_mut_slice()
                    && let Some(waiting) = locked(&self.pending).remove(reference)
                {
                    let _ = waiting.send(std::mem::replace(value, List::nil().into()));
                    return None;
                }
                Some(Message::Send(sent))
            }
            other => Some(other),
        }
    }
}

/// Of `{'$gen_call', {Pid, Tag}, {is_auth, Node}}`, whom to answer with which tag. A tag may be an improper list
/// with an alias, and goes back as it is.
fn is_auth(message: &Term) -> Option<(Pid, Term)> {
    let Term::Tuple(call) = message else {
        return None;
    };
    match call.elements.as_slice() {
        [Term::Atom(what), Term::Tuple(from), Term::Tuple(request)] if what.name == "$gen_call" => {
            let asked = matches!(request.elements.as_slice(),
                [Term::Atom(what), _] if what.name == "is_auth");
            match from.elements.as_slice() {
                [Term::Pid(pid), tag] if asked => Some((pid.clone(), tag.clone())),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Sends messages, and a tick when there was none for some time.
async fn write(
    mut packets: Packets<WriteHalf<TcpStream>>,
    mut messages: mpsc::Receiver<Message>,
    tick: Duration,
) {
    let mut bytes = Vec::new();
    loop {
        let sent = match timeout(tick, messages.recv()).await {
            Ok(Some(message)) => {
                bytes.clear();
                bytes.push(PASS_THROUGH);
                if let Err(error) = message.write_into(&mut bytes) {
                    eprintln!("not sent: {error}");
                    continue;
                }
                packets.send(&[&bytes]).await
            }
            Ok(None) => break,
            // An empty packet.
            Err(_) => packets.send(&[]).await,
        };
        match sent {
            // The connection goes on.
            Err(error) if error.packet().is_some() => eprintln!("not sent: {error}"),
            // Reading tells why.
            Err(_) => return,
            Ok(()) => {}
        }
        // Not to keep the memory of a large one.
        bytes.shrink_to(64 << 10);
    }
    let _ = packets.get_mut().shutdown().await;
}

/// An atom.
pub(crate) fn atom(name: &str) -> Term {
    Atom::from(name).into()
}

/// A tuple.
pub(crate) fn tuple<const N: usize>(elements: [Term; N]) -> Term {
    Tuple::from(elements.to_vec()).into()
}

fn locked(
    pending: &Pending,
) -> std::sync::MutexGuard<'_, HashMap<Reference, oneshot::Sender<Term>>> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}
