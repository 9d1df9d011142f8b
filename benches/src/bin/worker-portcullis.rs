//! The worker of portcullis.

fn main() -> std::io::Result<()> {
    portcullis_benches::worker::run::<portcullis_benches::stacks::Portcullis>()
}
