//! A client's side of the wire: frames of any kind, legal or not, written without the code under test.

use crate::codec::{CloseFrame, Decoder, Event, Message, Violation};
use proptest::prelude::*;

/// One masked frame with whatever first byte is asked for.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    masked(first, payload, [0x37, 0xFA, 0x21, 0x3D])
}

pub(super) fn masked(first: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xFFFF => frame.extend([&[0x80 | 126], &(length as u16).to_be_bytes()[..]].concat()),
        length => frame.extend([&[0x80 | 127], &(length as u64).to_be_bytes()[..]].concat()),
    }
    frame.extend(key);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
    frame
}

/// Everything the decoder reports for `bytes`, given to it in pieces that end at `cuts`.
pub(super) fn decode(decoder: &mut Decoder, bytes: &[u8], cuts: &[usize]) -> (Vec<Event>, Option<Violation>) {
    let mut events = Vec::new();
    let mut bytes = bytes.to_vec();
    let mut start = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let mut input = &mut bytes[start..end];
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(violation) => return (events, Some(violation)),
            }
        }
        assert!(input.is_empty(), "the decoder left input behind");
        start = end;
    }
    (events, None)
}

/// Increasing positions in `bytes`.
pub(super) fn cuts(bytes: &[u8], indexes: &[prop::sample::Index]) -> Vec<usize> {
    let mut cuts = indexes.iter().map(|index| index.index(bytes.len() + 1)).collect::<Vec<_>>();
    cuts.sort_unstable();
    cuts
}

/// What a client sends: an event, and how it is laid out in frames.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) event: Event,
    /// Where a message is divided, and the control frames in front of each part but the first.
    parts: Vec<(prop::sample::Index, Vec<Event>)>,
    key: [u8; 4],
}

impl Sent {
    /// The events in the order in which they are complete.
    pub(super) fn events(&self) -> Vec<Event> {
        let between = self.parts.iter().flat_map(|(_, control)| control.clone());
        between.chain([self.event.clone()]).collect()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let (opcode, payload) = opcode_and_payload(&self.event);
        let mut borders =
            self.parts.iter().map(|(index, _)| index.index(payload.len() + 1)).collect::<Vec<_>>();
        borders.sort_unstable();

        let mut bytes = Vec::new();
        let mut start = 0;
        let mut first = opcode;
        for (border, (_, control)) in borders.into_iter().zip(&self.parts) {
            bytes.extend(masked(first, &payload[start..border], self.key));
            for event in control {
                let (opcode, payload) = opcode_and_payload(event);
                bytes.extend(masked(0x80 | opcode, &payload, self.key));
            }
            (start, first) = (border, 0x0);
        }
        bytes.extend(masked(0x80 | first, &payload[start..], self.key));
        bytes
    }
}

fn opcode_and_payload(event: &Event) -> (u8, Vec<u8>) {
    match event {
        Event::Message(Message::Text(text)) => (0x1, text.as_bytes().to_vec()),
        Event::Message(Message::Binary(bytes)) => (0x2, bytes.to_vec()),
        Event::Close(None) => (0x8, Vec::new()),
        Event::Close(Some(CloseFrame { code, reason })) => {
            (0x8, [&code.get().to_be_bytes()[..], reason.as_bytes()].concat())
        }
        Event::Ping(payload) => (0x9, payload.to_vec()),
        Event::Pong(payload) => (0xA, payload.to_vec()),
    }
}

/// Messages and control frames in any legal layout, without a close frame.
pub(super) fn sent() -> impl Strategy<Value = Sent> {
    let whole = control().prop_map(|event| (event, Vec::new()));
    let parts = (any::<prop::sample::Index>(), prop::collection::vec(control(), 0..3));
    let message = (message(), prop::collection::vec(parts, 0..4));
    (prop_oneof![1 => whole, 3 => message], any::<[u8; 4]>()).prop_map(|((event, parts), key)| Sent {
        event,
        parts,
        key,
    })
}

fn control() -> impl Strategy<Value = Event> {
    let payload = || prop::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![
        payload().prop_map(|payload| Event::Ping(payload.into())),
        payload().prop_map(|payload| Event::Pong(payload.into())),
    ]
}

fn message() -> impl Strategy<Value = Event> {
    let length = prop_oneof![8 => 0_usize..300, 1 => 65_530_usize..65_545];
    let binary = (length, any::<u8>()).prop_map(|(length, seed)| {
        (0..length).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect::<Vec<_>>()
    });
    let text = prop::collection::vec(any::<char>(), 0..100).prop_map(String::from_iter);
    prop_oneof![
        binary.prop_map(|bytes| Event::Message(bytes.into())),
        text.prop_map(|text| Event::Message(text.into())),
    ]
}
