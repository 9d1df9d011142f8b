//! Standard input goes to the peer, and what the peer says to standard output.

use std::pin::pin;
use std::time::Duration;

use portcullis::{ReadHalf, TlsStream, WriteHalf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, Stdin};
use tokio::sync::{mpsc, oneshot};

use super::commands::{Command, Line, Lines};

use crate::io::Io;

/// How long the peer may take to close after we have.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// How it is spoken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Whether lines with a colon are commands.
    pub(super) has_commands: bool,
    /// Whether the server may ask for a certificate, which is answered as long as this side has not closed.
    pub(super) is_asked: bool,
}

/// Speaks, first what is given, until the peer has closed.
pub(super) async fn converse(
    stream: TlsStream<Io>,
    first: &[u8],
    manner: Manner,
) -> std::io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    both_ways(&mut reader, &mut writer, first, manner).await?;
    if let Ok(stream) = reader.reunite(writer) {
        // The peer has closed; a failure to say goodbye changes nothing.
        let _ = stream.close(CLOSE_WITHIN).await;
    }
    Ok(())
}

/// Whoever wants a renegotiation, and is told when it is over.
type Request = oneshot::Sender<Result<(), portcullis::Error>>;

async fn both_ways(
    reader: &mut ReadHalf<Io>,
    writer: &mut WriteHalf<Io>,
    first: &[u8],
    manner: Manner,
) -> std::io::Result<()> {
    let mut stdout = tokio::io::stdout();
    let (request, mut requests) = mpsc::channel::<Request>(1);
    let mut send = pin!(async {
        if !first.is_empty() {
            writer.write_all(first).await?;
            writer.flush().await?;
        }
        match manner {
            Manner {
                has_commands: true, ..
            } => obey(writer, request).await?,
            Manner { is_asked: true, .. } => pass_on(writer).await?,
            _ => drop(tokio::io::copy(&mut tokio::io::stdin(), writer).await?),
        }
        // The last line may be what it asks about.
        if manner.is_asked
            && let Ok(error) = tokio::time::timeout(CLOSE_WITHIN, writer.serve()).await
        {
            return Err(error.into());
        }
        writer.shutdown().await
    });
    let mut receive = pin!(async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = tokio::select! {
                Some(request) = requests.recv() => {
                    // The task that asked for it may be gone.
                    let _ = request.send(reader.renegotiate().await);
                    continue;
                }
                count = reader.read(&mut buffer) => count?,
            };
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

/// Sends standard input; what the peer asks for is answered meanwhile.
async fn pass_on(writer: &mut WriteHalf<Io>) -> std::io::Result<()> {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = tokio::select! {
            count = stdin.read(&mut buffer) => count?,
            error = writer.serve() => return Err(error.into()),
        };
        let Some(data) = buffer.get(..count).filter(|data| !data.is_empty()) else {
            return Ok(());
        };
        writer.write_all(data).await?;
        writer.flush().await?;
    }
}

/// Sends the lines of standard input, and does what those say that are commands.
async fn obey(writer: &mut WriteHalf<Io>, requests: mpsc::Sender<Request>) -> std::io::Result<()> {
    let mut lines = Lines::<BufReader<Stdin>>::new(BufReader::new(tokio::io::stdin()));
    loop {
        let line = tokio::select! {
            line = lines.next() => line?,
            // What the peer asks for is answered meanwhile.
            error = writer.serve() => return Err(error.into()),
        };
        let command = match line {
            None => return Ok(()),
            Some(Line::Data(data)) => {
                writer.write_all(data).await?;
                writer.flush().await?;
                continue;
            }
            Some(Line::Unknown(word)) => {
                eprintln!("{word}: no such command; there are {}", Command::NAMES);
                continue;
            }
            Some(Line::Command(command)) => command,
        };
        let done = match command {
            Command::Renegotiate => {
                let (request, done) = oneshot::channel();
                // Reading has ended if nobody takes it, which the end of this says.
                if requests.send(request).await.is_err() {
                    return Ok(());
                }
                tokio::select! {
                    Ok(done) = done => done,
                    error = writer.serve() => return Err(error.into()),
                }
            }
            Command::UpdateKeys => writer.update_keys(true).await,
        };
        match done {
            Ok(()) => eprintln!("{}: done", command.name()),
            Err(error) => eprintln!("{}: {error}", command.name()),
        }
    }
}
