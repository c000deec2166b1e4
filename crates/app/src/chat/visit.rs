//! Who speaks with the chat through a socket.

use std::net::IpAddr;

use duplex_core::{ErrorCode, Socket};

/// Whoever is signed in there. Rooms are for those who have said who they are: everybody else gets error 101.
pub(super) fn user(socket: &Socket) -> Result<&str, ErrorCode> {
    socket.identity().user_id().ok_or(ErrorCode::UNAUTHORIZED)
}

/// Where they come from.
pub(super) fn peer(socket: &Socket) -> Option<IpAddr> {
    socket.peer().map(|peer| peer.ip())
}
