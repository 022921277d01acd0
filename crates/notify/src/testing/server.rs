//! A vendor for tests: answers each request with the next line of a script, on a socket of its own.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, further header lines, body.
    Says(u16, &'static str, String),
    /// Nothing, for good.
    Nothing,
    /// A head and half a body, then nothing for good.
    Stalls,
    /// The connection is reset behind the request.
    Reset,
}

/// A vendor.
#[derive(Debug)]
pub(crate) struct Server {
    /// `http://` and its address.
    pub(crate) base: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Answers the first request with the first reply; when there are no more, with nothing.
    pub(crate) async fn start(script: Vec<Reply>) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let task = tokio::spawn(async move {
            let mut script = script.into_iter();
            let mut hanging = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else { continue };
                seen.lock().push(request);
                match script.next().unwrap_or(Reply::Nothing) {
                    Reply::Nothing => hanging.push(stream),
                    Reply::Stalls => {
                        let _ = stream
                            .write_all(b"HTTP/1.1 200 Said\r\nContent-Length: 20\r\n\r\n{\"errcode\"")
                            .await;
                        hanging.push(stream);
                    }
                    Reply::Reset => {
                        let _ = stream.set_zero_linger();
                    }
                    Reply::Says(status, headers, body) => {
                        let length = body.len();
                        let head = format!(
                            "HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
                        );
                        // The other side may have read enough.
                        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                    }
                }
            }
        });
        Server { base, requests, task }
    }

    /// Requests so far, each as it came, without the headers that say nothing.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                return Some(told(head, body));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn told(head: &str, body: &str) -> String {
    let says_nothing = ["host: ", "content-length: ", "accept: ", "user-agent: "];
    let lines = head.lines().filter(|line| !says_nothing.iter().any(|name| line.starts_with(name)));
    let head: String = lines.map(|line| format!("{}\n", line.trim_end_matches(" HTTP/1.1"))).collect();
    let shown: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let body =
        shown.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| body.to_owned());
    format!("{head}\n{body}\n")
}
