//! 128 bits as a [TypeID](https://github.com/jetify-com/typeid): a prefix, `_`, and 26 digits of base 32, whose order is
//! that of the bits.

/// Crockford's base 32 in lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
pub(crate) const DIGITS: usize = 26;

/// What each byte stands for as a digit, 255 for what is none.
const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
        {
            values[ALPHABET[value] as usize] = value as u8;
        }
        value += 1;
    }
    values
};

/// The text of `bits` after `prefix`, which ends with `_`.
pub(crate) fn format(prefix: &str, bits: u128) -> String {
    let mut text = String::with_capacity(prefix.len() + DIGITS);
    text.push_str(prefix);
    for place in (0..DIGITS).rev() {
        // The mask keeps the index below 32.
        let digit = ALPHABET.get(((bits >> (5 * place)) & 31) as usize);
        text.push(char::from(digit.copied().unwrap_or(b'0')));
    }
    text
}

/// The bits that `text` stands for, if it is `prefix` and 26 digits of 128 bits.
pub(crate) fn parse(prefix: &str, text: &str) -> Option<u128> {
    let digits = text.strip_prefix(prefix)?.as_bytes();
    // 26 digits hold 130 bits, so the first may only use three of its five.
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
