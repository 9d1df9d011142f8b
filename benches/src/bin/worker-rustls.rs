//! The worker of rustls.

fn main() -> std::io::Result<()> {
    portcullis_benches::worker::run::<portcullis_benches::stacks::Rustls>()
}
