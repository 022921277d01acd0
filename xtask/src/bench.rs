//! `cargo xtask bench`: what Heartline costs beside other proxies, measured on this machine.

mod counted;
mod echo;
mod envoy;
mod peers;
mod place;
mod processes;

use std::process::ExitCode;

/// Measures.
pub fn run(arguments: &[String]) -> ExitCode {
    match measure(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &[String]) -> Result<(), String> {
    place::settle()?;
    let upstream = echo::serve().map_err(|error| error.to_string())?;
    let place = place::Place::new(upstream)?;
    for peer in peers::PEERS.iter().filter(|peer| arguments.iter().any(|name| name == peer.name)) {
        println!("{} instructions {:.0}", peer.name, counted::instructions(&place, peer)?);
        println!("{} {:.2?}", peer.name, counted::syscalls(&place, peer)?);
    }
    if let Some(kept) = std::env::var_os("KEEP") {
        std::process::Command::new("cp").arg("-r").arg(place.dir()).arg(kept).status().unwrap();
    }
    Ok(())
}
