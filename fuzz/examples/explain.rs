//! Tells how one plan ends: `cargo run --manifest-path fuzz/Cargo.toml --example explain -- FILE`.

use portcullis_fuzz::bridge::Bridge;
use portcullis_fuzz::end::{End, Ours};
use portcullis_fuzz::messages::extension_types;
use portcullis_fuzz::plan::Plan;
use portcullis_fuzz::settings::Settings;

fn main() {
    let path = std::env::args_os().nth(1).expect("the path of an input");
    let plan = Plan::decode(&std::fs::read(path).expect("the input can be read"));
    let settings = Settings::new(plan.settings);
    println!("{plan:#?}\n{settings:#?}\nthey fit: {}", settings.fit());
    let ends = (
        Ours::client(&settings, &plan),
        Ours::server(&settings, &plan),
    );
    let mut bridge = Bridge::new(ends.0, ends.1, &plan, settings.fragment());
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
    }
    for (who, end) in [("client", &bridge.client), ("server", &bridge.server)] {
        println!("the {who}: {:?}, {:?}", end.facts(), end.error());
    }
}
