//! The hub side by side with the usual way, a list of `actix-ws` sessions: `cargo bench -p duplex-core`.
//!
//! Both servers run in processes of their own, with one thread for HTTP each, and take turns within each round. The
//! figures are per second of the server's processor time, which other load on the machine disturbs least; the last
//! column is the ratio of the two, its median with the least and the most over the rounds. Linux only: it reads `/proc`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark stops at the first surprise"
)]

mod load;
mod process;
mod servers;
mod socket;

use clap::{Parser, ValueEnum};

use crate::{load::Scene, process::Server};

/// Measures the hub against a list of actix-ws sessions.
#[derive(Parser)]
struct Flags {
    /// How often each scene is played with each server.
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Sockets that are open.
    #[arg(long, default_value_t = 1000)]
    sockets: usize,

    /// Serve instead of measuring: how the benchmark starts its servers.
    #[arg(long, value_enum, hide = true)]
    serve: Option<servers::Kind>,

    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let flags = Flags::parse();
    duplex_core::raise_descriptor_limit();
    match flags.serve {
        Some(kind) => servers::serve(kind).await,
        None => compare(&flags).await,
    }
}

async fn compare(flags: &Flags) {
    println!("{} sockets, {} rounds; per second of processor time\n", flags.sockets, flags.rounds);
    println!("{:<34}{:>12}{:>12}   ratio", "", "duplex", "actix-ws");
    for scene in Scene::ALL {
        let mut duplex = Vec::new();
        let mut actix_ws = Vec::new();
        for _ in 0..flags.rounds {
            duplex.push(play(scene, servers::Kind::Duplex, flags.sockets).await);
            actix_ws.push(play(scene, servers::Kind::ActixWs, flags.sockets).await);
        }
        report(scene, &duplex, &actix_ws);
    }
}

async fn play(scene: Scene, kind: servers::Kind, sockets: usize) -> f64 {
    let kind = kind.to_possible_value().expect("no kind is hidden");
    let server = Server::start(kind.get_name());
    scene.play(&server, sockets).await
}

fn report(scene: Scene, duplex: &[f64], actix_ws: &[f64]) {
    let ratios: Vec<f64> = duplex.iter().zip(actix_ws).map(|(ours, theirs)| ours / theirs).collect();
    let (least, middle, most) = spread(&ratios);
    println!(
        "{:<34}{:>12.0}{:>12.0}   {middle:.2} ({least:.2} to {most:.2})",
        scene.name(),
        spread(duplex).1,
        spread(actix_ws).1,
    );
}

/// The least, the median and the most.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}
