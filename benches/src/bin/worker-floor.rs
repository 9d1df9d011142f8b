//! The worker of the primitives alone.

fn main() -> std::io::Result<()> {
    portcullis_benches::worker::serve(
        portcullis_benches::floor::NAME,
        portcullis_benches::floor::measure,
    )
}
