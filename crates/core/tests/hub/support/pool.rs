//! Something like a database pool: a task of the application runtime that is asked over a channel.

use tokio::sync::{mpsc, oneshot};

#[derive(Clone)]
pub(crate) struct Pool {
    questions: mpsc::Sender<(u32, oneshot::Sender<u32>)>,
}

impl Pool {
    /// Starts the task on the current runtime.
    pub(crate) fn start() -> Self {
        let (questions, mut asked) = mpsc::channel::<(u32, oneshot::Sender<u32>)>(1);
        tokio::spawn(async move {
            while let Some((question, answer)) = asked.recv().await {
                answer.send(question * 2).unwrap();
            }
        });
        Self { questions }
    }

    /// Twice the number.
    pub(crate) async fn double(&self, question: u32) -> u32 {
        let (answer, answered) = oneshot::channel();
        self.questions.send((question, answer)).await.unwrap();
        answered.await.unwrap()
    }
}
