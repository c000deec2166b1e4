//! What a shard does for subscriptions, and for clients of the protocol: it answers their commands, welcomes them, and
//! tells them what changes.

use std::{
    collections::BTreeMap,
    mem,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{
    Connection, Dialect, Ending, NewSubscription, Outcome, Outgoing, Phase, Shard, Snapshot, Subscription,
    Terms, What,
    roster::{Audience, NotSubscribed},
    session::{self, Stage, Welcome},
};
use crate::{
    Channel, ClientInfo, ErrorCode, UnsubscribeCode,
    centrifuge::{ConnectResult, Push, Refreshed, Reply, SubscribeResult, Subscribed},
    deadline::after,
    hooks::{Answer, Rejection},
    hub::Target,
};

/// Timers of JavaScript count milliseconds in 31 bits, and fire at once beyond.
const MAX_PING_SECONDS: u64 = 2_000_000;

impl Shard {
    /// Makes a subscription of those it means, and corrects the number of subscribers. Whoever reads a reply finds that
    /// what it says is so already: for presence, and for that number.
    pub(super) fn subscribe(&self, new: &NewSubscription) {
        let targets = self.targets(&new.target);
        let results: Vec<_> = targets.iter().map(|connection| self.subscribe_one(connection, new)).collect();
        let subscribed = results.iter().filter(|result| result.is_ok()).count();
        self.channels.correct(&new.channel, self.index, subscribed);
        for (connection, result) in targets.iter().zip(results) {
            if let Err(reason) = result {
                self.refuse_subscription(connection, new, reason);
            }
        }
    }

    fn subscribe_one(&self, connection: &Rc<Connection>, new: &NewSubscription) -> Result<(), NotSubscribed> {
        if connection.phase() != Phase::Open || !connection.is_known() {
            return Err(NotSubscribed::Gone);
        }
        if connection.take_revoked(new) {
            return Err(NotSubscribed::Revoked);
        }
        let options = self.namespaces().options(&new.channel);
        let (socket, terms) = (&connection.socket, &new.terms);
        let visible = options.presence || options.join_leave.exists();
        let info = || Arc::new(ClientInfo::new(socket.id(), socket.identity(), terms.info.clone()));
        let subscription = Subscription {
            channel: new.channel.clone(),
            audience: Audience::of(connection.dialect(), terms.join_leave),
            index: 0,
            info: visible.then(info),
            expires: self.deadline(terms.expires, terms.refreshable),
            refreshable: terms.refreshable,
            asked: terms.command.is_some(),
        };
        let (info, expires) = (subscription.info.clone(), subscription.expires);
        self.roster.borrow_mut().subscribe(connection, subscription, self.limits.max_channels)?;
        let sooner = [connection.subscription_expires.get(), expires].into_iter().flatten().min();
        connection.subscription_expires.set(sooner);
        if let Some(info) = info {
            socket.hub().appear(&new.channel, &info);
        }
        self.announce_subscription(connection, new);
        Ok(())
    }

    fn refuse_subscription(&self, connection: &Rc<Connection>, new: &NewSubscription, reason: NotSubscribed) {
        let error = match reason {
            NotSubscribed::Gone => return,
            NotSubscribed::Revoked => ErrorCode::PERMISSION_DENIED,
            NotSubscribed::Already => ErrorCode::ALREADY_SUBSCRIBED,
            NotSubscribed::TooMany => ErrorCode::LIMIT_EXCEEDED,
        };
        if let Some(command) = new.terms.command {
            self.reply(connection, command, &Reply::Error(error.into()));
        } else if reason == NotSubscribed::TooMany {
            let (id, max) = (connection.socket.id(), self.limits.max_channels);
            log::warn!(
                "connection {id} is not subscribed to {:?}: it has {max} channels already",
                new.channel.as_str()
            );
        }
    }

    /// Tells a client of the protocol of its new subscription: in the reply to its command, in its welcome, or unasked.
    /// Where there is no list for what was missed, it comes as if it were published now.
    fn announce_subscription(&self, connection: &Rc<Connection>, new: &NewSubscription) {
        if let Some(command) = new.terms.command {
            let result = subscribe_result(&new.terms, new.snapshot.clone());
            return self.reply(connection, command, &Reply::Subscribe(Box::new(result)));
        }
        if let Some(mut session) = connection.session() {
            if let Stage::Connecting(welcome) = &mut session.stage {
                return welcome.add(new, self.limits.max_recovery_bytes);
            }
            drop(session);
            let subscribed = subscribed(&new.terms, new.snapshot.as_ref());
            let push = Push::Subscribe(&subscribed).frame(Some(&new.channel));
            self.give(connection, &push, Some(&new.channel));
        }
        for publication in new.snapshot.iter().flat_map(|snapshot| &snapshot.missed) {
            let what = What::Publication { channel: new.channel.clone(), publication: publication.clone() };
            if let Some(frame) = Outgoing::new(what).frame(connection.dialect()) {
                self.give(connection, frame, Some(&new.channel));
            }
        }
    }

    /// Takes a subscription back, if there is one. With a code, a client of the protocol is told.
    pub(super) fn unsubscribe(
        &self,
        connection: &Rc<Connection>,
        channel: &Channel,
        code: Option<UnsubscribeCode>,
    ) {
        if let Some(mut session) = connection.session() {
            session.revoke(channel);
        }
        let unsubscribed = self.roster.borrow_mut().unsubscribe(connection, channel);
        let Some(subscription) = unsubscribed else { return };
        connection.socket.hub().leave(&subscription.channel, self.index, subscription.info.as_ref());
        if let Some(mut session) = connection.session() {
            if let Stage::Connecting(welcome) = &mut session.stage {
                welcome.subs.remove(channel);
                drop(session);
                connection.forget_held(channel);
                return;
            }
            drop(session);
            if let Some(code) = code {
                self.give(connection, &Push::unsubscribe(code).frame(Some(channel)), Some(channel));
            }
        }
    }

    /// Takes back what clients have asked for in a namespace, so that they ask again.
    pub(super) fn renew(&self, namespace: &str) {
        for connection in self.targets(&Target::All) {
            let subscriptions = connection.subscriptions.borrow();
            let asked = subscriptions.iter().filter(|one| one.asked);
            let affected = asked.filter(|one| one.channel.namespace().unwrap_or_default() == namespace);
            let channels: Vec<_> = affected.map(|one| one.channel.clone()).collect();
            drop(subscriptions);
            for channel in channels {
                self.unsubscribe(&connection, &channel, Some(UnsubscribeCode::INSUFFICIENT_STATE));
            }
        }
    }

    /// Takes back the subscriptions whose time is over.
    pub(super) fn expire_subscriptions(&self, connection: &Rc<Connection>, now: Instant) {
        let expired =
            |subscription: &&Subscription| subscription.expires.is_some_and(|expires| now >= expires);
        let subscriptions = connection.subscriptions.borrow();
        let channels: Vec<_> = subscriptions.iter().filter(expired).map(|one| one.channel.clone()).collect();
        drop(subscriptions);
        for channel in channels {
            self.unsubscribe(connection, &channel, Some(UnsubscribeCode::EXPIRED));
        }
        connection.look_for_expiring_subscriptions();
    }

    /// A connection may stay until then.
    pub(super) fn refresh(&self, connection: &Rc<Connection>, expires: Option<SystemTime>) {
        if expires.is_some_and(|expires| expires <= SystemTime::now()) {
            return connection.close_for(Ending::Expired);
        }
        let mut refreshable = false;
        if let Some(mut session) = connection.session() {
            session.end_is_set = !matches!(session.stage, Stage::Connected);
            refreshable = session.refreshable;
        }
        connection.expires.set(self.deadline(expires, refreshable));
        if connection.dialect() == Dialect::Centrifuge {
            self.give(connection, &Push::Refresh(session::refreshed(expires)).frame(None), None);
        }
    }

    /// Brings a client what its command came to.
    pub(super) fn answer(
        &self,
        connection: &Rc<Connection>,
        command: u32,
        outcome: Result<Outcome, Rejection>,
    ) {
        match outcome {
            Ok(Outcome::Reply(reply)) => self.reply(connection, command, &reply),
            Ok(Outcome::Connect { data, expires, refreshable }) => {
                self.set_end(connection, self.deadline(expires, refreshable), refreshable);
                let told = expires.filter(|_| refreshable);
                let welcome = self.welcome(connection, refreshable);
                let result = ConnectResult {
                    client: connection.socket.id(),
                    version: env!("CARGO_PKG_VERSION"),
                    expiry: session::refreshed(told),
                    data,
                    subs: welcome.into_results(),
                    ping: self.limits.ping_interval.as_secs().clamp(1, MAX_PING_SECONDS),
                    pong: true,
                };
                self.reply(connection, command, &Reply::Connect(Box::new(result)));
                connection.arrive();
            }
            Ok(Outcome::Refresh { expires }) => {
                connection.expires.set(self.deadline(expires, true));
                self.reply(connection, command, &Reply::Refresh(session::refreshed(expires)));
            }
            Ok(Outcome::SubRefresh { channel, expires }) => {
                connection.extend_subscription(&channel, self.deadline(expires, true));
                self.reply(connection, command, &Reply::SubRefresh(session::refreshed(expires)));
            }
            Ok(Outcome::Written(frame)) => {
                connection.write(&frame);
                self.release(connection);
            }
            Ok(Outcome::Posted | Outcome::Silent) => self.release(connection),
            Err(rejection) => self.reject(connection, command, rejection),
        }
    }

    /// When a client that has just connected has to go. The server may have said something else meanwhile: about the user
    /// of the upgrade request, which a token can only shorten.
    fn set_end(&self, connection: &Connection, end: Option<Instant>, by_token: bool) {
        let (set, is_set) =
            (connection.expires.get(), connection.session().is_some_and(|session| session.end_is_set));
        let end = match is_set {
            false => end,
            true if by_token => [set, end].into_iter().flatten().min(),
            true => set,
        };
        connection.expires.set(end);
    }

    fn reject(&self, connection: &Rc<Connection>, command: u32, rejection: Rejection) {
        self.refuse_if_connecting(connection);
        match rejection.into_answer() {
            Answer::Disconnect(close) => {
                connection.close(close);
                self.release(connection);
            }
            Answer::Error(error) => self.reply(connection, command, &Reply::Error(error)),
        }
    }

    /// A client whose connect command has failed is nobody, and in no channel, whatever its hooks have done before.
    fn refuse_if_connecting(&self, connection: &Rc<Connection>) {
        let Some(mut session) = connection.session() else { return };
        if !matches!(session.stage, Stage::Connecting(_)) {
            return;
        }
        session.stage = Stage::Refused;
        drop(session);
        let channels: Vec<_> =
            connection.subscriptions.borrow().iter().map(|one| one.channel.clone()).collect();
        channels.iter().for_each(|channel| self.unsubscribe(connection, channel, None));
    }

    /// The client is connected from now on, and its user known.
    fn welcome(&self, connection: &Rc<Connection>, refreshable: bool) -> Welcome {
        self.roster.borrow_mut().welcome(connection);
        let Some(mut session) = connection.session() else { return Welcome::default() };
        session.refreshable = refreshable;
        session.ping_due = after(Instant::now(), self.limits.ping_interval);
        match mem::replace(&mut session.stage, Stage::Connected) {
            Stage::Connecting(welcome) => *welcome,
            _ => Welcome::default(),
        }
    }

    fn reply(&self, connection: &Connection, command: u32, reply: &Reply) {
        connection.write(&reply.frame(command));
        self.release(connection);
    }

    /// The next command may be carried out.
    fn release(&self, connection: &Connection) {
        if let Some(mut session) = connection.session() {
            session.awaits_answer = false;
        }
        connection.wake();
    }

    fn deadline(&self, expires: Option<SystemTime>, refreshable: bool) -> Option<Instant> {
        let grace = if refreshable { self.limits.refresh_grace } else { Duration::ZERO };
        session::deadline(expires?, grace)
    }
}

impl Welcome {
    /// Adds a subscription to what the reply to the connect command will say. What was missed is part of it as far as
    /// the limit goes, and the client knows.
    fn add(&mut self, new: &NewSubscription, max_bytes: usize) {
        let mut snapshot = new.snapshot.clone();
        if let Some(snapshot) = &mut snapshot {
            let bytes = snapshot.bytes();
            if self.bytes + bytes > max_bytes {
                snapshot.recovered = Some(false);
                snapshot.missed.clear();
            } else {
                self.bytes += bytes;
            }
        }
        self.subs.insert(new.channel.clone(), (new.terms.clone(), snapshot));
    }

    fn into_results(self) -> BTreeMap<Channel, SubscribeResult> {
        let result = |(channel, (terms, snapshot))| (channel, subscribe_result(&terms, snapshot));
        self.subs.into_iter().map(result).collect()
    }
}

fn subscribe_result(terms: &Terms, snapshot: Option<Snapshot>) -> SubscribeResult {
    let subscribed = subscribed(terms, snapshot.as_ref());
    let recovered = snapshot.as_ref().and_then(|snapshot| snapshot.recovered);
    SubscribeResult {
        expiry: if terms.refreshable { session::refreshed(terms.expires) } else { Refreshed::default() },
        subscribed,
        publications: snapshot.map(|snapshot| snapshot.missed).unwrap_or_default(),
        recovered: recovered == Some(true),
        was_recovering: recovered.is_some(),
    }
}

/// With what was missed, the position is the one before it: the client comes to the end by going through it.
fn subscribed(terms: &Terms, snapshot: Option<&Snapshot>) -> Subscribed {
    Subscribed {
        recoverable: snapshot.is_some(),
        positioned: snapshot.is_some(),
        epoch: snapshot.map(|snapshot| snapshot.position.epoch),
        offset: snapshot.map_or(0, |snapshot| snapshot.position.offset - snapshot.missed.len() as u64),
        data: terms.data.clone(),
    }
}
