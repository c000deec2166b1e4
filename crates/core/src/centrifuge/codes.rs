//! Everything a client of the protocol can be told by a number: one table each for errors, disconnects and
//! unsubscribes. `docs/codes.md` is the same for people; a test compares both.

use crate::{CloseCode, CloseFrame};

/// Why a command was not carried out. Numbers below 400 are the protocol's; those from 400 to 1999 are free for
/// applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// The number on the wire.
    pub code: u16,
    /// The text beside it.
    pub message: &'static str,
    /// Whether the client may succeed with the same command later, and tries by itself.
    pub temporary: bool,
}

/// Why a connection was closed: the code of the close frame. Clients come back by themselves, unless the code is from
/// 3500 to 3999 or from 4500 to 4999. Those from 4000 to 4999 are free for applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisconnectCode {
    /// The number on the wire.
    pub code: u16,
    /// The text beside it.
    pub reason: &'static str,
}

/// Why a subscription was taken back. Clients subscribe again by themselves when the code is 2500 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubscribeCode {
    /// The number on the wire.
    pub code: u16,
    /// The text beside it.
    pub reason: &'static str,
}

impl ErrorCode {
    /// Something went wrong in the server; the cause is in its log.
    pub const INTERNAL: Self = Self::temporary(100, "internal server error");
    /// Nobody has said who they are. For applications.
    pub const UNAUTHORIZED: Self = Self::lasting(101, "unauthorized");
    /// The channel's namespace does not exist.
    pub const UNKNOWN_CHANNEL: Self = Self::lasting(102, "unknown channel");
    /// A hook or a token does not allow it.
    pub const PERMISSION_DENIED: Self = Self::lasting(103, "permission denied");
    /// There is no such call. For applications.
    pub const METHOD_NOT_FOUND: Self = Self::lasting(104, "method not found");
    /// The connection has this subscription already.
    pub const ALREADY_SUBSCRIBED: Self = Self::lasting(105, "already subscribed");
    /// The connection has as many subscriptions as it may have.
    pub const LIMIT_EXCEEDED: Self = Self::lasting(106, "limit exceeded");
    /// The command makes no sense; saying it again makes none either.
    pub const BAD_REQUEST: Self = Self::lasting(107, "bad request");
    /// The namespace or the application does not offer it.
    pub const NOT_AVAILABLE: Self = Self::lasting(108, "not available");
    /// The token is genuine but too old: the client asks for a new one.
    pub const TOKEN_EXPIRED: Self = Self::lasting(109, "token expired");
    /// What was granted has come to its end already.
    pub const EXPIRED: Self = Self::lasting(110, "expired");
    /// The client asks too often. For applications.
    pub const TOO_MANY_REQUESTS: Self = Self::temporary(111, "too many requests");
    /// The stream does not have what follows the position.
    pub const UNRECOVERABLE_POSITION: Self = Self::lasting(112, "unrecoverable position");

    /// All of them, by number.
    pub const ALL: [Self; 13] = [
        Self::INTERNAL,
        Self::UNAUTHORIZED,
        Self::UNKNOWN_CHANNEL,
        Self::PERMISSION_DENIED,
        Self::METHOD_NOT_FOUND,
        Self::ALREADY_SUBSCRIBED,
        Self::LIMIT_EXCEEDED,
        Self::BAD_REQUEST,
        Self::NOT_AVAILABLE,
        Self::TOKEN_EXPIRED,
        Self::EXPIRED,
        Self::TOO_MANY_REQUESTS,
        Self::UNRECOVERABLE_POSITION,
    ];

    const fn lasting(code: u16, message: &'static str) -> Self {
        Self { code, message, temporary: false }
    }

    const fn temporary(code: u16, message: &'static str) -> Self {
        Self { code, message, temporary: true }
    }
}

impl DisconnectCode {
    /// The server stops or restarts.
    pub const SHUTDOWN: Self = Self::new(3001, "shutdown");
    /// A hook failed; the cause is in the server's log.
    pub const SERVER_ERROR: Self = Self::new(3004, "internal server error");
    /// The time for which the connection was let in is over, and nobody extended it.
    pub const EXPIRED: Self = Self::new(3005, "connection expired");
    /// The client reads more slowly than it is written to, and what waits for it is too much.
    pub const SLOW: Self = Self::new(3008, "slow");
    /// To be used by applications: come back at once.
    pub const FORCE_RECONNECT: Self = Self::new(3011, "force reconnect");
    /// The client did not answer a ping.
    pub const NO_PONG: Self = Self::new(3012, "no pong");
    /// The token is not genuine, or no token is expected.
    pub const INVALID_TOKEN: Self = Self::new(3500, "invalid token");
    /// What the client sent is not the protocol.
    pub const BAD_REQUEST: Self = Self::new(3501, "bad request");
    /// The client did not connect in time, or said nothing for too long.
    pub const STALE: Self = Self::new(3502, "stale");
    /// To be used by applications: do not come back.
    pub const FORCE_NO_RECONNECT: Self = Self::new(3503, "force disconnect");

    /// All of them, by number.
    pub const ALL: [Self; 10] = [
        Self::SHUTDOWN,
        Self::SERVER_ERROR,
        Self::EXPIRED,
        Self::SLOW,
        Self::FORCE_RECONNECT,
        Self::NO_PONG,
        Self::INVALID_TOKEN,
        Self::BAD_REQUEST,
        Self::STALE,
        Self::FORCE_NO_RECONNECT,
    ];

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason }
    }

    /// Whether clients come back by themselves.
    pub const fn reconnects(self) -> bool {
        !matches!(self.code, 3500..=3999 | 4500..=4999)
    }
}

impl From<DisconnectCode> for CloseFrame {
    fn from(disconnect: DisconnectCode) -> Self {
        Self::new(CloseCode::new(disconnect.code).unwrap_or(CloseCode::NORMAL), disconnect.reason)
    }
}

impl UnsubscribeCode {
    /// The server took it back.
    pub const SERVER: Self = Self { code: 2000, reason: "server unsubscribe" };
    /// What it was granted on has changed: the client asks again.
    pub const INSUFFICIENT_STATE: Self = Self { code: 2500, reason: "insufficient state" };
    /// The time for which it was granted is over, and nobody extended it: the client asks again.
    pub const EXPIRED: Self = Self { code: 2501, reason: "subscription expired" };

    /// All of them, by number.
    pub const ALL: [Self; 3] = [Self::SERVER, Self::INSUFFICIENT_STATE, Self::EXPIRED];

    /// Whether clients subscribe again by themselves.
    pub const fn resubscribes(self) -> bool {
        self.code >= 2500
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table below a heading, as their first cells.
    fn table(heading: &str) -> Vec<Vec<String>> {
        let text =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/codes.md")).unwrap();
        let section = text.split("\n## ").find(|section| section.starts_with(heading)).expect(heading);
        let rows =
            section.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit());
        rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).skip(1).take(3).collect()).collect()
    }

    fn row(code: u16, text: &str, again: bool) -> Vec<String> {
        vec![code.to_string(), text.to_owned(), (if again { "yes" } else { "no" }).to_owned()]
    }

    #[test]
    fn the_documentation_has_exactly_these_codes() {
        let errors = ErrorCode::ALL.map(|error| row(error.code, error.message, error.temporary));
        assert_eq!(table("Errors"), errors);
        let disconnects = DisconnectCode::ALL.map(|one| row(one.code, one.reason, one.reconnects()));
        assert_eq!(table("Disconnects"), disconnects);
        let unsubscribes = UnsubscribeCode::ALL.map(|one| row(one.code, one.reason, one.resubscribes()));
        assert_eq!(table("Unsubscribes"), unsubscribes);
    }

    #[test]
    fn every_disconnect_is_a_close_code() {
        for disconnect in DisconnectCode::ALL {
            assert_eq!(CloseFrame::from(disconnect).code.get(), disconnect.code);
        }
    }
}
