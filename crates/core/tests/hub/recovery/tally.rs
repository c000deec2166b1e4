//! What has happened in all cases together, so that the test can tell whether it has tried what it is there for.

use super::{log::Outside, seen::Said};

#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Resubscribes from a position that the channel has had, by whether all that was missed had to be retained.
    pub(super) inside: usize,
    pub(super) outside: usize,
    /// Inside, with something missed.
    pub(super) caught_up: usize,
    /// Outside because of the limits alone.
    pub(super) too_much: usize,
    /// Outside because others in the same reply had recovered so much.
    pub(super) crowded: usize,
    /// Inside or outside: in the middle of a round's publications.
    pub(super) raced: usize,
    /// Inside or outside: from offset 0.
    pub(super) from_nothing: usize,
    /// Resubscribes from a position that the channel has never had.
    pub(super) untrue: usize,
    /// Of all these: in the reply to a connect command.
    pub(super) connecting: usize,
    /// Clients that were closed as slow.
    pub(super) slow: usize,
}

impl Tally {
    /// A resubscribe, which had to get so many publications or none for a reason.
    pub(super) fn count(&mut self, missed: Result<usize, Outside>, said: &Said, raced: bool) {
        match missed {
            Ok(missed) => {
                self.inside += 1;
                self.caught_up += usize::from(missed > 0);
            }
            Err(Outside::Untrue) => return self.untrue += 1,
            Err(outside) => {
                self.outside += 1;
                self.too_much += usize::from(outside == Outside::TooMuch);
                self.crowded += usize::from(outside == Outside::Crowded);
            }
        }
        self.raced += usize::from(raced);
        self.from_nothing += usize::from(said.offset == 0);
    }

    /// Panics unless enough of everything has happened. As a rule it is several times as much.
    pub(super) fn check(&self) {
        let fair = self.inside + self.outside;
        assert!(fair >= 500, "{self:?}");
        assert!(10 * self.inside >= 3 * fair && 10 * self.outside >= 3 * fair, "{self:?}");
        let often = [self.caught_up, self.from_nothing, self.untrue, self.connecting, self.too_much];
        assert!(often.into_iter().all(|count| count >= 30), "{self:?}");
        assert!([self.raced, self.slow].into_iter().all(|count| count >= 10), "{self:?}");
        assert!(self.crowded > 0, "{self:?}");
    }
}
