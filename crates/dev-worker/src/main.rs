//! `dev-worker`.

fn main() {}
