//! Opens many connections to one address, as the gateway does to an upstream, and tells what the first and the last
//! ones cost.
//!
//!     connect ADDRESS COUNT WINDOW [SOURCE...]
//!
//! Prints microseconds of CPU for each connection: of the first WINDOW connections, and of the last WINDOW.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::{env, fs};

use gateway::source::Sources;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().ok_or("connect ADDRESS COUNT WINDOW [SOURCE...]");
    let (to, count, window): (SocketAddr, usize, usize) =
        (next()?.parse()?, next()?.parse()?, next()?.parse()?);
    let given = arguments.map(|source| source.parse()).collect::<Result<Vec<IpAddr>, _>>()?;
    let sources = Sources::new(&given, Default::default());
    let mut open = Vec::with_capacity(count);
    let mut marks = vec![cpu_nanos()?];
    for number in 1..=count {
        open.push(sources.begin(to)?);
        if number == window || number + window == count || number == count {
            marks.push(cpu_nanos()?);
        }
    }
    let [begin, first, last_from, end] = marks[..] else { return Err("two windows must fit".into()) };
    let each = |nanos: u64| nanos as f64 / 1e3 / window as f64;
    println!("{:.2} {:.2}", each(first - begin), each(end - last_from));
    Ok(())
}

/// CPU time that this thread has had (`/proc/thread-self/schedstat`).
fn cpu_nanos() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().unwrap_or_default().parse()?)
}
