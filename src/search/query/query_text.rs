//! What a person typed, taken apart. It is not a query language: no input is a syntax error.

use crate::analyzer;
use crate::search::query::fuzzy::FuzzyWord;
use crate::search::terms::phone::{self, PhoneNumber};

/// A query: groups of words, all of which a lead must have.
#[derive(Debug, Default)]
pub(crate) struct QueryText {
    pub(crate) groups: Vec<WordGroup>,
}

/// A part of a query that is found as one: a phrase, or phrases that are a phone number if they are read together.
#[derive(Debug)]
pub(crate) struct WordGroup {
    /// Each of them is to be found, …
    pub(crate) phrases: Vec<Phrase>,
    /// … or this.
    pub(crate) number: Option<PhoneNumber>,
}

/// Words that must stand side by side in one value: a single word, several joined by punctuation as in
/// `jane@example.com`, or what stands in double quotes.
#[derive(Debug)]
pub(crate) struct Phrase {
    pub(crate) words: Vec<QueryWord>,
}

/// A word of a query.
#[derive(Debug)]
pub(crate) struct QueryWord {
    pub(crate) text: String,
    /// Whether it may be only the beginning of a word.
    pub(crate) is_prefix: bool,
    /// What is forgiven of it, if anything.
    pub(crate) fuzzy: Option<FuzzyWord>,
}

impl QueryText {
    pub(crate) fn parse(text: &str) -> Self {
        let mut groups = Vec::new();
        // Outside of quotes first, then inside, and so on: a quote that is not closed goes on to the end.
        for (index, part) in text.split('"').enumerate() {
            if index % 2 == 1 {
                groups.extend(quoted(part));
            } else {
                groups.extend(unquoted(part));
            }
        }
        let quoted_last = text.matches('"').count() % 2 == 1 || text.trim_end().ends_with('"');
        // With the marks that a letter has.
        let goes_on = analyzer::words(text)
            .last()
            .is_some_and(|word| word.end == text.len());
        let last = groups.last_mut().and_then(|group| group.phrases.last_mut());
        if let Some(last) = last
            .filter(|_| goes_on && !quoted_last)
            .and_then(|phrase| phrase.words.last_mut())
        {
            last.is_prefix = true;
        }
        Self { groups }
    }

    /// All words in the typed order.
    pub(crate) fn words(&self) -> impl Iterator<Item = &QueryWord> {
        self.groups
            .iter()
            .flat_map(|group| &group.phrases)
            .flat_map(|phrase| &phrase.words)
    }
}

impl QueryWord {
    /// How many typos it has if `stored` was meant, with whether it is only a beginning of that; `None` if it was not.
    pub(crate) fn meant(&self, stored: &str, forgiving: bool) -> Option<(u8, bool)> {
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

/// How many words a query has.
pub(crate) fn word_count(text: &str) -> usize {
    analyzer::words(text).len()
}

fn quoted(part: &str) -> Option<WordGroup> {
    let number = if is_dialled(part) {
        PhoneNumber::read(part)
    } else {
        None
    };
    Some(WordGroup {
        phrases: vec![phrase(part, true)?],
        number,
    })
}

fn unquoted(part: &str) -> Vec<WordGroup> {
    let typed: Vec<&str> = part.split_whitespace().collect();
    let mut groups = Vec::new();
    for stretch in typed.chunk_by(|a, b| is_dialled(a) && is_dialled(b)) {
        let phrases: Vec<Phrase> = stretch
            .iter()
            .filter_map(|typed| phrase(typed, false))
            .collect();
        let number = if stretch.iter().copied().all(is_dialled) {
            PhoneNumber::read(&stretch.join(" "))
        } else {
            None
        };
        if number.is_some() {
            groups.push(WordGroup { phrases, number });
        } else {
            groups.extend(phrases.into_iter().map(|phrase| WordGroup {
                phrases: vec![phrase],
                number: None,
            }));
        }
    }
    groups
}

/// Whether a part of a query may be one of a phone number.
fn is_dialled(typed: &str) -> bool {
    typed.chars().all(phone::is_dialled)
}

fn phrase(text: &str, quoted: bool) -> Option<Phrase> {
    let word = |word: analyzer::Word| QueryWord {
        fuzzy: if quoted {
            None
        } else {
            FuzzyWord::new(&word.text)
        },
        // One Han or kana character stands for every pair that it begins.
        is_prefix: word.single_cjk,
        text: word.text,
    };
    let words: Vec<QueryWord> = analyzer::words(text).into_iter().map(word).collect();
    (!words.is_empty()).then_some(Phrase { words })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` between groups, a space between phrases, `.` between words, `*` after a beginning, `#` after a group that may
    /// be a number.
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
    fn stretches_of_digits_may_be_phone_numbers() {
        for (text, expected) in [
            ("504-621-8927", "504.621.8927*#"),
            ("jane (504) 621 8927 doe", "jane|504 621 8927#|doe*"),
            ("+1 504", "1 504*#"),
            ("50 4", "50|4*"),
            ("- 50 -", "50"),
            ("\"504 621\"", "504.621#"),
            ("a5046218927", "a5046218927*"),
            ("tel:5046218927", "tel.5046218927*"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn typos_are_forgiven_outside_of_quotes() {
        let forgiven = |text: &str| {
            QueryText::parse(text)
                .words()
                .all(|word| word.fuzzy.is_some())
        };
        assert!(forgiven("jane doeling.company"));
        assert!(!forgiven("\"jane\"") && !forgiven("doe") && !forgiven("jane1"));
    }
}
