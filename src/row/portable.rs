//! Reads sets of rows in roaring's [portable
//! format](https://github.com/RoaringBitmap/RoaringFormatSpec) without building a bitmap.

use crate::row::{Part, Row};

const COOKIE_WITHOUT_RUNS: u32 = 12_346;
const COOKIE_WITH_RUNS: u16 = 12_347;
/// Minimum number of containers for which a set with run containers has an offset table. A set
/// without run containers always has an offset table.
const NO_OFFSET_THRESHOLD: usize = 4;
/// Maximum number of rows in an array container. A container with more rows is a bitmap container,
/// unless it is a run container.
const ARRAY_ROWS_MAX: usize = 4_096;

/// Returns the number of rows of a set with one container, or `None` if the bytes are malformed.
/// The header stores this number minus one.
pub(crate) fn chunk_length(bytes: &[u8]) -> Option<u64> {
    let u16_at = |at: usize| {
        bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .map(|bytes| u16::from_le_bytes(*bytes))
    };
    // The cardinality follows the cookie (4 bytes), the run flags (1 byte) and the key (2 bytes).
    // Without run containers, the number of containers (4 bytes) takes the place of the run flags.
    let at = if u16_at(0)? == COOKIE_WITH_RUNS {
        4 + 1 + 2
    } else {
        4 + 4 + 2
    };
    Some(u64::from(u16_at(at)?) + 1)
}

/// Calls `visit` with every part of a set. Returns `None` if the bytes are malformed.
pub(crate) fn for_each_part(mut bytes: &[u8], visit: &mut impl FnMut(Part)) -> Option<()> {
    let bytes = &mut bytes;
    let cookie = u32::from_le_bytes(take(bytes)?);
    let (count, run_flags) = if cookie as u16 == COOKIE_WITH_RUNS {
        let count = (cookie >> 16) as usize + 1;
        (count, take_slice(bytes, count.div_ceil(8))?)
    } else if cookie == COOKIE_WITHOUT_RUNS {
        (u32::from_le_bytes(take(bytes)?) as usize, [].as_slice())
    } else {
        return None;
    };
    let descriptors = take_slice(bytes, count.saturating_mul(4))?;
    if run_flags.is_empty() || count >= NO_OFFSET_THRESHOLD {
        take_slice(bytes, count.saturating_mul(4))?;
    }
    for (index, [key_low, key_high, last_low, last_high]) in
        descriptors.as_chunks().0.iter().enumerate()
    {
        let first_row = u32::from(u16::from_le_bytes([*key_low, *key_high])) << 16;
        let length = usize::from(u16::from_le_bytes([*last_low, *last_high])) + 1;
        if run_flags
            .get(index / 8)
            .is_some_and(|flags| flags >> (index % 8) & 1 == 1)
        {
            let runs = usize::from(u16::from_le_bytes(take(bytes)?));
            let runs = take_slice(bytes, runs * 4)?.as_chunks().0;
            let runs = runs
                .iter()
                .map(|[a, b, c, d]| (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d])));
            let rows = runs.flat_map(|(start, more)| start..=start.saturating_add(more));
            rows.for_each(|row| visit(Part::Row(Row(first_row + u32::from(row)))));
        } else if length > ARRAY_ROWS_MAX {
            let words = take_slice(bytes, 8_192)?.as_chunks().0;
            for (index, word) in (0_u32..).zip(words) {
                visit(Part::Word(
                    Row(first_row + index * 64),
                    u64::from_le_bytes(*word),
                ));
            }
        } else {
            let rows = take_slice(bytes, length * 2)?.as_chunks().0;
            rows.iter().for_each(|row| {
                visit(Part::Row(Row(
                    first_row + u32::from(u16::from_le_bytes(*row))
                )))
            });
        }
    }
    Some(())
}

fn take_slice<'b>(bytes: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use roaring::RoaringBitmap;

    use super::*;

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(runs: bool, mut bytes: Vec<u8>) {
            let cookie = if runs { u32::from(COOKIE_WITH_RUNS) | 1 << 16 } else { COOKIE_WITHOUT_RUNS };
            let _ = for_each_part(&bytes, &mut |_| {});
            bytes.splice(..0, cookie.to_le_bytes());
            let _ = (for_each_part(&bytes, &mut |_| {}), chunk_length(&bytes));
        }
    }

    #[test]
    fn chunk_length_matches_the_row_count() {
        let sets: [Vec<u32>; 5] = [
            vec![7],
            (0..65_536).collect(),
            (0..4_000).map(|n| n * 3).collect(),
            (5..60_000).collect(),
            (0..9_000).map(|n| n * 7).collect(),
        ];
        for rows in sets {
            for run_optimised in [false, true] {
                let mut chunk: RoaringBitmap = rows.iter().map(|row| row + (3 << 16)).collect();
                if run_optimised {
                    chunk.optimize();
                }
                let mut bytes = Vec::new();
                chunk.serialize_into(&mut bytes).unwrap();
                assert_eq!(chunk_length(&bytes).unwrap(), rows.len() as u64);
            }
        }
        assert!(chunk_length(&[0; 11]).is_none());
    }
}
