//! What cargo cannot do alone: test servers, tests, benchmarks, tidiness.
fn main() {}
