//! Files that are taken over while the server runs, and keys in tokens.

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis::{
    IdentityFiles, LoadedFiles, MemoryCrls, Misuse, Parts, ReloadEvent, Reloader, ServerConfig,
    Stapler, Watching,
};
use portcullis_pkcs11::{Pkcs11Key, Pkcs11Uri};

use crate::cert::{KeyPassword, about_files};
use crate::failure::Failure;
use crate::said::say;

/// How long files may not fit together before that is said. What is written later is taken over all the same.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is read again.
pub(super) struct Files<'a> {
    pub(super) cert: &'a Path,
    pub(super) key: Option<&'a Path>,
    pub(super) password: &'a KeyPassword,
    pub(super) roots: Option<&'a Path>,
    pub(super) crls: &'a [(PathBuf, MemoryCrls)],
    /// Whether OCSP responses are fetched for what is in `cert`.
    pub(super) asks_responder: bool,
}

impl Files<'_> {
    pub(super) async fn load(
        &self,
        build: impl Fn(&Parts) -> Result<ServerConfig, Failure> + Send + Sync + 'static,
    ) -> Result<LoadedFiles<ServerConfig>, Failure> {
        let mut identity = IdentityFiles::new(self.cert);
        if let Some(key) = self.key {
            identity = identity.key(key);
        }
        if self.password.load()?.is_some() {
            let password = self.password.clone();
            identity = identity.ask_password(move |_| {
                let password = password.load().map_err(|failure| failure.to_string());
                async move {
                    let password = password?.map(|mut password| std::mem::take(&mut *password));
                    password.ok_or_else(|| "it was taken away".to_owned())
                }
            });
        }
        if self.asks_responder {
            identity = identity.stapler(Stapler::new);
        }
        let mut reloader = Reloader::new().identity(identity).patience(PATIENCE);
        if let Some(roots) = self.roots {
            reloader = reloader.roots(roots);
        }
        for (path, crls) in self.crls {
            reloader = reloader.crls(path, crls);
        }
        let build =
            move |parts: &Parts| build(parts).map_err(|failure| Misuse::new(failure.to_string()));
        let loaded = reloader.load(build).await;
        loaded.map_err(|error| about_files(&error.to_string(), self.key.is_some()))
    }
}

/// Says what was taken over, and looks at once when it is told to.
pub(super) async fn report(mut watching: Watching) {
    #[cfg(unix)]
    let mut hang_up = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok();
    loop {
        #[cfg(unix)]
        let told = async {
            match &mut hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        #[cfg(not(unix))]
        let told = std::future::pending::<Option<()>>();
        let event = tokio::select! {
            event = watching.next_event() => event,
            _ = told => {
                watching.look_now();
                continue;
            }
        };
        match event {
            Some(ReloadEvent::Published { changed, .. }) => {
                let changed: Vec<_> = changed
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect();
                say(format!("portcullis: taken over: {}", changed.join(", ")));
            }
            Some(ReloadEvent::Rejected { error, .. }) => {
                say(format!(
                    "portcullis: not taken over, what was there stays: {error}"
                ));
            }
            Some(ReloadEvent::NotWatched { error }) => {
                say(format!(
                    "portcullis: {error}; files are looked at every two minutes"
                ));
            }
            Some(ReloadEvent::Warning { path, warning }) => {
                say(format!("portcullis: {}: {warning}", path.display()));
            }
            Some(_) => {}
            None => return,
        }
    }
}

/// Opens a key in a token.
pub(super) async fn token(uri: &Pkcs11Uri, pin: &KeyPassword) -> Result<Pkcs11Key, Failure> {
    let mut builder = Pkcs11Key::builder(uri.clone());
    if let Some(mut pin) = pin.load()? {
        if uri.has_pin() {
            return Err(Failure::usage(
                "--pkcs11: the URI has a PIN, and --password-file or --password-env has one, too",
            ));
        }
        builder = builder.pin(std::mem::take(&mut *pin));
    }
    let opened = builder.open().await;
    opened.map_err(|error| Failure::usage(format!("--pkcs11: {error}")))
}
