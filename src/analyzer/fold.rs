//! Folding: compatibility decomposition (Unicode NFKD) and full case folding. Apostrophes are
//! dropped, and so are combining marks after the digits 0 to 9 and after Latin, Greek, Cyrillic,
//! Hebrew and Arabic letters. A few letters without a decomposition are replaced by plain letters.
//! The result is composed (NFC).

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, UnicodeScript};

/// Returns the folded form of `text`, by which it is sorted and compared: `José`, `JOSE` and `jose`
/// fold to the same text.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        let mut folded = String::with_capacity(text.len());
        folded.extend(
            text.chars()
                .filter(|c| !is_apostrophe(*c))
                .map(|c| c.to_ascii_lowercase()),
        );
        return folded;
    }
    let mut folder = Folder::default();
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        folder.fold(c, |plain| folded.push(plain));
    }
    folded.nfc().collect()
}

/// The state of folding character by character: whether marks after the last letter are dropped.
#[derive(Default)]
pub(crate) struct Folder {
    drops_marks: bool,
}

impl Folder {
    /// Calls `emit` for each character of the folded form of `c`, which may be empty. The
    /// characters are not yet composed.
    pub(crate) fn fold(&mut self, c: char, mut emit: impl FnMut(char)) {
        if is_apostrophe(c) {
            return;
        }
        if c.is_ascii() {
            self.drops_marks = c.is_ascii_alphanumeric();
            emit(c.to_ascii_lowercase());
            return;
        }
        for part in std::iter::once(c).nfkd() {
            if is_combining_mark(part) {
                if !self.drops_marks {
                    emit(part);
                }
                continue;
            }
            // For example, the decomposition of the letter ŉ starts with an apostrophe.
            if is_apostrophe(part) {
                continue;
            }
            self.drops_marks = drops_marks(part);
            for folded in std::iter::once(part).default_case_fold() {
                // Folding an iota subscript or a dotted capital letter may produce a mark.
                if is_combining_mark(folded) && self.drops_marks {
                    continue;
                }
                match plain_spelling(folded) {
                    Some(spelling) => spelling.chars().for_each(&mut emit),
                    None => emit(folded),
                }
            }
        }
    }
}

/// Returns true for the characters that keyboards and word processors produce for an apostrophe,
/// among them accents that stand alone. U+1FEF and U+1FFD are canonically equivalent to `` ` `` and
/// `´`.
pub(crate) fn is_apostrophe(c: char) -> bool {
    matches!(
        c,
        '\'' | '`' | '´' | '’' | '‘' | '‛' | 'ʼ' | 'ʹ' | 'ˈ' | '′' | '＇' | '\u{1fef}' | '\u{1ffd}'
    )
}

/// Returns true if a mark after `base` is an accent that users leave out, and not part of the
/// letter.
fn drops_marks(base: char) -> bool {
    base.is_ascii_digit()
        || matches!(
            base.script(),
            Script::Latin | Script::Greek | Script::Cyrillic | Script::Hebrew | Script::Arabic
        )
}

/// Returns the plain letters that users type instead of a letter without a decomposition, such as
/// `o` for `ø` and `ae` for `æ`.
fn plain_spelling(c: char) -> Option<&'static str> {
    Some(match c {
        'đ' => "d",
        'ł' => "l",
        'ø' => "o",
        'ħ' => "h",
        'ı' => "i",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_folds_to_the_form_that_users_type() {
        for (text, folded) in [
            ("José", "jose"),
            ("Straße", "strasse"),
            ("STRASSE", "strasse"),
            ("O'Brien", "obrien"),
            ("O’Brien", "obrien"),
            ("O´Brien O`Brien", "obrien obrien"),
            ("O‘B‛r′iʼeʹnˈ＇\u{1fef}\u{1ffd}", "obrien"),
            ("Þór ÞÓRA", "thor thora"),
            ("Łukasz Żółć", "lukasz zolc"),
            ("Søren Kierkegård", "soren kierkegard"),
            ("İstanbul ılık", "istanbul ilik"),
            ("Nguyễn Đình", "nguyen dinh"),
            ("Æsop Œuvre", "aesop oeuvre"),
            ("ﬁancée", "fiancee"),
            ("Ελλάς", "ελλασ"),
            ("Ёлка", "елка"),
            ("שָׁלוֹם", "שלום"),
            ("Ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
            ("ガ", "ガ"),
            ("ｶﾞ", "ガ"),
            ("한국", "한국"),
            ("हिन्दी", "हिन्दी"),
            ("x\u{301}", "x"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    proptest! {
        #[test]
        fn folding_is_idempotent(text: String) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
        }

        #[test]
        fn composed_and_decomposed_text_fold_alike(text: String) {
            let composed: String = text.nfc().collect();
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(fold(&composed), fold(&decomposed));
        }

        #[test]
        fn ascii_fast_path_matches_the_general_path(text in "[ -~]{0,40}") {
            let with_more = format!("{text}é");
            prop_assert_eq!(fold(&with_more), format!("{}e", fold(&text)));
        }
    }
}
