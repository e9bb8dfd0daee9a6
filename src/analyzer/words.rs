//! Splitting text into words: at everything that is neither letter nor digit, with overlapping pairs for the
//! scripts that write no spaces between words.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{compose, is_combining_mark};
use unicode_script::{Script, UnicodeScript};

use crate::analyzer::fold::Folder;

/// One word of a text, or one pair of neighbours in a run of Han and kana.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The folded word.
    pub(crate) text: String,
    /// Where it begins in the original text, in bytes.
    pub(crate) start: usize,
    /// Where it ends in the original text, in bytes.
    pub(crate) end: usize,
    /// Whether it is a single Han or kana character, which as a query stands for all pairs that it begins.
    pub(crate) single_cjk: bool,
}

/// The words of `text` in order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    if text.is_ascii() {
        ascii_words(text)
    } else {
        any_words(text)
    }
}

/// The way of [`any_words`] for plain ASCII, which is most of what leads hold.
fn ascii_words(text: &str) -> Vec<Word> {
    let (mut words, mut start) = (Vec::new(), 0);
    // An apostrophe is no part of a word, nor does it end one.
    for run in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '\'') {
        let kept = run.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let begin = kept.find(|c: char| c != '\'').unwrap_or(kept.len());
        if let Some(kept) = kept.get(begin..).filter(|kept| !kept.is_empty()) {
            let mut text = kept.to_ascii_lowercase();
            text.retain(|c| c != '\'');
            words.push(Word {
                text,
                start: start + begin,
                end: start + begin + kept.len(),
                single_cjk: false,
            });
        }
        start += run.len();
    }
    words
}

fn any_words(text: &str) -> Vec<Word> {
    let mut splitter = Splitter::default();
    let mut folder = Folder::default();
    for (start, c) in text.char_indices() {
        let end = start + c.len_utf8();
        folder.fold(c, |plain| splitter.take(plain, start, end));
        if !c.is_ascii() && is_combining_mark(c) {
            splitter.include_mark(start, end);
        }
    }
    splitter.end_run();
    splitter.words
}

/// A folded character and the bytes of the original that it came from.
#[derive(Clone, Copy)]
struct Piece {
    c: char,
    start: usize,
    end: usize,
}

#[derive(Default)]
struct Splitter {
    words: Vec<Word>,
    run: Vec<Piece>,
    run_is_cjk: bool,
}

impl Splitter {
    fn take(&mut self, c: char, start: usize, end: usize) {
        if !c.is_ascii() && is_combining_mark(c) {
            self.take_mark(c, start, end);
            return;
        }
        if !c.is_alphanumeric() {
            self.end_run();
            return;
        }
        // The mark of a long vowel belongs to no script; after another script's letter it is one more of those.
        let cjk = is_cjk(c) || (c == 'ー' && (self.run_is_cjk || self.run.is_empty()));
        if cjk != self.run_is_cjk {
            self.end_run();
            self.run_is_cjk = cjk;
        }
        self.run.push(Piece { c, start, end });
    }

    /// A mark belongs to the letter before it; one that stands alone is no word.
    fn take_mark(&mut self, mark: char, start: usize, end: usize) {
        let Some(last) = self.run.last_mut() else {
            return;
        };
        match compose(last.c, mark) {
            Some(composed) if self.run_is_cjk => {
                last.c = composed;
                last.end = end;
            }
            _ if self.run_is_cjk => last.end = end,
            _ => self.run.push(Piece {
                c: mark,
                start,
                end,
            }),
        }
    }

    /// A mark that folding dropped still belongs to its letter's place.
    fn include_mark(&mut self, start: usize, end: usize) {
        if let Some(last) = self.run.last_mut().filter(|last| last.end == start) {
            last.end = end;
        }
    }

    fn end_run(&mut self) {
        let run = &mut self.run;
        if self.run_is_cjk {
            match run.as_slice() {
                [single] => self.words.push(word(&[*single], true)),
                several => self
                    .words
                    .extend(several.windows(2).map(|pair| word(pair, false))),
            }
        } else if !run.is_empty() {
            self.words.push(word(run, false));
        }
        run.clear();
        self.run_is_cjk = false;
    }
}

fn word(pieces: &[Piece], single_cjk: bool) -> Word {
    let mut text: String = pieces.iter().map(|piece| piece.c).collect();
    if !text.is_ascii() {
        text = text.nfc().collect();
    }
    Word {
        text,
        start: pieces.first().map_or(0, |piece| piece.start),
        end: pieces.last().map_or(0, |piece| piece.end),
        single_cjk,
    }
}

fn is_cjk(c: char) -> bool {
    !c.is_ascii()
        && matches!(
            c.script(),
            Script::Han | Script::Hiragana | Script::Katakana
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn text_splits_where_neither_letter_nor_digit_stands() {
        for (text, expected) in [
            ("Jane Doe", vec!["jane", "doe"]),
            ("jane@example.com", vec!["jane", "example", "com"]),
            ("O'Brien & Söhne", vec!["obrien", "sohne"]),
            ("+1-555-0123", vec!["1", "555", "0123"]),
            ("東京都", vec!["東京", "京都"]),
            ("東", vec!["東"]),
            ("東京 Tower", vec!["東京", "tower"]),
            ("iPhone東京", vec!["iphone", "東京"]),
            ("スーパー", vec!["スー", "ーパ", "パー"]),
            ("ーパー", vec!["ーパ", "パー"]),
            ("ー", vec!["ー"]),
            ("Beeー", vec!["beeー"]),
            ("ｶﾞｽ", vec!["ガス"]),
            ("서울 특별시", vec!["서울", "특별시"]),
            ("हिन्दी भाषा", vec!["हिन्दी", "भाषा"]),
            ("  ... ", vec![]),
            ("\u{301}", vec![]),
        ] {
            assert_eq!(texts(text), expected, "{text}");
        }
    }

    #[test]
    fn words_know_their_place_in_the_original() {
        let text = "Dr. Straße-O’Brien cafe\u{301}s";
        let places: Vec<&str> = words(text)
            .iter()
            .map(|word| &text[word.start..word.end])
            .collect();
        assert_eq!(places, ["Dr", "Straße", "O’Brien", "cafe\u{301}s"]);
    }

    proptest! {
        #[test]
        fn ascii_takes_the_same_way_as_the_rest(text in "[ -~\t]{0,60}") {
            prop_assert_eq!(ascii_words(&text), any_words(&text));
        }

        #[test]
        fn places_are_in_order_and_at_character_boundaries(text: String) {
            let mut last_start = 0;
            for word in words(&text) {
                prop_assert!(text.get(word.start..word.end).is_some_and(|place| !place.is_empty()));
                prop_assert!(word.start >= last_start);
                prop_assert!(!word.text.is_empty());
                last_start = word.start;
            }
        }
    }
}
