//! Tells how one plan ends:
//! `cargo run --manifest-path fuzz/Cargo.toml --example explain -- FILE [client|server]`,
//! with that end rustls'.

use portcullis_fuzz::bridge::Bridge;
use portcullis_fuzz::difference;
use portcullis_fuzz::end::{End, Ours};
use portcullis_fuzz::messages::extension_types;
use portcullis_fuzz::plan::Plan;
use portcullis_fuzz::rustls_end::Theirs;
use portcullis_fuzz::settings::Settings;

fn main() {
    let mut args = std::env::args_os().skip(1);
    let path = args.next().expect("the path of an input");
    let plan = Plan::decode(&std::fs::read(path).expect("the input can be read"));
    let settings = Settings::new(plan.settings);
    println!("{plan:#?}\n{settings:#?}\nthey fit: {}", settings.fit());
    println!("difference: {:?}", difference::find(&plan));
    let client = || Ours::client(&settings, &plan);
    let server = || Ours::server(&settings, &plan);
    let rustls = args.next().map(|arg| arg.into_string());
    match rustls.as_ref().map(|arg| arg.as_deref()) {
        None => {
            let (client, server) = tell(client(), server(), &plan, &settings);
            println!("{:?}\n{:?}", client.error(), server.error());
            println!("asked: {:?}\n{:?}", client.questions(), server.questions());
        }
        Some(Ok("client")) => {
            let client = Theirs::client(&settings, &plan);
            tell(client, server(), &plan, &settings);
        }
        Some(Ok("server")) => {
            let server = Theirs::server(&settings, &plan);
            tell(client(), server, &plan, &settings);
        }
        Some(other) => panic!("{other:?} is neither client nor server"),
    }
}

fn tell<C: End, S: End>(client: C, server: S, plan: &Plan, settings: &Settings) -> (C, S) {
    let mut bridge = Bridge::new(client, server, plan, settings.fragment());
    bridge.run();
    for (writer, who) in ["client", "server"].into_iter().enumerate() {
        for (what, seen) in [
            ("sent", bridge.sent(writer)),
            ("of which arrived", bridge.got(writer)),
        ] {
            println!("the {who} {what}:");
            for message in &seen.messages {
                let extensions = extension_types(message);
                println!("  {} of {} bytes {extensions:?}", message[0], message.len());
            }
            println!("  data: {}", seen.data.escape_ascii());
        }
        let mut given = &bridge.given[writer][..];
        println!("records given:");
        while let Some(&[typ, a, b, high, low]) = given.first_chunk() {
            let length = usize::from(u16::from_be_bytes([high, low]));
            println!("  {typ} {a}.{b}, {length} bytes");
            given = given.get(5 + length..).unwrap_or_default();
        }
    }
    let (client, server) = (bridge.client, bridge.server);
    println!("client: {:?}, {:?}", client.facts(), client.verdict());
    println!("server: {:?}, {:?}", server.facts(), server.verdict());
    (client, server)
}
