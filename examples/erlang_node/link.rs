//! A link to another node, when its handshake is over: packets of four bytes of length, one message in each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use erl_dist::message::{Message, RecvError};
use erl_dist::node::{LocalNode, PeerNode};
use erl_dist::term::{Atom, List, Pid, Reference, Term, Tuple};
use portcullis::packet::{Packet, PacketOptions, Piece};
use portcullis::{Packets, ProtocolVersion, ReadHalf, TlsStream, WriteHalf};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::node::Result;
use super::terms;

const DOWN: &str = "the link is down";
/// In front of a message: it is whole, and has no header.
const PASS_THROUGH: u8 = 112;
/// Bytes of a message.
const MAX_MESSAGE: u64 = 64 << 20;
/// Messages that wait on their way in or out.
const WAITING: usize = 64;
/// Bytes of memory that they take in each direction. One that takes more waits alone.
const ROOM: usize = 64 << 20;
/// For the end of a link.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Of what is sent: so much has to be taken before the other node counts as one that does not read.
const PART: usize = 64 << 10;

type Pending = Mutex<HashMap<Reference, oneshot::Sender<Term>>>;
/// Something that waits, and its part of the room.
type Waiting<T> = (T, OwnedSemaphorePermit);

/// A link. Dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Link {
    peer: PeerNode,
    version: ProtocolVersion,
    /// Who we are on this link.
    pid: Pid,
    outgoing: mpsc::Sender<Waiting<Vec<u8>>>,
    /// Of what is outgoing.
    room: Arc<Semaphore>,
    incoming: mpsc::Receiver<Result<Waiting<Message>>>,
    pending: Arc<Pending>,
    next: AtomicU32,
    running: AbortHandle,
    task: JoinSet<()>,
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
        let silence = tick_time + tick_time / 4;
        let room = Arc::new(Semaphore::new(ROOM));
        let reader = Reader {
            packets: reader.into_packets(options),
            silence,
            pid: pid.clone(),
            pending: Arc::clone(&pending),
            answers: outgoing.downgrade(),
            answers_room: Arc::clone(&room),
            received,
            room: Arc::new(Semaphore::new(ROOM)),
        };
        let writer = Writer {
            half: writer,
            messages: to_send,
            tick: tick_time / 4,
            silence,
        };
        let mut task = JoinSet::new();
        let running = task.spawn(run(reader, writer));
        Self {
            peer,
            version,
            pid,
            outgoing,
            room,
            incoming,
            pending,
            next: AtomicU32::new(1),
            running,
            task,
        }
    }

    /// What ends it, in both directions.
    pub(crate) fn abort_handle(&self) -> AbortHandle {
        self.running.clone()
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

    /// Sends what waits, and then close_notify; at most for a second.
    pub(crate) async fn close(self) {
        let Self {
            outgoing,
            incoming,
            mut task,
            ..
        } = self;
        drop((outgoing, incoming));
        let _ = timeout(LAST_WORDS, task.join_next()).await;
    }

    /// The next message that is none of the link's own.
    ///
    /// # Errors
    /// Why the link is down; then always.
    pub(crate) async fn recv(&mut self) -> Result<Message> {
        match self.incoming.recv().await {
            Some(received) => received.map(|(message, _)| message),
            None => Err(DOWN.into()),
        }
    }

    /// How many messages [`recv`](Self::recv) has ready.
    #[cfg(test)]
    pub(crate) fn ready(&self) -> usize {
        self.incoming.len()
    }

    /// Sends a term to a process.
    ///
    /// # Errors
    /// When the link is down, or the term is nested too deep or too large.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the term is not sent.
    pub(crate) async fn send(&self, to: Pid, term: Term) -> Result {
        self.queue(Message::send(to, terms::to_send(term)?)).await
    }

    /// Sends a term to the process with this name.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As `send`.
    pub(crate) async fn send_to(&self, name: &str, term: Term) -> Result {
        let term = terms::to_send(term)?;
        let message = Message::reg_send(self.pid(), Atom::from(name), term);
        self.queue(message).await
    }

    async fn queue(&self, message: Message) -> Result {
        queue(&self.outgoing, &self.room, frame(message)?).await
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
            answered.await.map_err(|_| DOWN.into())
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

/// Reads and writes until one of them is at its end, and tells why.
async fn run(mut reader: Reader, mut writer: Writer) {
    let why = tokio::select! {
        why = reader.run() => why,
        ended = writer.run() => match ended {
            Ok(()) => return,
            Err(why) => why,
        },
    };
    // Who sends, or waits for an answer, is told, too.
    writer.messages.close();
    locked(&reader.pending).clear();
    let received = reader.received.clone();
    let told = received.send(Err(why));
    let _ = tokio::join!(told, timeout(LAST_WORDS, writer.half.shutdown()));
}

/// Waits until there is room for so many bytes.
async fn room(
    room: &Arc<Semaphore>,
    bytes: usize,
    closed: impl Future<Output = ()>,
) -> Result<OwnedSemaphorePermit> {
    let bytes = u32::try_from(bytes.min(ROOM))?;
    tokio::select! {
        permit = Arc::clone(room).acquire_many_owned(bytes) => Ok(permit?),
        () = closed => Err(DOWN.into()),
    }
}

async fn queue(
    queue: &mpsc::Sender<Waiting<Vec<u8>>>,
    of: &Arc<Semaphore>,
    frame: Vec<u8>,
) -> Result {
    let permit = room(of, frame.capacity(), queue.closed()).await?;
    let queued = queue.send((frame, permit)).await;
    queued.map_err(|_| DOWN.into())
}

/// A message as it is sent, with its length.
///
/// # Errors
/// When it cannot be encoded, or is longer than 64 MiB.
pub(crate) fn frame(message: Message) -> Result<Vec<u8>> {
    let mut frame = vec![0, 0, 0, 0, PASS_THROUGH];
    message.write_into(&mut frame)?;
    let length = frame.len() - 4;
    if length as u64 > MAX_MESSAGE {
        let why = format!("a message of {length} bytes is longer than {MAX_MESSAGE}");
        return Err(why.into());
    }
    frame[..4].copy_from_slice(&u32::try_from(length)?.to_be_bytes());
    Ok(frame)
}

struct Reader {
    packets: Packets<ReadHalf<TcpStream>>,
    /// After so much of it the link is down.
    silence: Duration,
    pid: Pid,
    pending: Arc<Pending>,
    answers: mpsc::WeakSender<Waiting<Vec<u8>>>,
    answers_room: Arc<Semaphore>,
    received: mpsc::Sender<Result<Waiting<Message>>>,
    /// Of what is received.
    room: Arc<Semaphore>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Nobody waits for an answer that nobody reads.
        locked(&self.pending).clear();
    }
}

impl Reader {
    /// Reads, and gives why it does so no more.
    async fn run(&mut self) -> Box<dyn std::error::Error + Send + Sync> {
        loop {
            let (message, permit) = match self.next().await {
                Ok(Some(waiting)) => waiting,
                Ok(None) => continue,
                Err(why) if !self.received.is_closed() => return why,
                Err(_) => break,
            };
            let Some(message) = self.own(message).await else {
                continue;
            };
            if self.received.send(Ok((message, permit))).await.is_err() {
                break;
            }
        }
        // The link is being closed: what waits is still sent.
        std::future::pending().await
    }

    /// The next message; `None` for a tick, and for one that nothing is done about.
    async fn next(&mut self) -> Result<Option<Waiting<Message>>> {
        let packet = match self.packet().await? {
            Piece::Data(packet) => packet,
            other => return Err(format!("no packet: {other:?}").into()),
        };
        let message = match packet.split_first() {
            None => return Ok(None),
            Some((&PASS_THROUGH, message)) => message,
            Some((kind, _)) => return Err(format!("a message of the kind {kind}").into()),
        };
        // The packet is whole: the next one can be read in any case.
        let bytes = match terms::check(message) {
            Ok(bytes) => bytes,
            Err(why) => {
                eprintln!("skipped: a message that is not decoded: {why}");
                return Ok(None);
            }
        };
        let permit = room(&self.room, bytes, self.received.closed()).await?;
        match Message::read_from(&mut &*message) {
            Ok(message) => Ok(Some((message, permit))),
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

    /// The next packet, however long it takes, as long as some of it comes.
    async fn packet(&mut self) -> Result<Piece> {
        const LOOKS: u32 = 4;
        let mut came = self.packets.get_ref().received().bytes();
        let mut quiet = 0;
        loop {
            match self.packets.recv_timeout(self.silence / LOOKS).await {
                Ok(piece) => return Ok(piece),
                Err(error) if error.is_timeout() => {}
                Err(error) => return Err(error.into()),
            }
            let before = std::mem::replace(&mut came, self.packets.get_ref().received().bytes());
            quiet = if came > before { 0 } else { quiet + 1 };
            if quiet == LOOKS {
                return Err("the other node is silent".into());
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
                if let Some((to, tag)) = is_auth(&call.message)
                    && let Some(answers) = self.answers.upgrade()
                    && let Ok(answer) = terms::to_send(tuple([tag, atom("yes")]))
                    && let Ok(frame) = frame(Message::send(to, answer))
                {
                    // As long as writing goes on it has room again, and else the link is down.
                    let _ = queue(&answers, &self.answers_room, frame).await;
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
struct Writer {
    half: WriteHalf<TcpStream>,
    messages: mpsc::Receiver<Waiting<Vec<u8>>>,
    tick: Duration,
    /// After so much time in which the other node takes nothing the link is down.
    silence: Duration,
}

impl Writer {
    /// Writes until nobody sends any more, and close_notify then.
    async fn run(&mut self) -> Result {
        loop {
            match timeout(self.tick, self.messages.recv()).await {
                Ok(Some((frame, _permit))) => self.send(&frame).await?,
                Ok(None) => break,
                // An empty packet.
                Err(_) => self.send(&[0; 4]).await?,
            }
        }
        Ok(timeout(self.silence, self.half.shutdown()).await??)
    }

    async fn send(&mut self, frame: &[u8]) -> Result {
        for part in frame.chunks(PART) {
            let sent = timeout(self.silence, async {
                self.half.write_all(part).await?;
                self.half.flush().await
            });
            sent.await.map_err(|_| "the other node does not read")??;
        }
        Ok(())
    }
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
