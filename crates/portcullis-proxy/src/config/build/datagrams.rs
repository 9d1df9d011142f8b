//! What means nothing over datagrams is refused by its name.

use std::ops::Range;
use std::sync::Arc;

use super::super::model::{self, Tls};
use super::super::plan::Listener;
use super::Maker;
use crate::address::ListenAddress;
use crate::backend::{Backend, Server};
use crate::proxy_header::Version;
use crate::route::{Mode, Route};

impl Maker<'_> {
    /// The addresses of a listener are of one kind, and nothing stands before datagrams.
    pub(super) fn check_addresses(&self, entry: &model::Listener, addresses: &[ListenAddress]) {
        let udp = addresses.iter().filter(|it| it.is_udp()).count();
        let name = entry.name.get_ref();
        if udp > 0 && udp < addresses.len() {
            let text = format!(
                "listener \"{name}\" has addresses with udp: and others; give each kind a listener of its own"
            );
            self.wrong(&entry.name.span(), text);
        }
        if udp > 0 && !entry.proxies.is_empty() {
            let text = "proxy_protocol: headers of the PROXY protocol are not read before datagrams; remove it, or listen on TCP";
            self.wrong(&entry.proxy_span, text);
        }
    }

    /// The servers of a backend are of one kind.
    pub(super) fn check_servers(
        &self,
        entry: &model::Backend,
        name: &str,
        servers: &[Arc<Server>],
    ) {
        let udp = servers.iter().filter(|it| it.address.is_udp()).count();
        if udp == 0 {
            return;
        }
        let first = entry.servers.first().map_or(0..0, |it| it.span());
        if udp < servers.len() {
            let text = format!(
                "backend \"{name}\" has servers with udp: and others; give each kind a backend of its own"
            );
            self.wrong(&first, text);
        }
        if entry.send_proxy == Some(Version::V1) {
            let text = "send_proxy: version 1 of the header has no form for datagrams; say \"v2\", or remove it";
            self.wrong(&entry.send_proxy_span, text);
        }
        if entry.send_proxy.is_some() && entry.tls.is_some() {
            let text = "send_proxy: over udp: the header stands in each datagram, and those to a server with `tls` are records \
                        of DTLS, where nobody looks for one; remove one of the two";
            self.wrong(&entry.send_proxy_span, text);
        }
        if entry.health.is_some() && entry.tls.is_none() {
            let text = "health: over UDP without TLS nobody says whether a server is there; remove it, or give `tls` (DTLS). \
                        A server is passed over when the network says that nobody is there";
            self.wrong(&entry.health_span, text);
        }
        if let Some(tls) = &entry.tls
            && tls.lenient.is_some()
        {
            self.no_truncation(&tls.truncation_span);
        }
    }

    fn no_truncation(&self, span: &Range<usize>) {
        let text = "truncation: datagrams get lost, and close_notify with them, so an end without it means nothing; \
                    remove `truncation`";
        self.wrong(span, text);
    }

    /// A route leads from datagrams to datagrams, and has nothing that is of streams.
    pub(super) fn check_datagrams(
        &self,
        title: &str,
        entry: &model::Route,
        listener: &Listener,
        backend: Option<&Backend>,
    ) {
        let is_udp = listener.is_udp();
        if let Some(backend) = backend
            && backend.is_udp() != is_udp
            && !listener.addresses.is_empty()
        {
            let (from, to) = match is_udp {
                true => ("datagrams", "servers without udp:"),
                false => ("streams", "servers with udp:"),
            };
            let text = format!(
                "{title} leads from {from} (listener \"{}\") to {to} (backend \"{}\"); both have to be of one kind",
                listener.name, backend.name
            );
            self.wrong(&entry.span, text);
        }
        if !is_udp {
            return;
        }
        if let Some(early) = &entry.early_data {
            let text = "early_data: over datagrams each client is asked for a cookie, and behind the second hello, which has it, there \
                        is no early data (RFC 8446 4.2.10, RFC 9147 5.1); remove it, or pass DTLS on to a server that asks for none";
            self.wrong(&early.span, text);
        }
        if entry.lenient.is_some() && entry.tls != Some(Tls::Off) && entry.tls != Some(Tls::Pass) {
            self.no_truncation(&entry.truncation_span);
        }
    }

    /// Connections of DTLS are in the process that has the socket, and not in the system.
    pub(super) fn check_take_over(&self, listeners: &[Listener]) {
        let udp = listeners.iter().find(|it| it.is_udp());
        if let (Some(text), Some(listener)) = (&self.file.take_over, udp) {
            let text_of = format!(
                "process.take_over: a socket of datagrams cannot be given away, since those of its connections would come to \
                 the next proxy, which does not know them; remove it, or give listener \"{}\" a proxy of its own",
                listener.name
            );
            self.wrong(&text.span(), text_of);
        }
    }

    /// Whoever terminates DTLS answers a hello with a cookie of its own, and whoever passes it on answers nothing.
    pub(super) fn check_passing(&self, entry: &model::Listener, listener: &Listener) {
        let routes = &listener.routes;
        let terminates = |route: &Arc<Route>| matches!(route.mode, Mode::Terminate(..));
        if listener.is_udp() && routes.passes() && routes.0.iter().any(terminates) {
            let text = format!(
                "listener \"{}\" passes DTLS on for some names and terminates it for others: over datagrams the one who terminates \
                 it asks for a cookie, and the one who passes it on leaves that to the server; give each a listener of its own",
                listener.name
            );
            self.wrong(&entry.name.span(), text);
        }
    }
}
