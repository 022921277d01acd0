//! Times as Go writes them: a layout is the reference time, Monday January 2 15:04:05 2006 MST (`time/format.go`).

use crate::text::words::civil;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Pieces of a layout; of two that begin alike the longer comes first.
const PIECES: [&str; 33] = [
    "2006",
    "January",
    "Monday",
    "Z07:00",
    "-07:00",
    "Z0700",
    "-0700",
    ".000000",
    ".000",
    ".999999999",
    ".999",
    "Jan",
    "Mon",
    "MST",
    "-07",
    "Z07",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "_2",
    "PM",
    "pm",
    "1",
    "2",
    "3",
    "4",
    "5",
    "002",
    "__2",
];

/// A time in the form of a layout. `offset_s` is the zone's, seconds before UTC.
pub(super) fn format(layout: &str, at_ms: i64, offset_s: i64) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        let piece =
            PIECES.into_iter().filter(|piece| rest.starts_with(piece)).max_by_key(|piece| piece.len());
        match piece {
            Some(piece) => {
                out += &shown(piece, at_ms, offset_s);
                rest = &rest[piece.len()..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

fn shown(piece: &str, at_ms: i64, offset_s: i64) -> String {
    let local_ms = at_ms + offset_s * 1000;
    let (days, of_day) = (local_ms.div_euclid(86_400_000), local_ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let month_name = MONTHS[usize::try_from(month - 1).unwrap_or_default() % 12];
    // The first day of the epoch was a Thursday.
    let weekday = WEEKDAYS[usize::try_from((days + 4).rem_euclid(7)).unwrap_or_default()];
    let day_of_year = days - first_day(year) + 1;
    match piece {
        "2006" => format!("{year:04}"),
        "06" => format!("{:02}", year.rem_euclid(100)),
        "January" => month_name.to_owned(),
        "Jan" => month_name[..3].to_owned(),
        "01" => format!("{month:02}"),
        "1" => month.to_string(),
        "Monday" => weekday.to_owned(),
        "Mon" => weekday[..3].to_owned(),
        "02" => format!("{day:02}"),
        "_2" => format!("{day:2}"),
        "2" => day.to_string(),
        "002" => format!("{day_of_year:03}"),
        "__2" => format!("{day_of_year:3}"),
        "15" => format!("{hour:02}"),
        "03" => format!("{twelve:02}"),
        "3" => twelve.to_string(),
        "04" => format!("{minute:02}"),
        "4" => minute.to_string(),
        "05" => format!("{second:02}"),
        "5" => second.to_string(),
        "PM" => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        "pm" => if hour < 12 { "am" } else { "pm" }.to_owned(),
        ".000" => format!(".{:03}", of_day % 1000),
        ".000000" => format!(".{:03}000", of_day % 1000),
        ".999" | ".999999999" => {
            let text = format!(".{:03}", of_day % 1000);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        "MST" => {
            if offset_s == 0 {
                "UTC".to_owned()
            } else {
                zone(offset_s, "")
            }
        }
        "Z07:00" | "Z0700" | "Z07" if offset_s == 0 => "Z".to_owned(),
        "Z07:00" | "-07:00" => zone(offset_s, ":"),
        "Z07" | "-07" => zone(offset_s, "")[..3].to_owned(),
        _ => zone(offset_s, ""),
    }
}

fn first_day(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_162
}

fn zone(offset_s: i64, between: &str) -> String {
    let (sign, size) = (if offset_s < 0 { '-' } else { '+' }, offset_s.abs());
    format!("{sign}{:02}{between}{:02}", size / 3600, size / 60 % 60)
}

/// Zones that keep one offset all year, seconds before UTC.
pub(super) fn offset_s(zone: &str) -> Option<i64> {
    let hours = match zone {
        "" | "UTC" | "GMT" | "Etc/UTC" => 0.0,
        "Asia/Shanghai" | "Asia/Chongqing" | "Asia/Hong_Kong" | "Asia/Taipei" | "Asia/Singapore" | "PRC"
        | "Asia/Kuala_Lumpur" | "Asia/Manila" | "Australia/Perth" => 8.0,
        "Asia/Tokyo" | "Asia/Seoul" | "Japan" => 9.0,
        "Asia/Bangkok" | "Asia/Jakarta" | "Asia/Ho_Chi_Minh" | "Asia/Saigon" => 7.0,
        "Asia/Kolkata" | "Asia/Calcutta" => 5.5,
        "Asia/Dubai" => 4.0,
        "Europe/Moscow" | "Europe/Istanbul" | "Asia/Riyadh" | "Africa/Nairobi" => 3.0,
        "Africa/Johannesburg" => 2.0,
        "Africa/Lagos" => 1.0,
        "America/Sao_Paulo" | "America/Argentina/Buenos_Aires" => -3.0,
        "America/Bogota" | "America/Lima" => -5.0,
        _ => return None,
    };
    Some((hours * 3600.0) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_gos() {
        // The time of Go's documentation, 2009-11-10 23:04:05.6 UTC, in its layouts.
        let at_ms = 1_257_894_245_600;
        let check = |layout: &str, offset_s: i64, expected: &str| {
            assert_eq!(format(layout, at_ms, offset_s), expected, "{layout}");
        };
        check("2006-01-02 15:04:05", 0, "2009-11-10 23:04:05");
        check("2006-01-02T15:04:05.999999999Z07:00", 0, "2009-11-10T23:04:05.6Z");
        check("2006-01-02T15:04:05Z07:00", 28_800, "2009-11-11T07:04:05+08:00");
        check("Mon Jan _2 15:04:05 MST 2006", 0, "Tue Nov 10 23:04:05 UTC 2009");
        check(
            "Monday, 02-Jan-06 3:4:5.000 PM -0700",
            -12_600,
            "Tuesday, 10-Nov-09 7:34:05.600 PM -0330".replace("34:05", "34:5").as_str(),
        );
        check("002年", 0, "314年");
    }
}
