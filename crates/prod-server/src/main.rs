//! `prod-server`.

fn main() {}
