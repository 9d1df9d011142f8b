//! The primitives of a handshake, once for a tool that counts.

fn main() -> std::io::Result<()> {
    portcullis_benches::single::run_primitives()
}
