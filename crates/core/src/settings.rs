//! The settings of the hub and its server: plain data with defaults. Where they come from (flags, environment) is the
//! business of the program.

use std::{num::NonZeroUsize, thread, time::Duration};

use crate::{
    Environment, HostPolicy, Limits, Namespaces, OriginPolicy, TokenKeys, origin_host, server::is_origin,
};

/// How a hub and its server are set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads that own connections, 1 to [`MAX_SHARDS`](Self::MAX_SHARDS). Default: one per core.
    pub shards: usize,
    /// Threads that serve HTTP, 1 to 512. Default: one per core.
    pub workers: usize,
    /// What connections may cost.
    pub limits: Limits,
    /// What channels can do. Default: clients may use none.
    pub namespaces: Namespaces,
    /// The id of the front-end build that is served, which pages compare with their own: see
    /// `Contract::on_connecting`. Default: none, as in development, where pages are kept up to date otherwise.
    pub build: Option<String>,
    /// What makes the tokens genuine that clients of the protocol connect and subscribe with. Default: none is.
    pub tokens: TokenKeys,
    /// Which pages may open a socket. Default: the server's own.
    pub origins: OriginPolicy,
    /// Which names the server answers to. Default: any.
    pub hosts: HostPolicy,
    /// How long an HTTP connection stays open between requests. Default 15 s.
    pub keep_alive: Duration,
    /// How long the head of a request may take to arrive. Default 5 s.
    pub head_timeout: Duration,
    /// At a stop, the close frames are spread over this time, so that not everybody comes back at once. Default: zero,
    /// which suits a few thousand sockets.
    pub drain_spread: Duration,
    /// At a stop, how long the server goes on answering after it has stopped accepting, so that clients that are just
    /// sending a request learn from `Connection: close` that it was the last one. Default 200 ms.
    pub drain_grace: Duration,
    /// At a stop, how long requests and sockets have to end. Default 10 s.
    pub drain_deadline: Duration,
}

impl Settings {
    /// The defaults, and what the environment says: pages of `ORIGIN`, the address that visitors see, may open sockets
    /// too, which matters behind a proxy that changes the `Host` header.
    pub fn from_environment(environment: &Environment) -> Self {
        let mut settings = Self::default();
        if let Some(origin) = environment.get("ORIGIN") {
            if !is_origin(origin) {
                log::warn!("ORIGIN is `{origin}`, which no page has: write it like https://example.org");
            }
            settings.origins = OriginPolicy::Allow(vec![origin.to_owned()]);
        }
        settings
    }

    /// Answers to the names of this machine and the host of `ORIGIN` only: for servers that are not for the network.
    pub fn local(mut self, environment: &Environment) -> Self {
        let names = environment.get("ORIGIN").and_then(origin_host).into_iter().collect();
        self.hosts = HostPolicy::Local(names);
        self
    }

    /// A connection's id has one byte for its shard.
    pub const MAX_SHARDS: usize = 256;

    /// What actix-server allows.
    pub(crate) const MAX_WORKERS: usize = 512;
}

impl Default for Settings {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(2, NonZeroUsize::get);
        Self {
            shards: cores.min(Self::MAX_SHARDS),
            workers: cores.min(Self::MAX_WORKERS),
            limits: Limits::default(),
            namespaces: Namespaces::default(),
            build: None,
            tokens: TokenKeys::default(),
            origins: OriginPolicy::default(),
            hosts: HostPolicy::default(),
            keep_alive: Duration::from_secs(15),
            head_timeout: Duration::from_secs(5),
            drain_spread: Duration::ZERO,
            drain_grace: Duration::from_millis(200),
            drain_deadline: Duration::from_secs(10),
        }
    }
}
