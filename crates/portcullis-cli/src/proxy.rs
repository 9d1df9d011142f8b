//! `portcullis proxy`: the proxy of `portcullis-proxy` with a file or a few arguments.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use portcullis_proxy::{Config, Inherited, Mode, Originate, Problem, Problems, Proxy, Simple};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// How long reading a configuration again may take.
const LONGEST_RELOAD: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// The configuration (TOML). SIGHUP has it read again, with the certificates, keys and authorities that it names: all
    /// of it is taken over, or nothing. SIGHUP and SIGUSR1 open the access log anew. SIGTERM and SIGINT end: nothing more is accepted, and connections have the time
    /// that is configured; a second one cuts them.
    #[arg(value_name = "FILE", required_unless_present = "listen", conflicts_with_all = ["listen", "to"])]
    file: Option<PathBuf>,
    /// Only check the configuration: exit code 0, or 2 with all that is wrong.
    #[arg(long)]
    check: bool,
    /// With --check: as JSON.
    #[arg(long, requires = "check")]
    json: bool,
    /// Print the file that the arguments stand for, and end.
    #[arg(long, requires = "listen")]
    print_config: bool,
    /// Take the sockets of a proxy that runs, whose file has this as `process.take_over`: nobody is refused meanwhile, and it
    /// drains as soon as this one accepts. Without it, sockets of systemd (LISTEN_FDS) are taken if there are some.
    #[arg(long, value_name = "PATH", requires = "file")]
    take_over: Option<PathBuf>,
    /// Without a file: where to listen, ADDRESS:PORT, udp:ADDRESS:PORT for datagrams, or unix:PATH.
    #[arg(long, value_name = "ADDRESS", requires = "to", num_args = 1..)]
    listen: Vec<String>,
    /// Where connections go: HOST:PORT, udp:HOST:PORT or unix:PATH, several of the same kind.
    #[arg(long, value_name = "SERVER", requires = "listen", num_args = 1..)]
    to: Vec<String>,
    /// Clients speak TLS, and are shown this certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "listen")]
    cert: Option<PathBuf>,
    /// The key of --cert (PEM), if it is in a file of its own.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The authorities of clients (PEM), which then have to show a certificate.
    #[arg(long, value_name = "FILE", requires = "cert")]
    client_cafile: Option<PathBuf>,
    /// Application protocols in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES", requires = "cert")]
    alpn: Vec<String>,
    /// Servers speak TLS, and are verified.
    #[arg(long, requires = "listen")]
    originate: bool,
    /// With --originate: the name that their certificates are for. [default: the host of --to]
    #[arg(long, value_name = "NAME", requires = "originate")]
    server_name: Option<String>,
    /// With --originate: their authorities (PEM). [default: those of the system]
    #[arg(long, value_name = "FILE", requires = "originate")]
    cafile: Option<PathBuf>,
    /// TLS is passed on as it is; that it is TLS is seen to.
    #[arg(long, requires = "listen", conflicts_with_all = ["cert", "originate"])]
    pass: bool,
}

impl Command {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let simple = self.simple();
        if self.print_config
            && let Some(simple) = &simple
        {
            print!("{}", simple.to_toml());
            return Ok(());
        }
        let loaded = match (&self.file, &simple) {
            (Some(file), _) => load(file).await?,
            (None, Some(simple)) => simple.load(),
            (None, None) => return Err(Failure::usage("give a file, or --listen and --to")),
        };
        if self.check {
            return self.report(loaded);
        }
        let config = loaded.map_err(refused)?;
        warn(config.warnings());
        self.serve(config).await
    }

    /// What arguments stand for.
    fn simple(&self) -> Option<Simple> {
        let originate = self.originate.then(|| Originate {
            name: self.server_name.clone(),
            roots: self.cafile.clone(),
        });
        let mode = match (&self.cert, originate) {
            (Some(cert), originate) => Mode::Terminate {
                cert: cert.clone(),
                key: self.key.clone(),
                client_roots: self.client_cafile.clone(),
                alpn: self.alpn.clone(),
                originate,
            },
            (None, Some(originate)) => Mode::Originate(originate),
            (None, None) if self.pass => Mode::Pass,
            (None, None) => Mode::Off,
        };
        (!self.listen.is_empty()).then(|| Simple {
            listen: self.listen.clone(),
            to: self.to.clone(),
            mode,
        })
    }

    /// For --check.
    fn report(&self, loaded: Result<Config, Problems>) -> Result<(), Failure> {
        let list = |problems: &[Problem]| {
            let problems = problems.iter().map(|it| {
                json!({ "file": it.file, "line": it.line, "column": it.column, "text": it.text })
            });
            problems.collect::<Vec<_>>()
        };
        if self.json {
            let page = match &loaded {
                Ok(config) => json!({
                    "schema": "portcullis.proxy-check/1",
                    "ok": true,
                    "summary": config.summary(),
                    "problems": [],
                    "warnings": list(config.warnings()),
                }),
                Err(Problems(problems)) => json!({
                    "schema": "portcullis.proxy-check/1",
                    "ok": false,
                    "summary": null,
                    "problems": list(problems),
                    "warnings": [],
                }),
            };
            println!("{page}");
            return loaded.map(drop).map_err(|it| refused(it).told());
        }
        let config = loaded.map_err(refused)?;
        warn(config.warnings());
        println!("ok: {}", config.summary());
        Ok(())
    }

    async fn serve(&self, config: Config) -> Result<(), Failure> {
        let signal = |kind| signal(kind).map_err(|error| Failure::transport("signals", &error));
        let (mut hang_up, mut log_moved, mut terminate, mut interrupt) = (
            signal(SignalKind::hangup())?,
            signal(SignalKind::user_defined1())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let failed = |what: &'static str| move |error| Failure::transport(what, &error);
        let inherited = match &self.take_over {
            Some(path) => Inherited::take_over(path, &config).map_err(failed("--take-over"))?,
            None => Inherited::from_systemd().map_err(failed("LISTEN_FDS"))?,
        };
        let proxy = Proxy::start_with(config, inherited).map_err(failed("proxy"))?;
        for (_, address) in proxy.listening() {
            println!("READY {address}");
        }
        if let Some(admin) = proxy.admin() {
            println!("ADMIN {admin}");
        }
        loop {
            // A file may be on a disk that does not answer: whoever wants this to end does not wait for it.
            let ends = async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            let reloads = async {
                tokio::select! {
                    _ = hang_up.recv() => reopen_log(&proxy).await,
                    _ = log_moved.recv() => return reopen_log(&proxy).await,
                    () = self.files_changed(&proxy) => {}
                }
                let reload = self.reload(&proxy);
                if tokio::time::timeout(LONGEST_RELOAD, reload).await.is_err() {
                    let why = format!("reading its files took longer than {LONGEST_RELOAD:?}");
                    proxy.reload_failed(&why);
                    eprintln!("portcullis: not reloaded, what was there goes on: {why}");
                }
            };
            tokio::select! {
                () = reloads => {}
                () = ends => break,
                () = proxy.taken_over() => {
                    eprintln!("portcullis: another has taken over");
                    break;
                }
            }
        }
        let again = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let left = proxy.drain_until(again).await;
        if left > 0 {
            eprintln!("portcullis: {left} connections were cut");
        }
        Ok(())
    }

    async fn files_changed(&self, proxy: &Proxy) {
        match &self.file {
            Some(file) => proxy.files_changed(file).await,
            None => std::future::pending().await,
        }
    }

    async fn reload(&self, proxy: &Proxy) {
        let Some(file) = &self.file else {
            eprintln!("portcullis: without a file there is nothing to read again");
            return;
        };
        let loaded = match load(file).await {
            Ok(loaded) => loaded.map_err(|problems| problems.to_string()),
            Err(failure) => Err(failure.to_string()),
        };
        let taken = match loaded {
            Ok(config) => {
                warn(config.warnings());
                let summary = config.summary();
                let taken = proxy.reload(config).await;
                taken.map(|()| summary).map_err(|error| error.to_string())
            }
            Err(why) => {
                proxy.reload_failed(&why);
                Err(why)
            }
        };
        match taken {
            Ok(summary) => eprintln!("portcullis: reloaded: {summary}"),
            Err(why) => eprintln!("portcullis: not reloaded, what was there goes on: {why}"),
        }
    }
}

async fn reopen_log(proxy: &Proxy) {
    if let Err(error) = proxy.reopen_log().await {
        eprintln!("portcullis: the access log goes on in the file that was there: {error}");
    }
}

/// Reading keys and roots takes a while, in which others are served.
async fn load(file: &Path) -> Result<Result<Config, Problems>, Failure> {
    let file = file.to_owned();
    let loading = tokio::task::spawn_blocking(move || Config::load(&file));
    loading
        .await
        .map_err(|error| Failure::usage(error.to_string()))
}

fn warn(warnings: &[Problem]) {
    for warning in warnings {
        eprintln!("portcullis: warning: {warning}");
    }
}

fn refused(problems: Problems) -> Failure {
    Failure::usage(problems.to_string())
}
