//! Splits text into words at every character that is not a letter, a digit, a combining mark or an
//! apostrophe. Runs of Han and kana, which have no spaces between words, are split into overlapping
//! pairs of characters. A blank does not end such a run, because names are written with and without
//! one: `山田 太郎`, `山田太郎`.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{compose, is_combining_mark};
use unicode_script::{Script, UnicodeScript};

use crate::analyzer::fold::{Folder, is_apostrophe};

/// A word of a text, or a pair of adjacent characters in a run of Han or kana.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The folded word.
    pub(crate) text: String,
    /// Byte offset of its start in the original text.
    pub(crate) start: usize,
    /// Byte offset of its end in the original text.
    pub(crate) end: usize,
    /// True if the word is a single Han or kana character. In a query it matches every pair that
    /// starts with it.
    pub(crate) single_cjk: bool,
}

/// Returns the words of `text` in order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    if text.is_ascii() {
        ascii_words(text)
    } else {
        unicode_words(text)
    }
}

/// Splits ASCII text like [`unicode_words`], but faster. Most text in leads is ASCII.
fn ascii_words(text: &str) -> Vec<Word> {
    let (mut words, mut start) = (Vec::new(), 0);
    // An apostrophe neither belongs to a word nor ends one.
    for run in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && !is_apostrophe(c)) {
        let trimmed = run.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let begin = trimmed
            .find(|c: char| !is_apostrophe(c))
            .unwrap_or(trimmed.len());
        if let Some(trimmed) = trimmed.get(begin..).filter(|trimmed| !trimmed.is_empty()) {
            let mut text = trimmed.to_ascii_lowercase();
            text.retain(|c| !is_apostrophe(c));
            words.push(Word {
                text,
                start: start + begin,
                end: start + begin + trimmed.len(),
                single_cjk: false,
            });
        }
        start += run.len();
    }
    words
}

fn unicode_words(text: &str) -> Vec<Word> {
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

/// A folded character with the byte range that it came from.
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
    /// True after a blank that follows a run of Han or kana.
    after_blank: bool,
    /// Number of characters of the run before the last blank in it.
    before_blank: usize,
}

impl Splitter {
    fn take(&mut self, c: char, start: usize, end: usize) {
        if !c.is_ascii() && is_combining_mark(c) {
            self.take_mark(c, start, end);
            return;
        }
        if !c.is_alphanumeric() {
            if self.run_is_cjk && c.is_whitespace() && !matches!(c, '\n' | '\r') {
                self.after_blank = true;
            } else {
                self.end_run();
            }
            return;
        }
        // The long vowel mark belongs to no single script. It continues a run of any script, and
        // counts as kana at the start of a run.
        let cjk = is_cjk(c) || (c == 'ー' && (self.run_is_cjk || self.run.is_empty()));
        if cjk != self.run_is_cjk {
            self.end_run();
            self.run_is_cjk = cjk;
        }
        if std::mem::take(&mut self.after_blank) {
            self.before_blank = self.run.len();
        }
        self.run.push(Piece { c, start, end });
    }

    /// Attaches a mark to the letter before it. A mark without a letter is not a word.
    fn take_mark(&mut self, mark: char, start: usize, end: usize) {
        if self.after_blank {
            return;
        }
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

    /// Extends the byte range of a letter by a mark that folding has dropped.
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
                several => {
                    let pairs = several.windows(2).map(|pair| word(pair, false));
                    self.words.extend(pairs);
                    // A single character after a blank begins no pair, but can be typed as a word.
                    if let [before @ .., last] = several
                        && before.len() == self.before_blank
                    {
                        self.words.push(word(&[*last], true));
                    }
                }
            }
        } else if !run.is_empty() {
            self.words.push(word(run, false));
        }
        run.clear();
        self.run_is_cjk = false;
        (self.after_blank, self.before_blank) = (false, 0);
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
    fn text_splits_at_characters_that_are_no_letter_or_digit() {
        for (text, expected) in [
            ("Jane Doe", vec!["jane", "doe"]),
            ("jane@example.com", vec!["jane", "example", "com"]),
            ("O'Brien & Söhne", vec!["obrien", "sohne"]),
            ("O`Brien O´Brien ` ´", vec!["obrien", "obrien"]),
            ("+1-555-0123", vec!["1", "555", "0123"]),
            ("東京都", vec!["東京", "京都"]),
            ("東", vec!["東"]),
            ("東京 Tower", vec!["東京", "tower"]),
            ("山田 太郎", vec!["山田", "田太", "太郎"]),
            ("山田\u{3000} 太", vec!["山田", "田太", "太"]),
            ("林 檎", vec!["林檎", "檎"]),
            ("林 ", vec!["林"]),
            (
                "山 田 郎 Tower 林",
                vec!["山田", "田郎", "郎", "tower", "林"],
            ),
            ("山田\n太郎", vec!["山田", "太郎"]),
            ("山田・太郎", vec!["山田", "太郎"]),
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
    fn words_have_byte_ranges_in_the_original() {
        let text = "Dr. Straße-O’Brien cafe\u{301}s";
        let slices: Vec<&str> = words(text)
            .iter()
            .map(|word| &text[word.start..word.end])
            .collect();
        assert_eq!(slices, ["Dr", "Straße", "O’Brien", "cafe\u{301}s"]);
    }

    proptest! {
        #[test]
        fn ascii_fast_path_matches_the_general_path(text in "[ -~\t]{0,60}") {
            prop_assert_eq!(ascii_words(&text), unicode_words(&text));
        }

        #[test]
        fn ranges_are_ordered_and_on_character_boundaries(text: String) {
            let mut last_start = 0;
            for word in words(&text) {
                prop_assert!(text.get(word.start..word.end).is_some_and(|slice| !slice.is_empty()));
                prop_assert!(word.start >= last_start);
                prop_assert!(!word.text.is_empty());
                last_start = word.start;
            }
        }
    }
}
