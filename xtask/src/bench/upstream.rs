//! What stands behind a proxy: a server in a process of its own, so that nothing of one measurement is left in
//! the next one.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::peers::load_binary;
use super::{echo, events};

/// The argument of this program with which it becomes a server.
pub const SERVE: &str = "--serve";

const ECHO: &str = "echo";
const EVENTS: &str = "events";
const ACCEPT: &str = "accept";

/// What a server does.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Sends WebSocket messages back, a thread for each connection: for few messages or none.
    Echo,
    /// The same by `heartline load serve`, which sends events too: for many messages.
    Load,
    /// The same server, spoken to in HTTP/2.
    Grpc,
    /// Serves event streams.
    Events,
    /// Accepts connections and leaves them alone.
    Accept,
}

impl Kind {
    /// A server of this kind, which tells its address in the first line of its output.
    fn command(self) -> Result<Command, String> {
        if let Kind::Load | Kind::Grpc = self {
            let mut command = Command::new(load_binary());
            command.args(["load", "serve", "--listen", "127.0.0.1:0"]);
            return Ok(command);
        }
        let kind = match self {
            Kind::Load | Kind::Grpc | Kind::Echo => ECHO,
            Kind::Events => EVENTS,
            Kind::Accept => ACCEPT,
        };
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(own);
        command.args(["bench", SERVE, kind]);
        Ok(command)
    }
}

/// A server that runs.
pub struct Upstream {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Upstream {
    /// Starts it on the cores of the load.
    pub fn start(kind: Kind) -> Result<Upstream, String> {
        let told = |error: io::Error| format!("the upstream: {error}");
        let mut child = kind.command()?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(told)?;
        let mut line = String::new();
        let output = child.stdout.take().expect("it was asked for");
        BufReader::new(output).read_line(&mut line).map_err(told)?;
        let address = line.split_whitespace().last().unwrap_or_default();
        let address = address.parse().map_err(|_| format!("the upstream has said `{line}`"))?;
        Ok(Upstream { child, address })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until standard input ends, which it does with the process that has started this one.
pub fn serve(kind: &str) -> io::Result<()> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    match kind {
        ECHO => thread::spawn(move || echo::serve(&listener)),
        EVENTS => thread::spawn(move || events::serve(&listener)),
        ACCEPT => thread::spawn(move || drop(listener.incoming().flatten().collect::<Vec<_>>())),
        _ => return Err(io::Error::other(format!("no server is called `{kind}`"))),
    };
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
