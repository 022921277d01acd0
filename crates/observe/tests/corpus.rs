//! Replays the kept inputs of the fuzz targets, which need another toolchain to run.

use std::fs;
use std::path::Path;

#[track_caller]
fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("an entry of the folder").path();
        println!("{}", path.display());
        body(&fs::read(&path).expect("a readable file"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn ws() {
    replay("ws", observe::fuzz::ws);
}

#[test]
fn sse() {
    replay("sse", observe::fuzz::sse);
}

#[test]
fn upgrade() {
    replay("upgrade", observe::fuzz::upgrade);
}

#[test]
fn grpc() {
    replay("grpc", observe::fuzz::grpc);
}

#[test]
fn grpc_head() {
    replay("grpc_head", observe::fuzz::grpc_head);
}

#[test]
fn h2() {
    replay("h2", observe::fuzz::h2);
}
