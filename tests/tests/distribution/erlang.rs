//! Erlang as a node of its distribution over TLS.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::PathBuf;

use portcullis_tests::peers::Program;
use portcullis_tests::pki::{Identity, pki};
use portcullis_tests::scratch;
use tokio::net::TcpStream;

const PACKAGE: &str = "erlang-base erlang-ssl erlang-crypto erlang-public-key erlang-asn1";
/// Evaluates the lines that it reads, and prints `RESULT`, its number and what came out.
const READ_AND_EVALUATE: &str = r#"
    Loop = fun(Loop, N) ->
        case io:get_line("") of
            eof -> halt();
            Line ->
                {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Line)),
                {ok, Exprs} = erl_parse:parse_exprs(Tokens),
                Result = try {value, V, _} = erl_eval:exprs(Exprs, []), V
                         catch Class:Reason -> {Class, Reason} end,
                io:format("RESULT ~b ~0tp~n", [N, Result]),
                Loop(Loop, N + 1)
        end
    end,
    spawn(fun() -> io:format("READY ~s~n", [os:getpid()]), Loop(Loop, 1) end).
"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn loopback(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::LOCALHOST.into(),
            Self::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }
}

/// An epmd of a test's own.
pub(crate) struct Epmd {
    pub(crate) port: u16,
    _program: Program,
}

impl Epmd {
    pub(crate) async fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = free.expect("a free port").port();
        let program = Program::start("epmd", PACKAGE, ["-port".to_owned(), port.to_string()]);
        let limit = portcullis_tests::peers::program::LIMIT;
        let reached = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(limit, reached)
            .await
            .expect("epmd listens");
        Self {
            port,
            _program: program,
        }
    }
}

/// How an Erlang node is started.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) family: Family,
    /// As Erlang writes it.
    pub(crate) version: &'static str,
    pub(crate) cookie: &'static str,
    pub(crate) server: &'static Identity,
    /// `None`: it shows no certificate when it connects.
    pub(crate) client: Option<&'static Identity>,
    /// Over TLS; else in the clear.
    pub(crate) tls: bool,
}

impl Options {
    pub(crate) fn new() -> Self {
        Self {
            family: Family::V4,
            version: "tlsv1.3",
            cookie: super::COOKIE,
            server: &pki().node,
            client: Some(&pki().node),
            tls: true,
        }
    }

    /// The file of `-ssl_dist_optfile`.
    pub(crate) fn file(self) -> PathBuf {
        let section = |identity: Option<&Identity>| {
            let mut options = format!(
                "{{versions, ['{}']}}, {{verify, verify_peer}}, {{cacertfile, {:?}}}",
                self.version,
                pki().root.file
            );
            if let Some(identity) = identity {
                let (chain, key) = (&identity.chain_file, &identity.key_file);
                let _ = write!(options, ", {{certfile, {chain:?}}}, {{keyfile, {key:?}}}");
            }
            options
        };
        let text = format!(
            "% Of both roles.\n[{{server, [{}, {{fail_if_no_peer_cert, true}}]}},\n {{client, [{}]}}].\n",
            section(Some(self.server)),
            section(self.client)
        );
        scratch::file("ssl_dist.conf", text)
    }
}

pub(crate) struct Erlang {
    program: Program,
    pub(crate) name: String,
    process: String,
    asked: usize,
}

impl Erlang {
    pub(crate) async fn start(epmd: &Epmd, options: Options) -> Self {
        let name = "erlang@localhost".to_owned();
        // No system's hosts have to be as the test needs them.
        let hosts = match options.family {
            Family::V4 => "{host, {127,0,0,1}, [\"localhost\"]}. {lookup, [file]}.\n",
            Family::V6 => {
                "{host, {0,0,0,0,0,0,0,1}, [\"localhost\"]}. {lookup, [file]}. {inet6, true}.\n"
            }
        };
        let hosts = scratch::file("inetrc", hosts);
        let mut arguments = vec![
            format!("ERL_EPMD_PORT={}", epmd.port),
            format!("ERL_INETRC={}", hosts.display()),
            "erl".to_owned(),
        ];
        let mut add = |text: &str| arguments.extend(text.split(' ').map(str::to_owned));
        add("-noshell -kernel net_ticktime 4");
        match (options.tls, options.family) {
            (false, _) => {}
            (true, Family::V4) => add("-proto_dist inet_tls"),
            (true, Family::V6) => add("-proto_dist inet6_tls"),
        }
        if options.tls {
            add(&format!("-ssl_dist_optfile {}", options.file().display()));
        }
        add(&format!("-sname {name} -setcookie {}", options.cookie));
        arguments.extend(["-eval".to_owned(), READ_AND_EVALUATE.replace('\n', " ")]);
        let mut program = Program::start("env", PACKAGE, arguments);
        let ready = program.wait_for_line("READY ").await;
        let process = ready.trim_start_matches("READY ").trim().to_owned();
        Self {
            program,
            name,
            process,
            asked: 0,
        }
    }

    /// What an expression of one line comes to.
    pub(crate) async fn ask(&mut self, expression: &str) -> String {
        self.asked += 1;
        self.program
            .send(format!("{expression}.\n").as_bytes())
            .await;
        let result = format!("RESULT {} ", self.asked);
        let line = self.program.wait_for_line(&result).await;
        line.trim_start_matches(&result).to_owned()
    }

    /// Stops or continues it.
    pub(crate) async fn signal(&self, signal: &str) {
        let done = Program::start("kill", "procps", [signal, &self.process]);
        let (status, output) = done.finish().await;
        assert!(status.success(), "{output}");
    }

    /// Waits until it has printed a line with this.
    pub(crate) async fn shows(&mut self, marker: &str) {
        self.program.wait_for_line(marker).await;
    }

    pub(crate) fn output(&self) -> String {
        self.program.output().to_string()
    }
}
