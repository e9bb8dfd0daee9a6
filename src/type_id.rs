//! Formats and parses 128-bit values as [TypeIDs](https://github.com/jetify-com/typeid): a prefix,
//! `_`, and 26 base-32 digits. TypeIDs with the same prefix sort in the order of their values.

/// Crockford's base 32 in lower case: without i, l, o and u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
pub(crate) const DIGITS: usize = 26;

/// The value of each byte as a digit, or 255 if it is not a digit.
const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
        {
            values[ALPHABET[value] as usize] = value as u8;
        }
        value += 1;
    }
    values
};

/// Formats `bits` after `prefix`, which must end with `_`.
pub(crate) fn format(prefix: &str, bits: u128) -> String {
    let mut text = String::with_capacity(prefix.len() + DIGITS);
    text.push_str(prefix);
    for position in (0..DIGITS).rev() {
        // The mask keeps the index below 32.
        let digit = ALPHABET.get(((bits >> (5 * position)) & 31) as usize);
        text.push(char::from(digit.copied().unwrap_or(b'0')));
    }
    text
}

/// Parses `text`. Returns `None` unless it is `prefix` followed by 26 digits that encode 128 bits.
pub(crate) fn parse(prefix: &str, text: &str) -> Option<u128> {
    let digits = text.strip_prefix(prefix)?.as_bytes();
    // 26 digits hold 130 bits, so the first digit may use only three of its five bits.
    if digits.len() != DIGITS || !matches!(digits.first(), Some(b'0'..=b'7')) {
        return None;
    }
    digits.iter().try_fold(0_u128, |bits, digit| {
        let value = VALUES
            .get(usize::from(*digit))
            .copied()
            .filter(|value| *value < 32)?;
        Some((bits << 5) | u128::from(value))
    })
}
