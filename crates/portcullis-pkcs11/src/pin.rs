//! Where a PIN is from.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cryptoki::types::RawAuthPin;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::error::TokenError;
use crate::uri::Pkcs11Uri;

/// The longest PIN, in bytes.
const LONGEST: usize = 256;
/// How long whoever has it may take.
const ASK_WITHIN: Duration = Duration::from_secs(60);

type Secret = Zeroizing<Vec<u8>>;
type Asking = Pin<Box<dyn Future<Output = Result<Secret, TokenError>> + Send>>;

#[derive(Clone)]
pub(crate) enum PinFrom {
    /// Where the URI says, if it does.
    Uri,
    Given(Secret),
    File(PathBuf),
    Asked(Arc<dyn Fn(String) -> Asking + Send + Sync>),
}

impl PinFrom {
    pub(crate) fn asking<F, Fut, P, E>(ask: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<P, E>> + Send + 'static,
        P: Into<Vec<u8>>,
        E: fmt::Display,
    {
        Self::Asked(Arc::new(move |key| {
            let asking = ask(key);
            Box::pin(async move {
                match asking.await {
                    Ok(pin) => Ok(Zeroizing::new(pin.into())),
                    Err(error) => Err(TokenError::new(format!("there is no PIN: {error}"))),
                }
            })
        }))
    }

    /// The PIN; `None` if there is none, for tokens that want none or ask for it themselves.
    pub(crate) async fn get(&self, uri: &Pkcs11Uri) -> Result<Option<RawAuthPin>, TokenError> {
        let pin = match (self, &uri.pin_value, &uri.pin_source) {
            (Self::Given(pin), _, _) | (Self::Uri, Some(pin), _) => pin.clone(),
            (Self::File(path), _, _) | (Self::Uri, None, Some(path)) => {
                let path = path.clone();
                let reading = tokio::task::spawn_blocking(move || from_file(&path));
                let ended = |_| TokenError::new("the runtime has ended");
                reading.await.map_err(ended)??
            }
            (Self::Asked(ask), _, _) => {
                let asked = timeout(ASK_WITHIN, ask(uri.to_string())).await;
                asked.unwrap_or_else(|_| {
                    let sentence =
                        format!("there is no PIN: it was not given within {ASK_WITHIN:?}");
                    Err(TokenError::new(sentence))
                })?
            }
            (Self::Uri, None, None) => return Ok(None),
        };
        if pin.is_empty() || pin.len() > LONGEST {
            let file = match (self, &uri.pin_source) {
                (Self::File(path), _) => Some(path),
                (Self::Uri, source) if uri.pin_value.is_none() => source.as_ref(),
                _ => None,
            };
            let file = file.map(|path| format!("the PIN in {}: ", path.display()));
            let file = file.unwrap_or_default();
            let sentence = format!("{file}a PIN has 1 to {LONGEST} bytes");
            return Err(TokenError::new(sentence));
        }
        Ok(Some(RawAuthPin::new(Box::new(pin.to_vec()))))
    }
}

/// All of a file but a newline at its end, as editors leave it.
fn from_file(path: &Path) -> Result<Secret, TokenError> {
    let wrong =
        |error: std::io::Error| TokenError::new(format!("the PIN in {}: {error}", path.display()));
    // Room for a newline, and a byte to see that there are more. It does not grow.
    let mut pin = Zeroizing::new(vec![0; LONGEST + 3]);
    let mut length = 0;
    let mut file = File::open(path).map_err(wrong)?;
    while let Some(room) = pin.get_mut(length..)
        && !room.is_empty()
    {
        match file.read(room).map_err(wrong)? {
            0 => break,
            count => length += count,
        }
    }
    pin.truncate(length);
    let kept = pin.strip_suffix(b"\n").unwrap_or(&pin);
    let kept = kept.strip_suffix(b"\r").unwrap_or(kept).len();
    pin.truncate(kept);
    Ok(pin)
}

impl fmt::Debug for PinFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uri => "Uri",
            Self::Given(_) => "Given",
            Self::File(_) => "File",
            Self::Asked(_) => "Asked",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wrong_with_a_file_is_said_of_it() {
        let path = std::env::temp_dir().join(format!("portcullis-pin-{}", std::process::id()));
        let named = path.display().to_string();
        let uri: Pkcs11Uri = "pkcs11:token=t".parse().unwrap();
        let from_uri: Pkcs11Uri = format!("pkcs11:token=t?pin-source={named}")
            .parse()
            .unwrap();
        for contents in [None, Some(Vec::new()), Some(vec![b'7'; LONGEST + 1])] {
            if let Some(contents) = contents {
                std::fs::write(&path, contents).unwrap();
            }
            for pin in [
                PinFrom::File(path.clone()).get(&uri).await,
                PinFrom::Uri.get(&from_uri).await,
            ] {
                let said = pin.unwrap_err().to_string();
                assert!(said.contains(&named) && !said.contains("77"), "{said}");
            }
        }
        std::fs::remove_file(&path).unwrap();
        let said = PinFrom::Given(Zeroizing::new(Vec::new())).get(&uri).await;
        assert!(!said.unwrap_err().to_string().contains(&named));
    }
}
