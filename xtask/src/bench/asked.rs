//! What it costs to be asked how things stand, with many connections on many routes.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use super::cpu;
use super::echo::Client;
use super::history::ask;
use super::peers::{Peer, Site, run_heartline};
use super::place::Place;
use super::upstream::Kind;

const CONNECTIONS: usize = 9_500;
const ROUTES: usize = 50;

/// Answers of one measurement.
const ANSWERS: u32 = 50;

/// Before a measurement: every connection has been looked at once, which belongs to its opening.
const FIRST_LOOKS: Duration = Duration::from_secs(12);

/// Where the admin address is; its port is that of the clients.
pub const ADMIN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Heartline with many routes.
const MANY_ROUTES: Peer = Peer { name: "heartline", is_variant: true, debian: None, command: with_routes };

fn with_routes(site: &Site) -> Result<Vec<String>, String> {
    let Site { port, upstream, .. } = site;
    let route = |number| {
        let (path, upstream) = (path(number), format!("http://{upstream}"));
        format!("  - {{ name: r{number}, match: {{ path: '{path}' }}, upstreams: ['{upstream}'] }}\n")
    };
    let routes: String = (0..ROUTES).map(route).collect();
    let text = format!(
        "admin: {{ listen: '{ADMIN}:{port}' }}\n\
         data: {{ dir: '{}' }}\n\
         listeners:\n  - listen: '127.0.0.1:{port}'\nroutes:\n{routes}",
        site.dir.join("data").display()
    );
    run_heartline(site, &text)
}

fn path(route: usize) -> String {
    format!("/r{route}")
}

/// CPU milliseconds of an answer to `GET path`.
pub fn answer_cpu(place: &Place, path_asked: &str) -> Result<f64, String> {
    let proxy = place.start(&MANY_ROUTES, Kind::Echo)?;
    let open = |index| {
        Client::connect_to(proxy.address, &path(index % ROUTES))
            .map_err(|error| format!("connection {index}: {error}"))
    };
    let _clients: Vec<Client> = (0..CONNECTIONS).map(open).collect::<Result<_, _>>()?;
    sleep(FIRST_LOOKS);
    let admin = SocketAddr::from((ADMIN, proxy.address.port()));
    let line = format!("GET {path_asked}");
    let tree = proxy.tree();
    let before = cpu::seconds(&tree);
    for _ in 0..ANSWERS {
        match ask(admin, &line, "", b"")? {
            (200, _) => {}
            (status, _) => return Err(format!("{line}: {status}")),
        }
    }
    Ok((cpu::seconds(&tree) - before) / f64::from(ANSWERS) * 1e3)
}
