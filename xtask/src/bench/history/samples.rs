//! Samples as gateways make them, the same at every run.

use std::time::SystemTime;

use super::wire::labels;

/// Time between two samples of a series.
pub const STEP_MS: i64 = 5_000;

/// Series whose values go on.
pub struct Series {
    labels: Vec<Vec<u8>>,
    values: Vec<f64>,
}

impl Series {
    /// So many, as a gateway of 20 routes has them.
    pub fn many(count: usize) -> Series {
        let of = |number: usize| {
            let direction = if number.is_multiple_of(2) { "client_to_server" } else { "server_to_client" };
            labels(&[
                ("__name__", &format!("bench_messages_{}_total", number / 400)),
                ("direction", direction),
                ("instance", "gateway-1.example.com:8080"),
                ("job", "heartline"),
                ("le", &format!("{}", (number / 20 % 20) as f64 / 100.0)),
                ("route", &format!("route-{}", number % 20)),
            ])
        };
        Series::of((0..count).map(of).collect())
    }

    /// With these labels.
    pub fn of(labels: Vec<Vec<u8>>) -> Series {
        Series { values: vec![0.0; labels.len()], labels }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Labels of one.
    pub fn labels(&self, number: usize) -> &[u8] {
        &self.labels[number]
    }

    /// The next value of one: most counters stand still, some count, some gauges go up and down, and sums of seconds
    /// have fractions.
    pub fn next(&mut self, number: usize, step: usize) -> f64 {
        let random = mixed((step * self.labels.len() + number) as u64);
        let value = &mut self.values[number];
        match number % 20 {
            0..9 => {}
            9..15 => *value += (random % 50) as f64,
            15..18 => *value = (1000 + random % 64) as f64,
            18 => *value += if random.is_multiple_of(10) { 1.0 } else { 0.0 },
            _ => *value += (random % 1_000_000) as f64 / 1e6,
        }
        *value
    }
}

/// Mixes a number (Steele, Lea and Flood, "SplitMix").
pub fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Now, milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
