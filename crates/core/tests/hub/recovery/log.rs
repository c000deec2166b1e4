//! Everything that was published to a channel, and which part of it must be retained.

use super::{
    Kind, MAX_RECOVERY, MAX_RECOVERY_BYTES,
    model::Verdict,
    seen::{Publication, Published, Said},
};

/// The log of a channel: the data of every publication. The first has offset 1.
pub(super) struct Log {
    kind: Kind,
    epoch: Option<String>,
    data: Vec<String>,
    /// How much of it is older than this round.
    before: usize,
}

/// Why a client cannot get what it has missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outside {
    /// The channel has never had this position.
    Untrue,
    NotRetained,
    /// More than the limits allow.
    TooMuch,
    /// More than other subscriptions in the same reply have left.
    Crowded,
}

impl Log {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, epoch: None, data: Vec::new(), before: 0 }
    }

    /// The offset of the last publication.
    pub(super) fn top(&self) -> u64 {
        self.data.len() as u64
    }

    /// Whether `top` was reached with some of this round's publications still to come.
    pub(super) fn is_amid_round(&self, top: u64) -> bool {
        (self.before as u64 + 1..self.top()).contains(&top)
    }

    /// Takes down what was published in a round: each offset is taken once, and none is left.
    pub(super) fn extend(&mut self, published: Published) -> Verdict {
        self.before = self.data.len();
        let Published { placed, ordered } = published;
        let mut places: Vec<Option<String>> = vec![None; placed.len() + ordered.len()];
        for (Said { epoch, offset }, data) in placed {
            self.check_epoch(&epoch)?;
            let index = usize::try_from(offset).unwrap().checked_sub(self.before + 1);
            let place = index.and_then(|index| places.get_mut(index));
            let place = place.ok_or_else(|| format!("{data} cannot have got offset {offset}"))?;
            if let Some(other) = place.replace(data) {
                return Err(format!("{other} has offset {offset} as well"));
            }
        }
        let mut ordered = ordered.into_iter();
        self.data.extend(places.into_iter().map(|place| place.or_else(|| ordered.next()).unwrap()));
        Ok(())
    }

    /// A channel has one epoch. Whoever hears of it first, says which.
    pub(super) fn check_epoch(&mut self, epoch: &str) -> Verdict {
        match self.epoch.get_or_insert_with(|| epoch.to_owned()) {
            known if known == epoch => Ok(()),
            known => Err(format!("{:?} has epoch {epoch}, and had {known}", self.kind)),
        }
    }

    /// Where a publication is, which has to be where it says.
    pub(super) fn offset(&self, publication: &Publication) -> Verdict<u64> {
        let index = self.data.iter().position(|data| *data == publication.data);
        let offset = index.ok_or_else(|| format!("nobody has published {publication:?}"))? as u64 + 1;
        let told = if self.kind.keeps_history() { offset } else { 0 };
        if publication.offset == told {
            Ok(offset)
        } else {
            Err(format!("{publication:?} of {:?} should have offset {told}", self.kind))
        }
    }

    /// How many publications a client that has said this must get when the channel is at `top`, and `budget` bytes may
    /// be recovered.
    pub(super) fn missed(&self, said: &Said, top: u64, budget: usize) -> Result<usize, Outside> {
        let fits = said.epoch.is_empty() || self.epoch.as_ref() == Some(&said.epoch);
        if said.offset > top || !fits {
            return Err(Outside::Untrue);
        }
        let (missed, top) = ((top - said.offset) as usize, top as usize);
        let retained = if self.kind.is_fleeting() { 0 } else { self.kind.namespace().history_size };
        if missed > retained {
            return Err(Outside::NotRetained);
        }
        let bytes: usize = self.data[top - missed..top].iter().map(|data| json_bytes(data)).sum();
        if missed > MAX_RECOVERY || bytes > MAX_RECOVERY_BYTES {
            return Err(Outside::TooMuch);
        }
        if bytes > budget { Err(Outside::Crowded) } else { Ok(missed) }
    }
}

/// The length of data as JSON: nothing in it has to be escaped.
pub(super) fn json_bytes(data: &str) -> usize {
    data.len() + 2
}
