//! What a client reads in a reply is so already, for everybody and on every shard.

use serde_json::json;

use crate::support::{Client, Plan, serve};

/// Often enough for threads to meet in the wrong moment.
const TIMES: usize = 50;

#[test]
fn who_is_told_to_be_subscribed_is_in_the_presence_that_others_read() {
    serve(Plan::new().everything(), async |server| {
        let mut other = Client::connected(server).await;
        for time in 0..TIMES {
            let channel = format!("room{time}");
            let mut client = Client::connected(server).await;
            client.result("subscribe", json!({ "channel": channel })).await;
            let stats = other.result("presence_stats", json!({ "channel": channel })).await;
            assert_eq!(stats, json!({ "num_clients": 1, "num_users": 1 }), "{channel}");
            client.result("unsubscribe", json!({ "channel": channel })).await;
            let stats = other.result("presence_stats", json!({ "channel": channel })).await;
            assert_eq!(stats, json!({ "num_clients": 0, "num_users": 0 }), "{channel}");
            client.leave().await;
        }
        other.leave().await;
    });
}
