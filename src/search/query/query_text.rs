//! Parses the text of a query. There is no query language, so no input is a syntax error.

use crate::analyzer;
use crate::search::query::fuzzy::FuzzyWord;
use crate::search::terms::phone::numbers::numbers;
use crate::search::terms::phone::{self, PhoneNumber, TypedPart};

/// A parsed query: groups of words. A lead must match every group.
#[derive(Debug, Default)]
pub(crate) struct QueryText {
    pub(crate) groups: Vec<WordGroup>,
}

/// A part of a query that is matched as a unit: a single phrase, which may also be a phone number,
/// or several phrases that together form a phone number.
#[derive(Debug)]
pub(crate) struct WordGroup {
    /// A lead matches if it matches all of these phrases.
    pub(crate) phrases: Vec<Phrase>,
    /// A lead also matches if its phone number matches this one.
    pub(crate) number: Option<PhoneNumber>,
}

/// Words that must be adjacent in one value: a single word, several words joined by punctuation as
/// in `jane@example.com`, or the words in double quotes.
#[derive(Debug)]
pub(crate) struct Phrase {
    pub(crate) words: Vec<QueryWord>,
}

/// A word of a query.
#[derive(Debug)]
pub(crate) struct QueryWord {
    pub(crate) text: String,
    /// True if the word also matches as a prefix.
    pub(crate) is_prefix: bool,
    /// The word's typo tolerance; `None` if it tolerates no typos.
    pub(crate) fuzzy: Option<FuzzyWord>,
}

impl QueryText {
    pub(crate) fn parse(text: &str) -> Self {
        let mut groups = Vec::new();
        // Parts outside and inside quotes alternate. An unclosed quote extends to the end of the
        // text.
        for (index, part) in text.split('"').enumerate() {
            if index % 2 == 1 {
                groups.extend(quoted(part));
            } else {
                groups.extend(unquoted(part));
            }
        }
        let quoted_last = text.matches('"').count() % 2 == 1 || text.trim_end().ends_with('"');
        // Users who know SQL or file names end a prefix with a wildcard.
        let without_wildcard = text.trim_end().strip_suffix(['*', '%']);
        let typed = without_wildcard.unwrap_or(text);
        // The end of a word includes the combining marks of its last letter.
        let ends_in_word = analyzer::words(typed)
            .last()
            .is_some_and(|word| word.end == typed.len());
        let last = groups.last_mut().and_then(|group| group.phrases.last_mut());
        if let Some(last) = last
            .filter(|_| ends_in_word && !quoted_last)
            .and_then(|phrase| phrase.words.last_mut())
        {
            last.is_prefix = true;
        }
        Self { groups }
    }

    /// Returns all words in the typed order.
    pub(crate) fn words(&self) -> impl Iterator<Item = &QueryWord> {
        self.groups
            .iter()
            .flat_map(|group| &group.phrases)
            .flat_map(|phrase| &phrase.words)
    }
}

impl QueryWord {
    /// Compares the word with a stored one. Returns the number of typos, and true if the word
    /// matches only a prefix of `stored`; `None` if it does not match.
    pub(crate) fn difference(&self, stored: &str, forgiving: bool) -> Option<(u8, bool)> {
        if self.text == stored {
            return Some((0, false));
        }
        if self.is_prefix && stored.starts_with(self.text.as_str()) {
            return Some((0, true));
        }
        self.fuzzy
            .as_ref()
            .filter(|_| forgiving)?
            .distance(stored)?
            .least(self.is_prefix)
    }
}

/// Returns the number of words in a query.
pub(crate) fn word_count(text: &str) -> usize {
    analyzer::words(text).len()
}

fn quoted(part: &str) -> Option<WordGroup> {
    let is_number = part.chars().all(phone::is_dialable);
    let number = match numbers(part).as_slice() {
        [number] if is_number => PhoneNumber::of(number),
        _ => None,
    };
    Some(WordGroup {
        phrases: vec![phrase(part, true)?],
        number,
    })
}

fn unquoted(part: &str) -> Vec<WordGroup> {
    let typed: Vec<&str> = part.split_whitespace().collect();
    let mut rest = typed.as_slice();
    let mut groups = Vec::new();
    while !rest.is_empty() {
        let length = number_length(rest);
        let (run, after) = rest.split_at_checked(length.max(1)).unwrap_or_default();
        let numbers = if length > 0 {
            number_groups(run)
        } else {
            Vec::new()
        };
        if numbers.is_empty() {
            groups.extend(run.iter().filter_map(|typed| word_group(typed)));
        } else {
            groups.extend(numbers);
        }
        rest = after;
    }
    groups
}

/// Returns how many of the first typed parts may form phone numbers, with their extensions.
fn number_length(typed: &[&str]) -> usize {
    let ends_with_extension = |length: usize| {
        let run = typed.get(..length).map(|run| numbers(&run.join(" ")));
        run.is_some_and(|run| run.last().is_some_and(|last| last.has_extension))
    };
    let first = typed.first().copied().unwrap_or_default();
    if phone::without_scheme(first).is_some_and(|number| numbers(number).len() == 1) {
        return 1;
    }
    let mut length = 0;
    while let Some(next) = typed.get(length) {
        length += match TypedPart::of(next) {
            TypedPart::Dialable => 1,
            TypedPart::WithExtension if ends_with_extension(length + 1) => 1,
            TypedPart::Mark if ends_with_extension(length + 2) => 2,
            _ => break,
        };
    }
    length
}

/// Returns a group for each phone number that the typed parts form together. Returns none if they
/// form no number.
fn number_groups(run: &[&str]) -> Vec<WordGroup> {
    let run = run.join(" ");
    let number = phone::without_scheme(&run).unwrap_or(&run);
    let phrases = |typed: &str| {
        let typed = typed.split_whitespace();
        typed.filter_map(|typed| phrase(typed, false)).collect()
    };
    let numbers = numbers(number);
    let groups = numbers.iter().map(|found| WordGroup {
        phrases: phrases(match numbers.as_slice() {
            [_] => &run,
            _ => number.get(found.range.clone()).unwrap_or_default(),
        }),
        number: PhoneNumber::of(found),
    });
    let groups: Vec<WordGroup> = groups.collect();
    if groups.iter().any(|group| group.number.is_some()) {
        groups
    } else {
        Vec::new()
    }
}

fn word_group(typed: &str) -> Option<WordGroup> {
    Some(WordGroup {
        phrases: vec![phrase(typed, false)?],
        number: None,
    })
}

fn phrase(text: &str, quoted: bool) -> Option<Phrase> {
    let word = |word: analyzer::Word| QueryWord {
        fuzzy: if quoted {
            None
        } else {
            FuzzyWord::new(&word.text)
        },
        // A single Han or kana character matches every indexed pair of characters that starts with
        // it.
        is_prefix: word.single_cjk,
        text: word.text,
    };
    let words: Vec<QueryWord> = analyzer::words(text).into_iter().map(word).collect();
    (!words.is_empty()).then_some(Phrase { words })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats a parsed query: `|` separates groups, a space separates phrases, and `.` separates
    /// words. `*` follows a prefix, and `#` follows a group that may be a phone number.
    fn parsed(text: &str) -> String {
        let word =
            |word: &QueryWord| format!("{}{}", word.text, if word.is_prefix { "*" } else { "" });
        let phrase = |phrase: &Phrase| phrase.words.iter().map(word).collect::<Vec<_>>().join(".");
        let group = |group: &WordGroup| {
            let phrases = group
                .phrases
                .iter()
                .map(phrase)
                .collect::<Vec<_>>()
                .join(" ");
            phrases + if group.number.is_some() { "#" } else { "" }
        };
        QueryText::parse(text)
            .groups
            .iter()
            .map(group)
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn words_quotes_and_punctuation_make_phrases() {
        for (text, expected) in [
            ("jane doe", "jane|doe*"),
            ("jane doe ", "jane|doe"),
            ("jane do*", "jane|do*"),
            ("jane do% ", "jane|do*"),
            ("jane do *", "jane|do"),
            ("jane* doe ", "jane|doe"),
            ("* %", ""),
            ("jane jose\u{301}", "jane|jose*"),
            ("हि", "हि*"),
            ("jane o'", "jane|o"),
            ("jane@example.com", "jane.example.com*"),
            ("example.com.", "example.com"),
            ("\"new york\" bagel", "new.york|bagel*"),
            ("\"new york\"", "new.york"),
            ("bagel \"new yo", "bagel|new.yo"),
            ("東", "東*"),
            ("ー ", "ー*"),
            ("東京都", "東京.京都*"),
            ("東 Tower ", "東*|tower"),
            ("... \" \" ?", ""),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn runs_of_digits_may_be_phone_numbers() {
        for (text, expected) in [
            ("504-621-8927", "504.621.8927*#"),
            ("jane (504) 621 8927 doe", "jane|504 621 8927#|doe*"),
            ("+1 504", "1 504*#"),
            ("50 4", "50|4*"),
            ("- 50 -", "50"),
            ("\"504 621\"", "504.621#"),
            ("a5046218927", "a5046218927*"),
            ("tel:5046218927", "tel.5046218927*#"),
            ("TEL:+49-30-1234567 jane", "tel.49.30.1234567#|jane*"),
            ("tel:bob", "tel.bob*"),
            ("030 111222 / 0171 333444", "030 111222#|0171 333444*#"),
            ("030111222/0171333444", "030111222#|0171333444*#"),
            ("030/1234567", "030.1234567*#"),
            (
                "+1 (212) 555-0101 ext. 42 jane",
                "1 212 555.0101 ext 42#|jane*",
            ),
            ("212 555-0101x42", "212 555.0101x42*#"),
            ("212 555-0101 #42 1", "212 555.0101 42 1*#"),
            ("1200 x 800", "1200#|x|800*"),
            ("jane ext 42", "jane|ext|42*"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn only_long_unquoted_words_tolerate_typos() {
        let tolerant = |text: &str| {
            QueryText::parse(text)
                .words()
                .all(|word| word.fuzzy.is_some())
        };
        assert!(tolerant("jane doeling.company"));
        assert!(!tolerant("\"jane\"") && !tolerant("doe") && !tolerant("jane1"));
    }
}
