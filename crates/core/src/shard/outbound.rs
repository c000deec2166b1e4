//! What waits to be written to one connection: shared frames, counted in bytes.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
};

use bytes::{Buf, Bytes};

use serde::{Deserialize, Serialize};

use super::{outgoing::join, transport::Transport};
use crate::handover::{Part, Rest};

/// Frames that one vectored write takes at most.
const SLICES: usize = 32;

/// What a frame costs beside its bytes: its place in the queue, and an allocation of its own where it is not shared.
const FRAME_BYTES: usize = 64;

/// What a queue of so many frames costs, in bytes.
pub(crate) fn weight(bytes: usize, frames: usize) -> usize {
    bytes + frames * FRAME_BYTES
}

/// A queue of frames. An empty one owns no memory.
#[derive(Default)]
pub(crate) struct Outbound {
    /// What comes before the frames and has not been read yet.
    late: Option<Box<Late>>,
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// Part of the first frame is written: it has to be finished whatever happens.
    started: bool,
    /// Something that waited has been written since somebody asked.
    progress: bool,
}

/// Frames of a connection that has moved here.
struct Late {
    part: Part,
    /// Bytes of each frame.
    lengths: Vec<usize>,
}

/// A queue as plain data, which another process understands. The frames themselves are beside it: they may be much.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct OutboundState {
    /// Bytes of each frame.
    frames: Vec<usize>,
    started: bool,
}

/// The consumer reads too slowly: what waited before this frame was over the budget.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slow;

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The kernel has it.
    All,
    /// Some or all of it waits.
    Queued,
    /// It was not taken: see [`Slow`].
    Slow,
}

impl Outbound {
    pub(crate) fn state(&self) -> OutboundState {
        OutboundState { frames: self.frames.iter().map(Bytes::len).collect(), started: self.started }
    }

    /// The frames one behind the other, in pieces.
    pub(crate) fn pieces(&self) -> Vec<Bytes> {
        join(self.frames.iter()).collect()
    }

    /// The queue again, with all frames one behind the other; nothing if they are not as long.
    pub(crate) fn from_state(state: OutboundState, all: Rest<Bytes>) -> Option<Self> {
        let OutboundState { frames: lengths, started } = state;
        let mut outbound = Self { started, ..Self::default() };
        match all {
            Rest::Read(all) => {
                outbound.bytes = all.len();
                outbound.frames = cut(all, &lengths)?;
            }
            Rest::Late(part) => {
                // It is not empty, or it would not be late.
                let total = lengths.iter().fold(0_usize, |sum, length| sum.saturating_add(*length));
                if total != part.len() {
                    return None;
                }
                outbound.bytes = total;
                outbound.late = Some(Box::new(Late { part, lengths }));
            }
        }
        Some(outbound)
    }

    /// Reads what has not been read yet.
    pub(crate) fn read_late(&mut self) -> io::Result<()> {
        let Some(late) = &self.late else { return Ok(()) };
        let mut frames = cut(late.part.read()?.into(), &late.lengths).ok_or(io::ErrorKind::InvalidData)?;
        frames.append(&mut self.frames);
        self.frames = frames;
        self.late = None;
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.late.is_none()
    }

    /// Writes a frame to the transport if nothing waits before it, and queues what is left.
    pub(crate) fn write(
        &mut self,
        frame: &Bytes,
        transport: &Transport,
        budget: usize,
    ) -> io::Result<Written> {
        let written = if !self.is_empty() {
            0
        } else {
            match transport.try_write(&[IoSlice::new(frame)]) {
                Ok(written) if written == frame.len() => return Ok(Written::All),
                Ok(written) => written,
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
                {
                    0
                }
                Err(error) => return Err(error),
            }
        };
        if !self.admit(frame.slice(written..), transport, budget)? {
            return Ok(Written::Slow);
        }
        self.started |= written > 0;
        Ok(Written::Queued)
    }

    /// Queues a frame, if need be after writing what the transport takes: a peer is slow only when its stream is full.
    /// False if it is.
    pub(crate) fn admit(&mut self, frame: Bytes, transport: &Transport, budget: usize) -> io::Result<bool> {
        if self.push(frame.clone(), budget).is_ok() {
            return Ok(true);
        }
        self.flush(transport)?;
        Ok(self.push(frame, budget).is_ok())
    }

    /// Queues a frame if what waits before it is within `budget` bytes.
    pub(crate) fn push(&mut self, frame: Bytes, budget: usize) -> Result<(), Slow> {
        if self.weight() > budget {
            return Err(Slow);
        }
        self.append(frame);
        Ok(())
    }

    /// What the queue costs, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let late = self.late.as_ref().map_or(0, |late| late.lengths.len());
        weight(self.bytes, late + self.frames.len())
    }

    /// Queues a control frame: these are small, few, and not counted against the budget.
    pub(crate) fn append(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Whether anything that waited has been written since the last call.
    pub(crate) fn take_progress(&mut self) -> bool {
        mem::take(&mut self.progress)
    }

    /// Forgets what waits, all but the rest of a frame that is partly written.
    pub(crate) fn clear(&mut self) {
        // What cannot be read stays, and ends the connection when it is to be written.
        let unreadable = self.started && self.read_late().is_err();
        self.late.take_if(|_| !unreadable);
        let first = self.frames.pop_front().filter(|_| self.started && !unreadable);
        self.bytes = self.late.as_ref().map_or(0, |late| late.part.len());
        self.frames = VecDeque::new();
        if let Some(first) = first {
            self.append(first);
        }
    }

    /// Writes until everything is written (true) or the transport takes no more (false).
    pub(crate) fn flush(&mut self, transport: &Transport) -> io::Result<bool> {
        if self.late.is_some() {
            // It may be long before there is room, and until then it need not be read.
            if !transport.is_writable() {
                return Ok(false);
            }
            self.read_late()?;
        }
        while !self.frames.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self
                .frames
                .iter()
                .zip(&mut slices)
                .map(|(frame, slice)| *slice = IoSlice::new(frame))
                .count();
            match transport.try_write(&slices[..filled]) {
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        mem::take(&mut self.frames);
        Ok(true)
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        self.progress |= written > 0;
        while let Some(first) = self.frames.front_mut() {
            if written < first.len() {
                first.advance(written);
                self.started |= written > 0;
                return;
            }
            written -= first.len();
            self.started = false;
            self.frames.pop_front();
        }
    }
}

/// Frames of these lengths, which is all there is, or nothing.
fn cut(mut all: Bytes, lengths: &[usize]) -> Option<VecDeque<Bytes>> {
    let frame = |length: &usize| (*length <= all.len()).then(|| all.split_to(*length));
    let frames = lengths.iter().map(frame).collect::<Option<_>>()?;
    all.is_empty().then_some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_admitted_when_what_waits_before_it_fits() {
        let mut outbound = Outbound::default();
        assert_eq!(outbound.push(Bytes::from(vec![0; 1000]), 10), Ok(()));
        assert_eq!(outbound.push(Bytes::from_static(b"x"), 10), Err(Slow));
    }

    #[test]
    fn many_small_frames_count_for_what_they_cost() {
        let mut outbound = Outbound::default();
        let admitted =
            (0..1000).take_while(|_| outbound.push(Bytes::from_static(b"xx"), 6600).is_ok()).count();
        assert_eq!(admitted, 101);
    }

    #[test]
    fn progress_is_what_was_written_since_somebody_asked() {
        let mut outbound = Outbound::default();
        outbound.append(Bytes::from_static(b"frame"));
        assert!(!outbound.take_progress());
        outbound.advance(0);
        assert!(!outbound.take_progress());
        outbound.advance(2);
        assert!(outbound.take_progress());
        assert!(!outbound.take_progress());
    }

    #[test]
    fn clearing_keeps_the_rest_of_a_started_frame() {
        let mut outbound = Outbound::default();
        outbound.append(Bytes::from_static(b"first"));
        outbound.append(Bytes::from_static(b"second"));
        outbound.advance(2);
        outbound.clear();
        assert_eq!(outbound.frames, [Bytes::from_static(b"rst")]);
        assert_eq!(outbound.bytes, 3);
    }

    #[test]
    fn clearing_drops_a_frame_that_has_not_started() {
        let mut outbound = Outbound::default();
        outbound.append(Bytes::from_static(b"first"));
        outbound.append(Bytes::from_static(b"second"));
        outbound.advance(5);
        outbound.clear();
        assert!(outbound.frames.is_empty());
        assert_eq!(outbound.bytes, 0);
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod late {
    use super::*;
    use crate::handover::part_of;

    /// A queue of two frames that has moved here and has not been read.
    fn late(started: bool) -> Outbound {
        let state = OutboundState { frames: vec![5, 6], started };
        Outbound::from_state(state, Rest::Late(part_of(b"firstsecond"))).unwrap()
    }

    #[test]
    fn what_has_not_been_read_counts_and_comes_first() {
        let mut outbound = late(false);
        assert_eq!(outbound.weight(), weight(11, 2));
        outbound.append(Bytes::from_static(b"third"));
        assert_eq!(outbound.push(Bytes::from_static(b"x"), 10), Err(Slow));
        outbound.read_late().unwrap();
        assert_eq!(outbound.frames, ["first", "second", "third"]);
        assert_eq!(outbound.weight(), weight(16, 3));
    }

    #[test]
    fn clearing_what_has_not_been_read_keeps_the_rest_of_a_started_frame() {
        for (started, kept) in [(true, vec!["first"]), (false, vec![])] {
            let mut outbound = late(started);
            outbound.append(Bytes::from_static(b"third"));
            outbound.clear();
            assert_eq!(outbound.frames, kept);
            assert_eq!(outbound.weight(), weight(5 * kept.len(), kept.len()));
        }
    }

    #[test]
    fn frames_that_are_not_all_there_are_no_queue() {
        let state = |frames| OutboundState { frames, started: false };
        for frames in [vec![5, 5], vec![5, 7], vec![usize::MAX, 12]] {
            assert!(
                Outbound::from_state(state(frames.clone()), Rest::Late(part_of(b"firstsecond"))).is_none()
            );
            let all = Bytes::from_static(b"firstsecond");
            assert!(Outbound::from_state(state(frames), Rest::Read(all)).is_none());
        }
    }
}
