//! Keys made from texts compare by the folded texts, then by the texts themselves. Splitting a text
//! into words never returns an empty word.
#![no_main]

use leadstore::testing::{compare_as_keys, folded};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str)| {
    let (a, b) = texts;
    assert_eq!(
        compare_as_keys(a, b),
        (folded(a), a).cmp(&(folded(b), b)),
        "{a:?} {b:?}"
    );
    let words = leadstore::testing::words(a);
    assert!(words.iter().all(|word| !word.is_empty()), "{a:?}");
});
