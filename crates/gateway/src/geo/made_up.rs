//! A small database of made-up places, for demonstrations and tests.

use std::net::Ipv4Addr;

use model::Country;

/// Between the tree and the data (MaxMind DB, "Data section separator").
const SEPARATOR: [u8; 16] = [0; 16];

const METADATA_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// The bytes of a database in MaxMind's format 2.0 that has these networks: each an address, its leading bits that
/// count, and a country.
pub fn database(networks: &[(Ipv4Addr, u8, Country)]) -> Vec<u8> {
    // A branch leads to another node, to the data of a country, or nowhere.
    let mut nodes = vec![[None, None]];
    let mut data = Vec::new();
    for (address, prefix_bits, country) in networks {
        let bits = (0..*prefix_bits).map(|bit| (address.to_bits() >> (31 - bit)) as usize & 1);
        let mut node = 0;
        for (bit, depth) in bits.zip(1..) {
            if depth == *prefix_bits {
                nodes[node][bit] = Some(Branch::Data(data.len()));
            } else if let Some(Branch::Node(next)) = nodes[node][bit] {
                node = next;
            } else {
                nodes[node][bit] = Some(Branch::Node(nodes.len()));
                node = nodes.len();
                nodes.push([None, None]);
            }
        }
        data.extend(map(&[("country", map(&[("iso_code", text(country.as_str()))]))]));
    }
    let mut bytes = Vec::new();
    for branch in nodes.iter().flatten() {
        let value = match branch {
            None => nodes.len(),
            Some(Branch::Node(node)) => *node,
            Some(Branch::Data(at)) => nodes.len() + SEPARATOR.len() + at,
        };
        bytes.extend(u32::try_from(value).expect("it is small").to_be_bytes());
    }
    bytes.extend(SEPARATOR);
    bytes.extend(data);
    bytes.extend(METADATA_MARKER);
    bytes.extend(map(&[
        ("binary_format_major_version", number(2)),
        ("binary_format_minor_version", number(0)),
        ("build_epoch", vec![4, 2, 0, 0, 0, 1]),
        ("database_type", text("Country")),
        ("description", map(&[])),
        ("ip_version", number(4)),
        ("languages", vec![0, 4]),
        ("node_count", [&[0xc4][..], &(nodes.len() as u32).to_be_bytes()].concat()),
        ("record_size", number(32)),
    ]));
    bytes
}

#[derive(Clone, Copy)]
enum Branch {
    Node(usize),
    Data(usize),
}

/// A map of the format: type 7.
fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0xe0 | pairs.len() as u8];
    pairs.iter().for_each(|(key, value)| bytes.extend([text(key), value.clone()].concat()));
    bytes
}

/// A text of less than 29 bytes: type 2.
fn text(text: &str) -> Vec<u8> {
    [&[0x40 | text.len() as u8], text.as_bytes()].concat()
}

/// A number of 16 bits: type 5.
fn number(number: u16) -> Vec<u8> {
    [&[0xa2][..], &number.to_be_bytes()].concat()
}
