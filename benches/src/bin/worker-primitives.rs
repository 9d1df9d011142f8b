//! The worker of the primitives alone.

fn main() -> std::io::Result<()> {
    portcullis_benches::worker::run_primitives()
}
