//! The one task of a socket: who may come in, whose datagram that is, and what is due.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use portcullis_core::{Admission, ConnectionId, CookiePolicy, Discarded, Now, Stage, Verdict};
use tokio::time::{Instant, Sleep, sleep_until};

use super::association::{Association, Owner, Standing};
use super::door::{Door, bytes, client_of};
use super::endpoint::{Endpoint, Id, Rung};
use super::hello;
use super::link::{Path, Room};
use super::listener::DtlsIncoming;
use super::lock;
use super::options::DtlsOptions;
use super::passages::Passages;
use super::peers::Peers;
use super::rivals::{Origin, Said, Whose};
use crate::accept::{Addresses, Place, host};
use crate::error::Error;
use crate::metrics::{self, Full};

/// How often it receives before others have their turn.
const ROUNDS: usize = 100;
/// How long a connection is kept that was closed here, so that the peer hears so.
const LINGER: Duration = Duration::from_secs(3);
/// Errors of receiving in a row, after which it pauses.
const ERRORS: usize = 16;
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Driver {
    pub(super) endpoint: Arc<Endpoint>,
    /// `None` while what is there is looked at.
    room: Option<Room>,
    pub(super) peers: Peers,
    /// Clients of servers behind this one.
    pub(super) passages: Option<Passages>,
    pub(super) door: Option<Door>,
    /// The transport has failed.
    is_deaf: bool,
    errors: usize,
    /// Until when it receives nothing.
    paused: Option<Instant>,
    idle: Option<Duration>,
    hibernate: Option<Duration>,
    next_sweep: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
}

/// How often keys of handshakes that are over are looked for. They are kept for so long.
const KEYS: Duration = Duration::from_secs(240);

impl Driver {
    /// For clients, through a door.
    pub(super) fn listening(endpoint: Arc<Endpoint>, door: Door, idle: Option<Duration>) -> Self {
        let hibernate = door.acceptor.conduct.hibernate_after;
        let id_length = door.options.id_length();
        let mut this = Self::new(endpoint, Some(door), idle, hibernate);
        this.peers.expect_ids(id_length);
        this
    }

    /// For one peer, whom this side calls.
    pub(super) fn calling(
        endpoint: Arc<Endpoint>,
        path: Path,
        (options, connection_id): (&DtlsOptions, ConnectionId),
        hibernate: Option<Duration>,
    ) -> (Self, Owner) {
        let mut this = Self::new(endpoint, None, options.others_idle(), hibernate);
        let owner = this.associate(path, Origin::Called, options, None);
        this.peers.identify(owner.id, connection_id);
        this.endpoint.close();
        (this, owner)
    }

    fn new(
        endpoint: Arc<Endpoint>,
        door: Option<Door>,
        idle: Option<Duration>,
        hibernate: Option<Duration>,
    ) -> Self {
        let mut this = Self {
            room: Some(endpoint.link.room()),
            endpoint,
            peers: Peers::default(),
            passages: door.as_ref().and_then(Door::passages),
            door,
            is_deaf: false,
            errors: 0,
            paused: None,
            idle,
            hibernate,
            next_sweep: None,
            sleep: Box::pin(sleep_until(Instant::now())),
        };
        this.plan_sweep();
        this
    }

    pub(super) fn spawn(self) {
        tokio::spawn(self);
    }

    /// Silence is looked for an eighth of the time late, and where nobody asks for that, keys of handshakes that are
    /// over.
    fn plan_sweep(&mut self) {
        let passages = self.passages.as_ref().map(Passages::every);
        let often = [self.idle, self.hibernate, passages];
        let often = often.into_iter().flatten().min();
        let every = often.map_or(KEYS, |time| {
            (time / 8).clamp(Duration::from_millis(5), Duration::from_secs(60))
        });
        self.next_sweep = Some(Instant::now() + every);
    }

    fn associate(
        &mut self,
        path: Path,
        origin: Origin,
        options: &DtlsOptions,
        place: Option<Place>,
    ) -> Owner {
        let (id, now) = (self.endpoint.next_id(), self.endpoint.monotonic());
        let bounds = (options.inbox_bounds(), options.migration);
        let endpoint = Arc::clone(&self.endpoint);
        let association = Association::new(endpoint, id, path, origin, bounds, now);
        let association = Arc::new(association);
        self.peers.add(Arc::clone(&association), place);
        self.publish();
        Owner(association, None)
    }

    /// Handshakes with peers whom this side calls from a socket at which others listen.
    fn take_in(&mut self, newcomers: Vec<(Arc<Association>, ConnectionId)>) {
        for (association, connection_id) in newcomers {
            if self.peers.are_with(association.path().peer) {
                association.end(Error::limit(
                    "there is a connection with this address at this socket already",
                ));
                continue;
            }
            let id = association.id;
            self.peers.add(association, None);
            self.peers.identify(id, connection_id);
            self.publish();
        }
    }

    pub(super) fn publish(&self) {
        let mut statistics = lock(&self.endpoint.statistics);
        statistics.connections = self.peers.len();
        statistics.fronted.clients = self.passages.as_ref().map_or(0, Passages::len);
    }

    fn forget(&mut self, id: Id) {
        self.peers.remove(id);
        self.publish();
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            let Rung {
                waiting,
                handed,
                newcomers,
                is_closed,
            } = self.endpoint.take_rung(cx);
            self.take_in(newcomers);
            for id in waiting {
                self.look_after(id);
            }
            if !handed.is_empty() {
                let now = self.endpoint.now();
                for (path, mut datagram) in handed {
                    self.on_datagram(path, &mut datagram, now);
                }
            }
            if is_closed {
                self.door = None;
            }
            self.do_what_is_due();
            let passed_on = self.passages.as_ref().map_or(0, Passages::len);
            if is_closed && self.peers.len() + passed_on == 0 {
                return Poll::Ready(());
            }
            if self.poll_receive(cx).is_ready() {
                continue;
            }
            let Some(due) = self.next_due() else {
                return Poll::Pending;
            };
            if self.sleep.deadline() != due {
                self.sleep.as_mut().reset(due);
            }
            ready!(self.sleep.as_mut().poll(cx));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn next_due(&self) -> Option<Instant> {
        let dues = [self.peers.first_due(), self.next_sweep, self.paused];
        dues.into_iter().flatten().min()
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_deaf {
            return Poll::Pending;
        }
        if self.paused.is_some_and(|until| until > Instant::now()) {
            return Poll::Pending;
        }
        self.paused = None;
        let Some(room) = &mut self.room else {
            return Poll::Pending;
        };
        match ready!(self.endpoint.link.poll_recv(cx, room)) {
            Ok(count) => {
                self.errors = 0;
                let now = self.endpoint.now();
                if let Some(mut room) = self.room.take() {
                    room.for_each(count, |path, datagram| {
                        self.on_received(path, datagram, now)
                    });
                    self.room = Some(room);
                }
            }
            Err(error) if self.endpoint.link.ends_with_errors() => self.fail(error),
            Err(_) => {
                if self.endpoint.is_clients {
                    // A handshake looks whether that is what nobody being there looks like.
                    for association in self
                        .peers
                        .ids()
                        .into_iter()
                        .filter_map(|id| self.peers.get(id))
                    {
                        association.wake();
                    }
                }
                self.errors += 1;
                if self.errors >= ERRORS {
                    self.errors = 0;
                    self.paused = Some(Instant::now() + PAUSE);
                }
                lock(&self.endpoint.statistics).receive_failures += 1;
            }
        }
        Poll::Ready(())
    }

    /// Nothing will come any more.
    fn fail(&mut self, error: io::Error) {
        self.is_deaf = true;
        self.door = None;
        let error = Error::io(error, Stage::Connected);
        for id in self.peers.ids() {
            if let Some(association) = self.peers.get(id) {
                association.end(error.clone());
            }
        }
    }

    /// Of this driver's socket; what is of another one of the group goes there, once.
    fn on_received(&mut self, path: Path, datagram: &mut [u8], now: Now) {
        if datagram.is_empty() || path.is_nobodys() {
            return;
        }
        if self.endpoint.give_away(path, datagram) {
            return;
        }
        if let Some(id) = self.peers.unknown_id(datagram)
            && !self.passages.as_ref().is_some_and(|passages| {
                // What servers behind have agreed on is nothing of the group's.
                passages.are_at(&path) || passages.identified(datagram).is_some()
            })
            && self.endpoint.hand_over(&id, path, datagram)
        {
            return;
        }
        self.on_datagram(path, datagram, now);
    }

    fn on_datagram(&mut self, path: Path, datagram: &mut [u8], now: Now) {
        if let Some(association) = self.peers.identified(datagram).cloned() {
            return self.on_identified(&association, path, datagram, now);
        }
        if self.is_passed_on(path, datagram) {
            return;
        }
        let mut here = self.peers.at(&path);
        if here.is_none() {
            // Somebody who was called a moment ago is no stranger.
            self.take_in(self.endpoint.take_newcomers());
            here = self.peers.at(&path);
        }
        let Some((current, candidate)) = here else {
            return self.on_stranger(path, datagram, now);
        };
        let candidate = candidate.and_then(|id| self.peers.get(id).cloned());
        match candidate.as_ref().unwrap_or(&current).whose(datagram) {
            Whose::Its => {}
            Whose::Rest if !self.has_begun(path, now) => {}
            Whose::Either | Whose::Rest => self.on_stranger(path, datagram, now),
            Whose::Strangers => return self.on_stranger(path, datagram, now),
        }
        // Whose it is of the two only their keys know.
        if let Some(candidate) = candidate {
            candidate.receive(&mut datagram.to_vec(), path, now.monotonic);
        }
        if current.receive(datagram, path, now.monotonic).has_work {
            self.look_after(current.id);
        }
    }

    /// Whether somebody has said a part of a hello there, of which the rest is to come.
    fn has_begun(&self, path: Path, now: Now) -> bool {
        let door = self.door.as_ref();
        door.is_some_and(|door| door.gate.has_begun(&bytes(path.peer), now))
    }

    /// Whoever has this connection id, wherever it comes from.
    fn on_identified(
        &mut self,
        association: &Association,
        path: Path,
        datagram: &mut [u8],
        now: Now,
    ) {
        let before = association.path();
        if path.peer != before.peer && association.standing() == Standing::Handshake {
            // No peer moves before it is known who it is.
            let mut statistics = lock(&self.endpoint.statistics);
            statistics.discards.add(Discarded::UnknownConnectionId);
            return;
        }
        let came = association.receive(datagram, path, now.monotonic);
        if came.has_moved {
            self.peers.moved(association.id, before);
        }
        if let Some(count) = came.ids_wanted {
            self.give_ids(association, count);
        }
        if came.has_work {
            self.look_after(association.id);
        }
    }

    /// RFC 9147 §9: fewer than were asked for will do, and none, too, where a connection has had all it gets.
    fn give_ids(&mut self, association: &Association, count: u8) {
        let length = association.connection_ids().map_or(0, |(own, _)| own.len());
        let count = self.peers.ids_left(association.id).min(count.into());
        let endpoint = &self.endpoint;
        let new: Result<Vec<_>, _> = (0..count).map(|_| endpoint.connection_id(length)).collect();
        let new = new.unwrap_or_default();
        for connection_id in &new {
            self.peers.identify(association.id, *connection_id);
        }
        let _closed = association.with_writer(|writer| writer.new_connection_ids(&new, false));
    }

    /// Somebody with whom there is no connection. Nothing of theirs is kept before the gate has let them in.
    fn on_stranger(&mut self, path: Path, datagram: &[u8], now: Now) {
        let link = &self.endpoint.link;
        let under_way = match self.peers.at(&path) {
            // An address that has all it may have: a client is turned away once it has shown that it reads there.
            None if self.has_room_for(path) => self.peers.handshakes(),
            None => usize::MAX,
            // A client that wants the place of another is asked in any case: a forged hello would take it, or keep others from it.
            Some(_) => usize::MAX,
        };
        let verdict = match &mut self.door {
            Some(door) => {
                door.reload();
                door.gate.set_handshakes(under_way);
                let (host, peer) = (host(path.peer.ip()), bytes(path.peer));
                door.gate.on_datagram_of_host(&host, &peer, datagram, now)
            }
            None => Verdict::Discard(Discarded::NoHello),
        };
        let mut statistics = lock(&self.endpoint.statistics);
        statistics.received.count(datagram.len());
        match verdict {
            Verdict::Discard(why) => {
                statistics.discards.add(why);
                metrics::discarded(why);
            }
            Verdict::Reply(reply) => {
                statistics.sent.count(reply.len());
                if link.try_send(&path, &reply, None).is_err() {
                    statistics.send_failures += 1;
                }
            }
            Verdict::Admit(mut admission) => {
                drop(statistics);
                if let Some(fronted) = admission.take_fronted()
                    && self.forward(path, &fronted, admission.hello_random())
                {
                    return;
                }
                // Without a policy the gate has not looked.
                let hello = admission.hello_random();
                let hello = hello.or_else(|| hello::client_hello(datagram).flatten());
                let has_cookie = admission.has_cookie();
                self.admit(path, admission, Said { hello, has_cookie });
            }
        }
    }

    /// Whether a client's address may have another handshake.
    fn has_room_for(&self, path: Path) -> bool {
        match &self.door {
            Some(door) if matches!(door.options.cookies, Some(CookiePolicy::UnderLoad { .. })) => {
                Addresses::have_room_for(&door.addresses, path.peer.ip())
            }
            // Everybody is asked, or nobody.
            _ => true,
        }
    }

    /// A handshake may begin, if there is room for one.
    fn admit(&mut self, path: Path, admission: Admission, said: Said) {
        let (current, candidate) = self.peers.at(&path).unzip();
        let candidate = candidate.flatten().and_then(|id| self.peers.get(id));
        let here = [current, candidate.cloned()];
        // The hello of one who is here already, once more, or of a call that has crossed one of this side's.
        let mut all = here.iter().flatten();
        if !all.all(|here| here.leaves_room_for(&said)) {
            return;
        }
        let Some(door) = &self.door else {
            return;
        };
        let (options, config) = (door.options, door.config.clone());
        let (conduct, queue) = (door.acceptor.conduct.clone(), door.queue.clone());
        let mut statistics = lock(&self.endpoint.statistics);
        if self.peers.handshakes() >= options.handshakes {
            statistics.handshakes_full += 1;
            metrics::full(Full::Handshakes);
            return;
        }
        if self.peers.len() >= options.connections {
            statistics.connections_full += 1;
            metrics::full(Full::Connections);
            return;
        }
        let place = match self.endpoint.link.ends_with_errors() {
            // One peer, and it has no address.
            true => None,
            // Forged, it would count against somebody else. There are fewer of these than handshakes.
            false if admission.is_unproved() => None,
            false => match Addresses::enter(&door.addresses, client_of(&admission, path).ip()) {
                Ok(place) => Some(place),
                Err(_) => {
                    statistics.address_full += 1;
                    metrics::full(Full::Address);
                    return;
                }
            },
        };
        statistics.admitted += 1;
        drop(statistics);
        let Ok((datagrams, connection_id)) = options.identified(&self.endpoint) else {
            return;
        };
        let origin = Origin::Admitted {
            hello: admission.hello_random(),
            is_unproved: admission.is_unproved(),
        };
        let owner = self.associate(path, origin, &options, place);
        for (at, before) in here.iter().enumerate() {
            let Some(before) = before.as_ref().filter(|before| before.give_way(&said)) else {
                continue;
            };
            owner.comes_after(before);
            // The place of a connection is taken when the handshake is over.
            if at == 0 {
                let _silent = self.peers.replace(owner.id);
            }
        }
        self.peers.identify(owner.id, connection_id);
        let incoming = DtlsIncoming::new(owner, admission, config, conduct, datagrams);
        // It has as many places as there may be handshakes. Dropped, it is over.
        let _ = queue.try_send(incoming);
    }

    /// Something has changed with an association, or something is due.
    fn look_after(&mut self, id: Id) {
        let Some(association) = self.peers.get(id).cloned() else {
            return;
        };
        association.is_heard();
        let standing = association.standing();
        if standing == Standing::Handshake {
            return;
        }
        if standing == Standing::Connected
            && association.is_proved()
            && let Some(door) = &self.door
        {
            // One more of this address, which it may have had before it was known to be its.
            let _over = Addresses::enter(&door.addresses, association.path().peer.ip());
        }
        if standing == Standing::Connected
            && let Some(before) = self.peers.connected(id)
        {
            before.end(Error::limit(
                "the peer has begun another connection from the same address",
            ));
            before.close_notify();
        }
        // Before it looks for what is to be sent: what is asked for afterwards wakes it.
        let failure = association.attend();
        let before = association.path();
        let again = association.renegotiate();
        if association.path().peer != before.peer {
            self.peers.moved(id, before);
        }
        let due = match association.control(self.endpoint.monotonic()) {
            Ok(due) => due.map(|due| self.endpoint.instant(due)).or(again),
            Err(error) => {
                association.end(error);
                if matches!(standing, Standing::Abandoned(_)) {
                    return self.forget(id);
                }
                None
            }
        };
        if let Some(error) = failure {
            association.end(error);
        }
        match standing {
            Standing::Abandoned(true) => return self.forget(id),
            Standing::Abandoned(false) => self.peers.over_at(id, Instant::now() + LINGER),
            Standing::Handshake | Standing::Connected => {}
        }
        self.peers.set_due(id, due);
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        while let Some((id, is_over)) = self.peers.pop_due(now) {
            match is_over {
                true => self.forget(id),
                false => self.look_after(id),
            }
        }
        if self.next_sweep.is_some_and(|at| at <= now) {
            self.sweep();
            self.plan_sweep();
        }
    }

    /// Looks who has been silent for long.
    fn sweep(&mut self) {
        let now = self.endpoint.monotonic();
        if let Some(passages) = &mut self.passages {
            passages.sweep(now.0);
            self.publish();
        }
        for id in self.peers.ids() {
            let Some(association) = self.peers.get(id) else {
                continue;
            };
            if association.standing() != Standing::Connected {
                continue;
            }
            association.forget_old_keys(now);
            let silent = association.silent_for(now);
            if let Some(idle) = self.idle.filter(|idle| silent >= *idle) {
                association.end(Error::timeout(Stage::Connected, idle));
                association.close_notify();
            } else if self.hibernate.is_some_and(|after| silent >= after) {
                association.hibernate();
            }
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().poll_drive(cx)
    }
}

impl Drop for Driver {
    /// The runtime ends, and with it all that waits here.
    fn drop(&mut self) {
        self.take_in(self.endpoint.leave());
        for id in self.peers.ids() {
            if let Some(association) = self.peers.get(id) {
                association.end(Error::closed());
            }
        }
    }
}
