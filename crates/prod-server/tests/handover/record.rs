//! What everybody together has learned of a channel, and what cannot be true at the same time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

/// A place in a stream: epoch and offset.
pub(crate) type Place = (String, u64);

/// One for each channel.
#[derive(Default)]
pub(crate) struct Record(Mutex<Learned>);

#[derive(Default)]
struct Learned {
    texts: BTreeMap<Place, String>,
    places: BTreeMap<String, Place>,
    /// Texts that somebody was told are published.
    confirmed: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Record {
    /// Somebody was told that this text is at this place.
    pub(crate) fn note(&self, place: Place, text: &str) {
        let mut learned = self.0.lock().unwrap();
        let before = learned.texts.insert(place.clone(), text.to_owned());
        if before.as_ref().is_some_and(|before| before != text) {
            learned.wrong.push(format!("at {place:?} are {before:?} and {text:?}"));
        }
        // Nobody sends a text twice.
        let before = learned.places.insert(text.to_owned(), place.clone());
        if before.as_ref().is_some_and(|before| *before != place) {
            learned.wrong.push(format!("{text:?} is at {before:?} and at {place:?}"));
        }
    }

    /// The sender of this text was told that it is published.
    pub(crate) fn confirm(&self, text: String) {
        self.0.lock().unwrap().confirmed.insert(text);
    }

    pub(crate) fn wrong(&self, what: String) {
        self.0.lock().unwrap().wrong.push(what);
    }

    /// How many texts were confirmed.
    pub(crate) fn confirmed(&self) -> usize {
        self.0.lock().unwrap().confirmed.len()
    }

    /// Confirmed texts that are not among these.
    pub(crate) fn missed(&self, heard: &BTreeSet<String>) -> Vec<String> {
        self.0.lock().unwrap().confirmed.difference(heard).cloned().collect()
    }

    /// What cannot be true.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        self.0.lock().unwrap().wrong.clone()
    }
}

#[test]
fn a_place_has_one_text_and_a_text_one_place() {
    let place = |offset| ("epoch".to_owned(), offset);
    let record = Record::default();
    record.note(place(1), "a");
    record.note(place(1), "a");
    record.note(place(2), "b");
    assert_eq!(record.contradictions(), [] as [String; 0]);
    record.note(place(2), "c");
    assert_eq!(record.contradictions().len(), 1);
    record.note(place(3), "a");
    assert_eq!(record.contradictions().len(), 2);
    record.confirm("a".to_owned());
    record.confirm("d".to_owned());
    assert_eq!(record.missed(&BTreeSet::from(["a".to_owned()])), ["d"]);
}
