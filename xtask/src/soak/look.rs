//! Looks at the gateway: its books by its metrics, its memory and files by the kernel.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use super::judge::Look;
use super::site::Site;
use crate::bench::memory;

/// For each protocol: opened, the label by which what did not come about is left out, closed, and active.
const BOOKS: [[&str; 4]; 3] = [
    [
        "websocket_handshakes_total",
        "result=\"success\"",
        "websocket_connections_closed_total",
        "websocket_active_connections",
    ],
    ["sse_connections_total", "result=\"success\"", "sse_disconnects_total", "sse_active_subscriptions"],
    ["grpc_streams_opened_total", "", "grpc_streams_closed_total", "grpc_active_streams"],
];

/// Memory that the gateway accounts for.
const KEPT: [&str; 2] = ["heartline_store_head_memory_bytes", "heartline_recorder_memory_bytes"];

/// A connection may be opened or closed between the reading of one counter and the next; in so many looks there is
/// one without.
const TRIES: usize = 100;

const PAUSE: Duration = Duration::from_millis(20);

/// Time allowed for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Opened without closed is active, for every protocol; and no part of the gateway has broken.
pub fn books(site: &Site, when: &str) -> Result<(), String> {
    site.check()?;
    for [opened, label, closed, active] in BOOKS {
        let mut last = String::new();
        let balances = (0..TRIES).try_fold(false, |balances, _| {
            if balances {
                return Ok::<_, String>(true);
            }
            let page = metrics(site.admin())?;
            let [opened_sum, closed_sum, active_sum] =
                [(opened, label), (closed, ""), (active, "")].map(|(name, label)| sum(&page, name, label));
            if opened_sum - closed_sum == active_sum {
                return Ok(true);
            }
            last =
                format!("{opened} {opened_sum} - {closed} {closed_sum} is not {active} {active_sum}, {when}");
            sleep(PAUSE);
            Ok(false)
        });
        if !balances? {
            return Err(last);
        }
    }
    Ok(())
}

/// Connections and streams that are open.
pub fn open(site: &Site) -> Result<u64, String> {
    let page = metrics(site.admin())?;
    Ok(BOOKS.iter().map(|[.., active]| sum(&page, active, "") as u64).sum())
}

/// Memory and files.
pub fn at_rest(site: &Site, at: Duration) -> Result<Look, String> {
    let files = fs::read_dir(format!("/proc/{}/fd", site.gateway())).map_err(|error| error.to_string())?;
    let threads =
        fs::read_dir(format!("/proc/{}/task", site.gateway())).map_err(|error| error.to_string())?;
    let page = metrics(site.admin())?;
    Ok(Look {
        at,
        rss_bytes: memory::rss_bytes(site.gateway()),
        kept_bytes: KEPT.iter().map(|name| sum(&page, name, "") as u64).sum(),
        files: files.count() as u64,
        threads: threads.count() as u64,
        opened: BOOKS.iter().map(|[opened, label, ..]| sum(&page, opened, label) as u64).sum(),
    })
}

fn metrics(admin: SocketAddr) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("the admin address: {error}");
    let mut socket = TcpStream::connect(admin).map_err(wrong)?;
    socket.set_read_timeout(Some(ANSWER_TIME)).map_err(wrong)?;
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {admin}\r\n\r\n");
    socket.write_all(request.as_bytes()).map_err(wrong)?;
    let mut page = String::new();
    socket.read_to_string(&mut page).map_err(wrong)?;
    if page.contains(" 200 ") { Ok(page) } else { Err(format!("the admin address has answered {page}")) }
}

/// Sum of the samples of a family that have a label.
fn sum(page: &str, name: &str, label: &str) -> f64 {
    let samples = page.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (family, labels) = series.split_once('{').unwrap_or((series, ""));
        (family == name && labels.contains(label)).then(|| value.parse::<f64>().ok())?
    });
    samples.sum()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn samples_are_summed() {
        let page = "# TYPE a counter\na{route=\"x\",result=\"success\"} 2\na{route=\"y\",result=\"success\"} 3\n\
                    a{route=\"x\",result=\"error\"} 10\nab{result=\"success\"} 100\nb 7\n";
        assert_eq!(sum(page, "a", "result=\"success\""), 5.0);
        assert_eq!(sum(page, "a", ""), 15.0);
        assert_eq!(sum(page, "b", ""), 7.0);
        assert_eq!(sum(page, "c", ""), 0.0);
    }
}
