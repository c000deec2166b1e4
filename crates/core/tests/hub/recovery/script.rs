//! What a case does, as data: rounds of publications, and what each client does meanwhile. Made at random, shrunk by
//! proptest, and written so that it can be read.

use std::fmt;

use proptest::{collection::vec, prelude::*};

use super::{Kind, MAX_RECOVERY, MAX_RECOVERY_BYTES};

/// How many clients a case has.
pub(super) const CLIENTS: usize = 3;

/// More than a publication weighs beside its data: the names and signs around it, and the place of its frame.
const PUBLICATION_BYTES: usize = 320;

/// Rounds, one after the other. All channels are new.
#[derive(Clone)]
pub(super) struct Script(pub(super) Vec<Round>);

/// What happens at the same time.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) bursts: Vec<Burst>,
    /// One for each client.
    pub(super) turns: Vec<Turn>,
}

/// Publications to one channel, by some tasks of the server at once.
#[derive(Clone, Debug)]
pub(super) struct Burst {
    pub(super) channel: Kind,
    pub(super) publishers: usize,
    /// Publications of each publisher.
    pub(super) each: usize,
    /// Of data, in one publication.
    pub(super) bytes: usize,
    /// How often a publisher lets others go first, before each publication.
    pub(super) pace: usize,
}

/// What a client does in a round.
#[derive(Clone, Debug)]
pub(super) enum Turn {
    /// It goes on as before: it is away, listens, or reads nothing.
    Rest,
    /// It does this, one after the other; if it is not connected, it connects before.
    Act {
        /// The subscriptions that the server makes for it while it connects.
        arrive: Vec<Wish>,
        acts: Vec<Act>,
        end: End,
    },
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    /// It subscribes, after giving back the subscription it has.
    Subscribe(Wish),
    Unsubscribe(Kind),
    Publish {
        channel: Kind,
        count: usize,
        bytes: usize,
    },
}

/// A subscription, and where it is to go on.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) channel: Kind,
    pub(super) from: From,
}

/// What a client that subscribes says of how far it has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// Nothing: it wants no more than what comes, and maybe a position.
    Now { positioned: bool },
    /// The truth; nothing if it was never there.
    Own,
    /// So much less than it has seen.
    Older(u64),
    /// As much as it has seen, but no epoch. A client that was never there has seen nothing.
    NoEpoch,
    /// As much as it has seen, of another epoch.
    Foreign,
    /// So much more than was ever published.
    Future(u64),
}

/// How a client's turn ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// It reads until the round is over.
    Listen,
    /// It reads nothing until its next turn.
    Stall,
    /// It breaks the connection off after so many publications, or when the round is over.
    Reset { after: usize },
    /// The same, in order.
    Leave { after: usize },
    /// It asks for a subscription, and breaks the connection off at once.
    Vanish(Kind),
}

impl Script {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        vec(round(), 1..20).prop_map(Self)
    }
}

impl Round {
    /// A round without publications, in which everybody listens.
    pub(super) fn quiet() -> Self {
        let listen = Turn::Act { arrive: Vec::new(), acts: Vec::new(), end: End::Listen };
        Self { bursts: Vec::new(), turns: vec![listen; CLIENTS] }
    }

    /// Bytes that a client can be sent in this round, or a few more.
    pub(super) fn volume(&self, client: usize) -> usize {
        let reply = MAX_RECOVERY_BYTES + (MAX_RECOVERY + 1) * PUBLICATION_BYTES;
        let bursts =
            self.bursts.iter().map(|burst| burst.publishers * burst.each * (burst.bytes + PUBLICATION_BYTES));
        let published = self.turns.iter().flat_map(Turn::acts).map(|act| match act {
            Act::Publish { count, bytes, .. } => count * (bytes + PUBLICATION_BYTES),
            Act::Subscribe(_) | Act::Unsubscribe(_) => 0,
        });
        let asked = match &self.turns[client] {
            Turn::Rest => 0,
            Turn::Act { arrive, acts, .. } => arrive.len() + acts.len(),
        };
        bursts.sum::<usize>() + published.sum::<usize>() + (asked + 1) * reply
    }
}

impl Turn {
    fn acts(&self) -> &[Act] {
        match self {
            Self::Rest => &[],
            Self::Act { acts, .. } => acts,
        }
    }
}

fn round() -> impl Strategy<Value = Round> {
    let bursts = prop_oneof![9 => vec(burst(), 0..6), 1 => flood().prop_map(|flood| vec![flood])];
    (bursts, vec(turn(), CLIENTS)).prop_map(|(bursts, turns)| Round { bursts, turns })
}

fn burst() -> impl Strategy<Value = Burst> {
    // Few with pauses, or many without: so that some come in the middle of whatever else happens.
    let pauses = (1..4_usize, 1..7_usize, bytes(), 0..100_usize);
    let many = (Just(2), 20..40_usize, 10..20_usize, 0..10_usize);
    let shape = prop_oneof![5 => pauses, 1 => many];
    (kind(), shape).prop_map(|(channel, (publishers, each, bytes, pace))| Burst {
        channel,
        publishers,
        each,
        bytes,
        pace,
    })
}

/// More than waits for a client that does not read.
fn flood() -> impl Strategy<Value = Burst> {
    kind().prop_map(|channel| Burst { channel, publishers: 2, each: 50, bytes: 4000, pace: 0 })
}

fn turn() -> impl Strategy<Value = Turn> {
    let act =
        (arrive(), vec(act(), 0..4), end()).prop_map(|(arrive, acts, end)| Turn::Act { arrive, acts, end });
    prop_oneof![1 => Just(Turn::Rest), 2 => act]
}

/// A client may come back to everything that it can have missed something of: then all of it shares one reply.
fn arrive() -> impl Strategy<Value = Vec<Wish>> {
    let everything =
        |from| [Kind::Large, Kind::Middle, Kind::Tiny].map(|channel| Wish { channel, from }).into();
    let from = prop_oneof![1 => Just(From::Own), 2 => (1..5_u64).prop_map(From::Older)];
    prop_oneof![vec(wish(), 0..4), from.prop_map(everything)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => wish().prop_map(Act::Subscribe),
        1 => kind().prop_map(Act::Unsubscribe),
        2 => (kind(), 1..6_usize, bytes())
            .prop_map(|(channel, count, bytes)| Act::Publish { channel, count, bytes }),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    let from = prop_oneof![
        8 => Just(From::Own),
        2 => any::<bool>().prop_map(|positioned| From::Now { positioned }),
        5 => (1..6_u64).prop_map(From::Older),
        3 => (6..20_u64).prop_map(From::Older),
        2 => Just(From::NoEpoch),
        1 => Just(From::Foreign),
        1 => (1..4_u64).prop_map(From::Future),
    ];
    (kind(), from).prop_map(|(channel, from)| Wish { channel, from })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        4 => Just(End::Listen),
        2 => Just(End::Stall),
        3 => (0..12_usize).prop_map(|after| End::Reset { after }),
        2 => (0..12_usize).prop_map(|after| End::Leave { after }),
        1 => kind().prop_map(End::Vanish),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        5 => Just(Kind::Large),
        5 => Just(Kind::Middle),
        4 => Just(Kind::Tiny),
        2 => Just(Kind::Fleeting),
        1 => Just(Kind::Kept),
        1 => Just(Kind::Plain),
    ]
}

fn bytes() -> impl Strategy<Value = usize> {
    prop_oneof![10..40_usize, 150..450_usize]
}

impl fmt::Debug for Wish {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} from {:?}", self.channel, self.from)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, round) in self.0.iter().enumerate() {
            writeln!(formatter, "round {number}")?;
            for burst in &round.bursts {
                writeln!(formatter, "    {burst:?}")?;
            }
            for (client, turn) in round.turns.iter().enumerate() {
                writeln!(formatter, "    client {client}: {turn:?}")?;
            }
        }
        Ok(())
    }
}
