//! `dev-server`.

fn main() {}
