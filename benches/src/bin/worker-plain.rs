//! The worker of plain.

fn main() -> std::io::Result<()> {
    portcullis_benches::worker::run::<portcullis_benches::stacks::Plain>()
}
