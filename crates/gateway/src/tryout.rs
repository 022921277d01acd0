//! Ways in for an operator at the dashboard: a route is tried by the listener, the limits and the relay that clients
//! meet, without a socket that others could connect to.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use model::ConnectionId;

use crate::Gateway;
use crate::listener::Listener;

/// Others that connect to the way in before we do; each is turned away.
const STRANGERS_MAX: usize = 16;

/// Time allowed for the request's head: who enters sends it at once.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Why nobody can enter.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The gateway stops.
    #[error("the gateway is stopping")]
    Stopping,
    /// There is no socket.
    #[error("no connection could be made to the gateway itself: {0}")]
    Socket(#[from] io::Error),
}

impl Gateway {
    /// Opens a connection to this gateway and gives its other end, not blocking: what is sent there is served as a client's
    /// plain HTTP/1.1 on a public listener, TLS and the PROXY protocol apart. The request on it is counted as one from
    /// `client`, and its record is called `id` and [marked](model::record::ClientAddress::is_tryout).
    ///
    /// # Errors
    /// See [`EnterError`].
    pub fn enter(&self, client: SocketAddr, id: ConnectionId) -> Result<TcpStream, EnterError> {
        let guard = self.guard.upgrade().filter(|_| !self.is_stopping()).ok_or(EnterError::Stopping)?;
        let (outside, inside) = pair()?;
        let listener = Arc::new(Listener {
            shared: Arc::clone(&self.shared),
            tls: None,
            proxy_protocol: false,
            head_timeout: HEAD_TIMEOUT,
            stopping: self.stop.subscribe(),
            tryout: Some(id),
        });
        listener.begin(mio::net::TcpStream::from_std(inside), client, &guard)?;
        Ok(outside)
    }

    /// Name of the route that takes a request for this host, without port, and this path.
    pub fn route_of(&self, host: &str, path: &str) -> Option<Arc<str>> {
        let table = self.shared.table.load();
        table.find(host, path).map(|route| Arc::clone(route.connections.meter.name()))
    }
}

/// Two ends of one connection over loopback, not blocking. The listener between them lives for this call alone, and only
/// our own end is taken from it.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let outside = TcpStream::connect(listener.local_addr()?)?;
    let own = outside.local_addr()?;
    for _ in 0..STRANGERS_MAX {
        let (inside, peer) = listener.accept()?;
        if peer == own {
            for end in [&outside, &inside] {
                end.set_nonblocking(true)?;
                end.set_nodelay(true)?;
            }
            return Ok((outside, inside));
        }
    }
    Err(io::Error::other("others hold the way in"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn both_ends_are_of_one_connection() {
        let (mut outside, mut inside) = pair().expect("a pair");
        assert_eq!(outside.local_addr().expect("an address"), inside.peer_addr().expect("an address"));
        let waits = inside.read(&mut [0; 4]).expect_err("nothing was sent");
        assert_eq!(waits.kind(), io::ErrorKind::WouldBlock);
        outside.write_all(b"here").expect("sends");
        inside.set_nonblocking(false).expect("waits from now on");
        let mut read = [0; 4];
        inside.read_exact(&mut read).expect("reads");
        assert_eq!(&read, b"here");
    }
}
