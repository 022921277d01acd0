//! Where the simulated clients are: made-up countries of addresses for documentation.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use gateway::geo::made_up;

/// More clients are where the list has a country more often.
const COUNTRIES: [&str; 24] = [
    "CN", "US", "IN", "CN", "DE", "JP", "CN", "US", "BR", "GB", "FR", "CN", "KR", "US", "SG", "ID", "CN",
    "MX", "NG", "AU", "ZA", "VN", "CA", "EG",
];

/// Addresses of one place: few, so that not many clients are needed to be in many.
const PREFIX_BITS: u8 = 29;

/// Writes the database to a file of its own; who has read it removes it.
pub fn write() -> std::io::Result<PathBuf> {
    // RFC 5737.
    let networks = [[192, 0, 2, 0], [198, 51, 100, 0], [203, 0, 113, 0]].map(Ipv4Addr::from);
    let parts = (0..32).flat_map(|part| networks.map(|network| network.to_bits() + (part << 3)));
    let places: Vec<_> = parts
        .zip(COUNTRIES.iter().cycle())
        .map(|(first, code)| (Ipv4Addr::from_bits(first), PREFIX_BITS, code.parse().expect("a country")))
        .collect();
    let path = std::env::temp_dir().join(format!("heartline-demo-{}.mmdb", std::process::id()));
    std::fs::write(&path, made_up::database(&places))?;
    Ok(path)
}
