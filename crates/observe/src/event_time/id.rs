//! Times in ids.

use model::WallTime;

/// When Twitter's snowflakes begin to count, in milliseconds since the Unix epoch.
pub const TWITTER_EPOCH_MS: u64 = 1_288_834_974_657;

/// Low bits of a snowflake that are no time: worker and sequence.
const SNOWFLAKE_SHIFT: u32 = 22;

const NANOS_PER_MS: u64 = 1_000_000;

/// How an id has its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdForm {
    /// By its look: a ULID, a UUID of version 7, 10 digits of seconds, 13 of milliseconds, or 17 to 19 of a
    /// snowflake.
    Auto {
        /// Begin of the snowflakes' time, in milliseconds since the Unix epoch.
        snowflake_epoch_ms: u64,
    },
    /// ULID: 26 characters of Crockford's base 32, of which the first ten are milliseconds.
    Ulid,
    /// UUID of version 7 (RFC 9562, section 5.7), with or without `urn:uuid:`.
    UuidV7,
    /// Decimal number with milliseconds above its low 22 bits.
    Snowflake {
        /// Begin of their time, in milliseconds since the Unix epoch.
        epoch_ms: u64,
    },
    /// Milliseconds since the Unix epoch; a `-` and a sequence may follow, as in ids of Redis streams.
    EpochMs,
    /// Seconds since the Unix epoch; a fraction may follow.
    EpochS,
}

impl IdForm {
    /// The time in `id`; none when it does not have this form.
    pub fn time(self, id: &str) -> Option<WallTime> {
        match self {
            IdForm::Auto { snowflake_epoch_ms } => look(id, snowflake_epoch_ms)?.time(id),
            IdForm::Ulid => of_ms(ulid_ms(id)?),
            IdForm::UuidV7 => of_ms(uuid_v7_ms(id)?),
            IdForm::Snowflake { epoch_ms } => of_ms((digits(id)? >> SNOWFLAKE_SHIFT).checked_add(epoch_ms)?),
            IdForm::EpochMs => {
                let (ms, sequence) = id.split_once('-').unwrap_or((id, "0"));
                digits(sequence)?;
                of_ms(digits(ms)?)
            }
            IdForm::EpochS => {
                let (seconds, fraction) = id.split_once('.').unwrap_or((id, "0"));
                if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                let nanos = digits(&format!("{fraction:0<9.9}"))?;
                digits(seconds)?.checked_mul(1_000 * NANOS_PER_MS)?.checked_add(nanos).map(WallTime)
            }
        }
    }
}

fn of_ms(ms: u64) -> Option<WallTime> {
    ms.checked_mul(NANOS_PER_MS).map(WallTime)
}

fn look(id: &str, snowflake_epoch_ms: u64) -> Option<IdForm> {
    let is_ulid = id.len() == 26;
    let is_uuid = id.contains('-') && bare_uuid(id).len() == 36;
    let digits = id.bytes().take_while(u8::is_ascii_digit).count();
    match (digits, id.as_bytes().get(digits)) {
        _ if is_ulid => Some(IdForm::Ulid),
        _ if is_uuid => Some(IdForm::UuidV7),
        (10, None | Some(b'.')) => Some(IdForm::EpochS),
        (13, None | Some(b'-')) => Some(IdForm::EpochMs),
        (17..=19, None) => Some(IdForm::Snowflake { epoch_ms: snowflake_epoch_ms }),
        _ => None,
    }
}

/// A number of digits alone, which `parse` by itself would take with a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn ulid_ms(id: &str) -> Option<u64> {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let digit = |byte: u8| ALPHABET.iter().position(|&known| known == byte.to_ascii_uppercase());
    if id.len() != 26 || !id.bytes().all(|byte| digit(byte).is_some()) {
        return None;
    }
    let ms = id.bytes().take(10).filter_map(digit).fold(0, |ms, digit| ms << 5 | digit as u64);
    (ms >> 48 == 0).then_some(ms)
}

fn uuid_v7_ms(id: &str) -> Option<u64> {
    let uuid = bare_uuid(id).as_bytes();
    let is_uuid = uuid.len() == 36
        && uuid.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'7',
            19 => matches!(byte.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b'),
            _ => byte.is_ascii_hexdigit(),
        });
    let hex = |range| u64::from_str_radix(bare_uuid(id).get(range)?, 16).ok();
    if is_uuid { Some(hex(0..8)? << 16 | hex(9..13)?) } else { None }
}

fn bare_uuid(id: &str) -> &str {
    id.strip_prefix("urn:uuid:").unwrap_or(id)
}
