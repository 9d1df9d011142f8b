//! The server over DTLS: each message goes back to whoever has sent it.

use std::fmt::Write as _;

use portcullis::{DtlsAcceptor, DtlsConnection, DtlsIncoming, DtlsListener, TlsAcceptor};

use super::{MAX_CONNECTIONS, Server, failed};
use crate::failure::Failure;
use crate::report;
use crate::said::say;

impl Server {
    /// Serves until it is stopped, or once.
    pub(super) async fn serve_datagrams(&self, acceptor: TlsAcceptor) -> Result<(), Failure> {
        let options = crate::datagram_options(self.mtu, self.cid).connections(MAX_CONNECTIONS);
        let acceptor = DtlsAcceptor::new(acceptor).options(options);
        acceptor
            .check()
            .map_err(|misuse| Failure::usage(misuse.to_string()))?;
        let listen = |error| Failure::transport(&format!("listening on {}", self.listen), &error);
        let listener = DtlsListener::bind(self.listen, acceptor)
            .await
            .map_err(listen)?;
        println!("READY {}", listener.local_addr().map_err(listen)?);
        loop {
            let incoming = listener.accept().await.map_err(failed)?;
            let is_verbose = self.verbosity.is_verbose();
            if self.once {
                return serve(incoming, is_verbose).await;
            }
            tokio::spawn(async move {
                let peer = incoming.peer_addr();
                if let Err(failure) = serve(incoming, is_verbose).await {
                    let peer = peer.map(|peer| format!("{peer}: ")).unwrap_or_default();
                    say(format!("portcullis: {peer}{failure}"));
                }
            });
        }
    }
}

async fn serve(incoming: DtlsIncoming, is_verbose: bool) -> Result<(), Failure> {
    let connection = incoming.handshake().await.map_err(failed)?;
    if is_verbose {
        let peer = connection.peer_addr().map(|peer| peer.to_string());
        let peer = peer.unwrap_or_default();
        let mut facts = report::text(connection.information());
        if let Some(ids) = crate::connection_ids(&connection) {
            let _ = writeln!(facts, "{:<17}{ids}", "connection ids:");
        }
        say(format!("{:<17}{peer}\n{facts}", "client:"));
    }
    let echoed = echo(connection).await;
    echoed.map_err(|error| Failure::connection(&error.into()))
}

async fn echo(mut connection: DtlsConnection) -> Result<(), portcullis::Error> {
    loop {
        match connection.recv().await {
            Ok(message) => connection.send(&[&message]).await?,
            Err(error) if error.is_closed() => {
                // The client has closed, and hears so of us, or does not: nothing is lost by that.
                let _ = connection.close(super::CLOSE_WITHIN).await;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}
