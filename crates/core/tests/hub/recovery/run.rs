//! Plays a script against a server. Publishers and clients are tasks of their own, so that what a round has happens at
//! the same time indeed; what they have seen goes to the model when the round is over.

use std::sync::Arc;

use tokio::{
    sync::{Barrier, mpsc, watch},
    task::JoinSet,
};

use super::{
    Kind, QUEUE_BYTES,
    client::{Client, Gone},
    model::{Model, Verdict},
    script::{Act, CLIENTS, End, Round, Script, Turn},
    stage::Stage,
    tally::Tally,
};
use crate::support::{Running, within};

/// Plays a script in channels that no other case uses.
pub(super) async fn play(server: &Running, case: u64, script: &Script, tally: &mut Tally) -> Verdict {
    let stage = Arc::new(Stage::new(case));
    let mut clients = (0..CLIENTS).map(|_| Client::new(Arc::clone(&stage))).collect();
    let mut model = Model::new(CLIENTS, tally);
    // In the end everybody listens, so that nothing remains unread.
    for (number, round) in script.0.iter().chain([&Round::quiet()]).enumerate() {
        clients = play_round(server, &stage, round, clients).await;
        let verdict = judge(&mut model, &stage, round, &mut clients);
        verdict.map_err(|error| format!("round {number}, {error}"))?;
    }
    for mut client in clients {
        client.leave().await;
    }
    Ok(())
}

fn judge(model: &mut Model<'_>, stage: &Stage, round: &Round, clients: &mut [Client]) -> Verdict {
    for kind in Kind::ALL {
        model.publish(kind, stage.channel(kind).take())?;
    }
    for (index, client) in clients.iter_mut().enumerate() {
        model.judge(index, &client.take_seen(), round.volume(index))?;
    }
    Ok(())
}

async fn play_round(
    server: &Running,
    stage: &Arc<Stage>,
    round: &Round,
    mut clients: Vec<Client>,
) -> Vec<Client> {
    // Sockets are opened before, so that what they are for overlaps with the rest.
    for (client, turn) in clients.iter_mut().zip(&round.turns) {
        if matches!(turn, Turn::Act { .. }) && !client.is_open() {
            client.open(server).await;
        }
    }
    let publishers: usize = round.bursts.iter().map(|burst| burst.publishers).sum();
    let together = Arc::new(Barrier::new(publishers + CLIENTS));
    let (busy, mut all_quiet) = mpsc::channel(1);
    let (end_round, over) = watch::channel(false);
    let signals = Signals { together, busy, over };
    let publishing = spawn_publishers(server, stage, round, &signals);
    let playing = spawn_clients(clients, round, &signals);
    drop(signals);
    within("the end of all acts", all_quiet.recv()).await;
    // Each shard answers behind all that it was sent.
    server.hub.connections().await.unwrap();
    // Nobody listens if all have left.
    let _ = end_round.send(true);
    join(publishing).await;
    let mut clients = join(playing).await;
    clients.sort_by_key(|(index, _)| *index);
    clients.into_iter().map(|(_, client)| client).collect()
}

/// How the tasks of a round keep together.
#[derive(Clone)]
struct Signals {
    /// They begin at the same time.
    together: Arc<Barrier>,
    /// Held by whoever may still cause something to be sent.
    busy: mpsc::Sender<()>,
    /// Nobody does, and all that was sent has left the inboxes.
    over: watch::Receiver<bool>,
}

fn spawn_publishers(server: &Running, stage: &Arc<Stage>, round: &Round, signals: &Signals) -> JoinSet<()> {
    let mut publishing = JoinSet::new();
    for burst in &round.bursts {
        for _ in 0..burst.publishers {
            let (stage, hub, burst) = (Arc::clone(stage), server.hub.clone(), burst.clone());
            let signals = signals.clone();
            publishing.spawn(async move {
                signals.together.wait().await;
                stage.publish(&hub, &burst).await;
                // Not before: a closure takes only those fields along that it names.
                drop(signals.busy);
            });
        }
    }
    publishing
}

fn spawn_clients(clients: Vec<Client>, round: &Round, signals: &Signals) -> JoinSet<(usize, Client)> {
    let mut playing = JoinSet::new();
    for (index, (mut client, turn)) in clients.into_iter().zip(&round.turns).enumerate() {
        let may_publish = round.volume(index) <= QUEUE_BYTES;
        let part = Part { turn: turn.clone(), may_publish, signals: signals.clone() };
        playing.spawn(async move {
            part.signals.together.wait().await;
            // A connection that ends early ends the turn.
            let _ = part.play(&mut client).await;
            (index, client)
        });
    }
    playing
}

/// Waits for all tasks, and fails as one of them has.
async fn join<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut results = Vec::new();
    while let Some(result) = within("the end of a task", tasks.join_next()).await {
        results.push(result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    results
}

/// What a client does in a round.
struct Part {
    turn: Turn,
    /// It cannot be closed as slow in this round while it reads, so it will know what became of its publications.
    may_publish: bool,
    signals: Signals,
}

impl Part {
    async fn play(self, client: &mut Client) -> Result<(), Gone> {
        let Signals { busy, mut over, .. } = self.signals;
        let end = match &self.turn {
            Turn::Rest if client.is_open() && !client.lags => End::Listen,
            Turn::Rest => return Ok(()),
            Turn::Act { arrive, acts, end } => {
                if !client.is_connected() {
                    client.connect(arrive).await?;
                }
                for act in acts {
                    if !matches!(act, Act::Publish { .. }) || self.may_publish && !client.lags {
                        client.act(act).await?;
                    }
                }
                *end
            }
        };
        drop(busy);
        match end {
            End::Listen => {
                client.listen(&mut over, usize::MAX).await?;
                client.read_everything().await?;
            }
            End::Stall => client.lags = true,
            End::Reset { after } => {
                client.listen(&mut over, after).await?;
                client.reset();
            }
            End::Leave { after } => {
                client.listen(&mut over, after).await?;
                client.leave().await;
            }
            End::Vanish(channel) => client.vanish(channel).await?,
        }
        Ok(())
    }
}
