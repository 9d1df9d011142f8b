//! `portcullis client`: verification on, standard input out, answers in.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use portcullis::suite::CipherSuite;
use portcullis::{
    ClientConfig, Error, Identity, MemorySessionStore, NamedGroup, ReadHalf, Roots, ServerName,
    TlsConnector, WriteHalf,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Stdout};
use tokio::net::TcpStream;

use crate::failure::Failure;
use crate::{algorithms, key_log, report};

/// How long the peer may take to close after we have.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct Client {
    /// Where to connect: HOST:PORT.
    #[arg(value_name = "HOST:PORT")]
    target: String,
    /// Trust the certificates in this PEM file instead of those of the operating system.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cafile: Option<PathBuf>,
    /// DANGEROUS: accept any server. Anyone on the path can read and change everything.
    #[arg(long)]
    insecure: bool,
    /// The name the server must have, if it is not HOST.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Our own certificate chain (PEM), for servers that ask for one.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of --cert (PEM), if it is in a file of its own.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Application protocols in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    alpn: Vec<String>,
    /// Groups in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = algorithms::group, value_name = "NAMES")]
    groups: Vec<NamedGroup>,
    /// Cipher suites in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = algorithms::cipher, value_name = "NAMES")]
    ciphers: Vec<CipherSuite>,
    /// Connect this many times more before, resuming, and say of each connection on standard error
    /// whether it was resumed.
    #[arg(long, default_value_t = 0, value_name = "TIMES")]
    reconnect: u32,
    /// Append the connection's secrets to this file (SSLKEYLOGFILE format).
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Print what was negotiated as one line of JSON, before anything else.
    #[arg(long)]
    json: bool,
    /// Seconds for connecting and the handshake.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl Client {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let (host, name) = self.names()?;
        let mut connector =
            TlsConnector::new(self.config()?).handshake_timeout(Duration::from_secs(self.timeout));
        if let Some(log) = key_log(self.keylog.as_deref())? {
            connector = connector.key_log(log);
        }
        if self.reconnect > 0 {
            connector = connector.session_store(Arc::<MemorySessionStore>::default());
        }
        let connect = async |number: u32| {
            let connected = connector.connect(&host, name.clone()).await;
            let stream = connected.map_err(|error: Error| Failure::handshake(&error))?;
            if self.reconnect > 0 {
                let resumed = stream.is_resumed();
                let how = if resumed { "resumed" } else { "full handshake" };
                eprintln!("connection {number}: {how}");
            }
            Ok(stream)
        };
        for number in 1..=self.reconnect {
            // Until the server has closed, its tickets come.
            let closed = connect(number).await?.close(CLOSE_WITHIN).await;
            closed.map_err(|error| Failure::connection(&error.into()))?;
        }
        let stream = connect(self.reconnect.saturating_add(1)).await?;
        let mut stdout = tokio::io::stdout();
        if self.json {
            let line = format!("{}\n", report::json(stream.information()));
            stdout
                .write_all(line.as_bytes())
                .await
                .map_err(|error| Failure::transport("standard output", &error))?;
        }
        let (mut reader, mut writer) = stream.into_split();
        let result = converse(&mut reader, &mut writer, &mut stdout).await;
        result.map_err(|error| Failure::connection(&error))?;
        if let Ok(stream) = reader.reunite(writer) {
            // The peer has closed; a failure to say goodbye changes nothing.
            let _ = stream.close(CLOSE_WITHIN).await;
        }
        Ok(())
    }

    /// What to connect to, and the name its certificate must have.
    fn names(&self) -> Result<(String, ServerName<'static>), Failure> {
        let usage = || {
            Failure::usage(format!(
                "{:?} is not HOST:PORT, e.g. example.com:443",
                self.target
            ))
        };
        let (host, port) = self.target.rsplit_once(':').ok_or_else(usage)?;
        port.parse::<u16>().map_err(|_| usage())?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let (option, name) = match &self.name {
            Some(name) => ("--name ", name.as_str()),
            None => ("", bare),
        };
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            Failure::usage(format!(
                "{option}{name:?} is neither a host name nor an IP address"
            ))
        })?;
        Ok((self.target.clone(), name))
    }

    fn config(&self) -> Result<ClientConfig, Failure> {
        let usage = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let mut builder = if self.insecure {
            ClientConfig::dangerous_builder_without_verification()
        } else {
            let roots = match &self.cafile {
                Some(file) => Roots::from_pem_file(file),
                None => Roots::os(),
            };
            ClientConfig::builder(roots.map_err(usage)?)
        };
        if let Some(cert) = &self.cert {
            builder = builder
                .identity(Identity::from_pem_files(cert, self.key.as_deref()).map_err(usage)?);
        }
        if !self.groups.is_empty() {
            builder = builder.groups(self.groups.clone());
        }
        if !self.ciphers.is_empty() {
            builder = builder.cipher_suites(self.ciphers.clone());
        }
        builder
            .alpn(&self.alpn)
            .key_log(self.keylog.is_some())
            .build()
            .map_err(usage)
    }
}

/// Sends standard input and prints what comes, until the peer has closed.
async fn converse(
    reader: &mut ReadHalf<TcpStream>,
    writer: &mut WriteHalf<TcpStream>,
    stdout: &mut Stdout,
) -> std::io::Result<()> {
    let mut send = pin!(async {
        tokio::io::copy(&mut tokio::io::stdin(), writer).await?;
        writer.shutdown().await
    });
    let mut receive = pin!(async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = reader.read(&mut buffer).await?;
            let Some(data) = buffer.get(..count).filter(|data| !data.is_empty()) else {
                return Ok(());
            };
            stdout.write_all(data).await?;
            stdout.flush().await?;
        }
    });
    // When the peer has closed there is nobody to send to.
    tokio::select! {
        received = &mut receive => received,
        sent = &mut send => match sent {
            Ok(()) => receive.await,
            // The peer may have said why it takes nothing more.
            Err(error) => match tokio::time::timeout(CLOSE_WITHIN, receive).await {
                Ok(Err(reason)) => Err(reason),
                _ => Err(error),
            },
        },
    }
}
