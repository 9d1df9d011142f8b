//! portcullis, once for a tool that counts.

fn main() -> std::io::Result<()> {
    portcullis_benches::single::run::<portcullis_benches::stacks::Portcullis>()
}
