//! Numbers and strangers' text for a terminal.

use model::record::ClientAddress;

/// A duration in the unit that a person would take, three digits.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{} ms", three_digits(s * 1e3)),
        s if s < 120.0 => format!("{} s", three_digits(s)),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}

fn three_digits(number: f64) -> String {
    let decimals = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.decimals$}")
}

/// A size in the unit that a person would take.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut number = bytes as f64;
    let mut unit = "B";
    for larger in units {
        if number < 1024.0 {
            break;
        }
        (number, unit) = (number / 1024.0, larger);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{number:.1} {unit}") }
}

/// Address and port; without the port when only a header told of the client.
pub(super) fn address(client: &ClientAddress) -> String {
    match client.port {
        0 => client.ip.to_string(),
        port => std::net::SocketAddr::new(client.ip, port).to_string(),
    }
}

/// Text with control characters made visible, so that it cannot steer the terminal.
pub(crate) fn visible(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_debug().collect() } else { c.to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let check = |seconds, expected: &str| assert_eq!(duration(seconds), expected);
        check(0.0, "0 µs");
        check(0.000_25, "250 µs");
        check(0.0225, "22.5 ms");
        check(0.15, "150 ms");
        check(1.0, "1.00 s");
        check(60.009, "60.0 s");
        check(600.0, "10 min");
        check(7200.0, "2.0 h");
        check(259_200.0, "3.0 d");
        assert_eq!([size(0), size(1023), size(1536), size(5 << 30)], ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]);
    }

    #[test]
    fn strangers_text_does_not_steer_the_terminal() {
        assert_eq!(visible("a\u{1b}[31m\r\né"), "a\\u{1b}[31m\\r\\né");
    }
}
