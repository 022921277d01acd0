//! Lengths as vendors count them.

/// What a vendor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes of UTF-8.
    Bytes,
    /// Code points.
    Chars,
    /// Code units of UTF-16.
    Utf16,
}

/// Longest text of a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) max: usize,
    pub(crate) unit: Unit,
}

impl Limit {
    pub(crate) const fn bytes(max: usize) -> Limit {
        Limit { max, unit: Unit::Bytes }
    }

    pub(crate) const fn chars(max: usize) -> Limit {
        Limit { max, unit: Unit::Chars }
    }

    pub(crate) const fn utf16(max: usize) -> Limit {
        Limit { max, unit: Unit::Utf16 }
    }

    /// Length of a text in the unit.
    pub(crate) fn length(self, text: &str) -> usize {
        match self.unit {
            Unit::Bytes => text.len(),
            Unit::Chars => text.chars().count(),
            Unit::Utf16 => text.encode_utf16().count(),
        }
    }

    pub(crate) fn holds(self, text: &str) -> bool {
        self.length(text) <= self.max
    }

    /// The same limit with this much taken from it.
    pub(crate) fn less(self, taken: usize) -> Limit {
        Limit { max: self.max.saturating_sub(taken), ..self }
    }

    /// The text, or as much of its beginning as there is room for with `…` behind it. No character is split.
    pub(crate) fn cut(self, text: &str) -> String {
        const ELLIPSIS: char = '…';
        if self.holds(text) {
            return text.to_owned();
        }
        let size = |c: char| match self.unit {
            Unit::Bytes => c.len_utf8(),
            Unit::Chars => 1,
            Unit::Utf16 => c.len_utf16(),
        };
        let Some(room) = self.max.checked_sub(size(ELLIPSIS)) else { return String::new() };
        let mut taken = 0;
        let kept = text.chars().take_while(|c| {
            taken += size(*c);
            taken <= room
        });
        kept.chain([ELLIPSIS]).collect()
    }
}

/// The longest of the bodies that `make` gives for a room for text which has at most `max` bytes.
pub(crate) fn body_within(max: usize, make: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut room = max;
    loop {
        let body = make(room);
        if body.len() <= max || room < 64 {
            return body;
        }
        room = room.saturating_sub((body.len() - max).max(room / 8));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_cut() {
        let check = |limit: Limit, text: &str, expected: &str| assert_eq!(limit.cut(text), expected);
        check(Limit::bytes(5), "abcde", "abcde");
        check(Limit::bytes(5), "abcdef", "ab…");
        check(Limit::bytes(5), "é€é", "é…");
        check(Limit::chars(3), "延迟过高", "延迟…");
        check(Limit::utf16(3), "😀😀", "😀…");
        check(Limit::utf16(2), "😀😀", "…");
        check(Limit::bytes(2), "abc", "");
    }

    proptest! {
        #[test]
        fn a_cut_text_fits_and_is_its_beginning(text: String, max in 0usize..40, unit in 0usize..3) {
            let limit = [Limit::bytes(max), Limit::chars(max), Limit::utf16(max)][unit];
            let cut = limit.cut(&text);
            prop_assert!(limit.holds(&cut));
            prop_assert!(cut == text || text.starts_with(cut.trim_end_matches('…')));
        }
    }
}
