//! A contract on the wire: what clients get for calls and channels that are written down as types.

use std::sync::Arc;

use duplex_core::{
    ErrorCode, Namespace, Rejection, Socket,
    contract::{CHANGED, Call, ChannelKind, Contract, Failure, Never, Terms},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ts_rs::TS;

use crate::support::{Client, Plan, Request, Running, serve};

/// What the handlers share.
struct Bank {
    limit: u32,
}

#[derive(Deserialize, TS)]
struct Pay {
    amount: u32,
    to: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, TS)]
struct Receipt {
    amount: u32,
    from: Option<String>,
    to: String,
}

#[derive(Serialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
enum PayError {
    TooMuch { limit: u32 },
}

impl Call<Bank> for Pay {
    const NAME: &'static str = "bank.pay";
    type Reply = Receipt;
    type Error = PayError;

    async fn answer(self, socket: &Socket, bank: &Bank) -> Result<Receipt, Failure<PayError>> {
        if self.amount > bank.limit {
            return Err(Failure::Refused(PayError::TooMuch { limit: bank.limit }));
        }
        match self.to.as_str() {
            "nobody" => Err(ErrorCode::PERMISSION_DENIED)?,
            "fire" => Err(std::io::Error::other("the password is swordfish"))?,
            _ => {}
        }
        let receipt = Receipt {
            amount: self.amount,
            from: socket.identity().user_id().map(str::to_owned),
            to: self.to,
        };
        Account(receipt.to.clone()).publish(socket.hub(), &receipt).await?;
        Ok(receipt)
    }
}

#[derive(Deserialize, TS)]
struct Limit;

impl Call<Bank> for Limit {
    const NAME: &'static str = "bank.limit";
    type Reply = u32;
    type Error = Never;

    async fn answer(self, _: &Socket, bank: &Bank) -> Result<u32, Failure<Never>> {
        Ok(bank.limit)
    }
}

/// What is paid to somebody: `account:<user>`.
struct Account(String);

#[derive(Default, Serialize, TS)]
struct Role {
    role: String,
}

impl ChannelKind<Bank> for Account {
    const NAMESPACE: &'static str = "account";
    type Publication = Receipt;
    type Info = Role;

    fn options() -> Namespace {
        Namespace { presence: true, ..Namespace::default() }
    }

    fn parse(name: &str) -> Option<Self> {
        name.chars().all(|character| character.is_ascii_lowercase()).then(|| Self(name.to_owned()))
    }

    fn name(&self) -> &str {
        &self.0
    }

    async fn on_subscribe(&self, socket: &Socket, _: &Bank) -> Result<Terms<Role>, Rejection> {
        if socket.identity().user_id() != Some(&self.0) {
            return Err(ErrorCode::PERMISSION_DENIED.into());
        }
        Ok(Terms { info: Role { role: "owner".to_owned() }, expires: None })
    }

    async fn on_publish(&self, receipt: Receipt, _: &Socket, _: &Bank) -> Result<Receipt, Rejection> {
        Ok(Receipt { from: Some(self.0.clone()), ..receipt })
    }
}

/// A channel that is only listened to: `rates:<currency>`.
struct Rates;

impl ChannelKind<Bank> for Rates {
    const NAMESPACE: &'static str = "rates";
    type Publication = u32;
    type Info = ();

    fn options() -> Namespace {
        Namespace { presence: true, ..Namespace::default() }
    }

    /// Takes other spellings, which clients have to give up.
    fn parse(name: &str) -> Option<Self> {
        name.trim().eq_ignore_ascii_case("euro").then_some(Self)
    }

    fn name(&self) -> &'static str {
        "euro"
    }

    async fn on_subscribe(&self, _: &Socket, _: &Bank) -> Result<Terms<()>, Rejection> {
        Ok(Terms::default())
    }
}

fn contract() -> Contract<Bank> {
    Contract::new().call::<Pay>().call::<Limit>().channel::<Account>().channel::<Rates>()
}

/// A server that keeps the contract.
fn bank() -> Plan {
    let contract = Arc::new(contract());
    contract.check().unwrap();
    let bank = Arc::new(Bank { limit: 100 });
    let (subscribe, publish, call) = (contract.clone(), contract.clone(), contract.clone());
    let (clerk, scribe, teller) = (bank.clone(), bank.clone(), bank);
    Plan::new()
        .users()
        .namespaces(contract.namespaces())
        .settings(|settings| settings.build = Some("build 7".to_owned()))
        .on_connecting(move |socket, _| {
            let contract = contract.clone();
            async move { contract.on_connecting(&socket) }
        })
        .on_subscribe(move |socket, asked| {
            let (contract, bank) = (subscribe.clone(), clerk.clone());
            async move { contract.on_subscribe(&socket, asked, &bank).await }
        })
        .on_publish(move |socket, asked| {
            let (contract, bank) = (publish.clone(), scribe.clone());
            async move { contract.on_publish(&socket, asked, &bank).await }
        })
        .on_call(move |socket, calling| {
            let (contract, bank) = (call.clone(), teller.clone());
            async move { contract.on_call(&socket, calling, &bank).await }
        })
}

/// The whole error that a call is answered with.
async fn error(client: &mut Client, method: &str, data: Value) -> (u64, String) {
    client.ask("rpc", json!({ "method": method, "data": data })).await;
    let reply = client.reply().await;
    let error = &reply["error"];
    (error["code"].as_u64().unwrap(), error["message"].as_str().unwrap().to_owned())
}

async fn call(client: &mut Client, method: &str, data: Value) -> Value {
    client.result("rpc", json!({ "method": method, "data": data })).await["data"].clone()
}

async fn ada(server: &Running) -> Client {
    Client::connected_as(server, "ada").await
}

#[test]
fn a_call_is_answered_with_what_its_handler_returns() {
    serve(bank(), async |server| {
        let mut ada = ada(server).await;
        let receipt = call(&mut ada, "bank.pay", json!({ "amount": 5, "to": "bob" })).await;
        assert_eq!(receipt, json!({ "amount": 5, "from": "ada", "to": "bob" }));
        assert_eq!(call(&mut ada, "bank.limit", Value::Null).await, 100);
    });
}

#[test]
fn a_refusal_carries_its_reason_as_json() {
    serve(bank(), async |server| {
        let mut ada = ada(server).await;
        let (code, message) = error(&mut ada, "bank.pay", json!({ "amount": 101, "to": "bob" })).await;
        assert_eq!(code, 400);
        let reason: Value = serde_json::from_str(&message).unwrap();
        assert_eq!(reason, json!({ "type": "too_much", "limit": 100 }));
    });
}

#[test]
fn other_failures_are_what_hooks_make_of_them() {
    serve(bank(), async |server| {
        let mut ada = ada(server).await;
        let (code, _) = error(&mut ada, "bank.pay", json!({ "amount": 1, "to": "nobody" })).await;
        assert_eq!(code, 103);
        let (code, message) = error(&mut ada, "bank.pay", json!({ "amount": 1, "to": "fire" })).await;
        assert_eq!((code, message.as_str()), (100, "internal server error"));
    });
}

#[test]
fn parameters_that_do_not_fit_are_named_and_cost_nobody_anything() {
    serve(bank(), async |server| {
        let mut ada = ada(server).await;
        for (data, message) in [
            (json!({ "amount": "5", "to": "bob" }), "amount: invalid type: string \"5\", expected u32"),
            (json!({ "amount": 5 }), "missing field `to`"),
            (json!(null), "invalid type: null, expected struct Pay"),
        ] {
            let (code, said) = error(&mut ada, "bank.pay", data).await;
            assert_eq!(code, 107);
            assert!(said.starts_with(message), "{said}");
        }
        assert_eq!(call(&mut ada, "bank.limit", Value::Null).await, 100);
    });
}

#[test]
fn a_call_that_is_not_there_is_104() {
    serve(bank(), async |server| {
        let mut ada = ada(server).await;
        for method in ["bank.rob", "bank.rob@0123456789abcdef", "", "@"] {
            assert_eq!(error(&mut ada, method, Value::Null).await.0, 104, "{method}");
        }
    });
}

#[test]
fn a_page_with_other_types_is_told_to_load_again() {
    let fingerprints = contract();
    let known = fingerprints.fingerprints()["bank.limit"].to_owned();
    serve(bank(), async |server| {
        let mut ada = ada(server).await;
        assert_eq!(call(&mut ada, &format!("bank.limit@{known}"), Value::Null).await, 100);
        for other in ["0123456789abcdef", ""] {
            let (code, _) = error(&mut ada, &format!("bank.limit@{other}"), Value::Null).await;
            assert_eq!(code, u64::from(CHANGED));
        }
    });
}

#[test]
fn a_page_that_knows_a_channel_by_other_types_is_told_to_load_again() {
    let contract = contract();
    let known = contract.fingerprints()["rates:"].to_owned();
    serve(bank(), async |server| {
        let mut ada = ada(server).await;
        let other = json!({ "channel": "rates:euro", "data": { "types": "0123456789abcdef" } });
        assert_eq!(ada.error("subscribe", other).await, u64::from(CHANGED));
        // What is said along by somebody else is no fingerprint.
        let odd = json!({ "channel": "account:ada", "data": { "types": 5 } });
        ada.result("subscribe", odd).await;
        let same = json!({ "channel": "rates:euro", "data": { "types": known } });
        ada.result("subscribe", same).await;
    });
}

#[test]
fn a_page_is_told_which_build_is_served_and_who_it_is() {
    serve(bank(), async |server| {
        let mut client = Client::open(server).await;
        let welcome = client.result("connect", json!({})).await;
        assert_eq!(welcome["data"], json!({ "build": "build 7", "user": null }));
        let request = Request::upgrade("/connection/websocket?ada");
        let mut ada = Client::over(server.open_as(&request).await);
        let welcome = ada.result("connect", json!({})).await;
        assert_eq!(welcome["data"], json!({ "build": "build 7", "user": "ada" }));
    });
}

#[test]
fn a_subscription_has_the_information_that_its_kind_gives() {
    serve(bank(), async |server| {
        let mut ada = ada(server).await;
        ada.subscribe("account:ada").await;
        ada.subscribe("rates:euro").await;
        let present = ada.result("presence", json!({ "channel": "account:ada" })).await;
        let infos: Vec<_> = present["presence"].as_object().unwrap().values().collect();
        assert_eq!(infos[0]["chan_info"], json!({ "role": "owner" }));
        let present = ada.result("presence", json!({ "channel": "rates:euro" })).await;
        let infos: Vec<_> = present["presence"].as_object().unwrap().values().collect();
        assert_eq!(infos[0].get("chan_info"), None);
    });
}

#[test]
fn a_kind_decides_who_may_subscribe_and_which_names_there_are() {
    serve(bank(), async |server| {
        let mut ada = ada(server).await;
        assert_eq!(ada.error("subscribe", json!({ "channel": "account:bob" })).await, 103);
        assert_eq!(ada.error("subscribe", json!({ "channel": "account:B0B" })).await, 102);
        assert_eq!(ada.error("subscribe", json!({ "channel": "vault:1" })).await, 102);
        ada.subscribe("rates:euro").await;
        for other_spelling in ["rates:EURO", "rates: euro", "rates"] {
            assert_eq!(ada.error("subscribe", json!({ "channel": other_spelling })).await, 102);
        }
    });
}

#[test]
fn what_the_server_publishes_has_the_channels_type() {
    serve(bank(), async |server| {
        let mut ada = ada(server).await;
        ada.subscribe("account:ada").await;
        let mut bob = Client::connected_as(server, "bob").await;
        call(&mut bob, "bank.pay", json!({ "amount": 3, "to": "ada" })).await;
        let push = ada.push().await;
        assert_eq!(push["pub"]["data"], json!({ "amount": 3, "from": "bob", "to": "ada" }));
    });
}

#[test]
fn what_clients_publish_has_to_fit_and_the_kind_has_the_last_word() {
    serve(bank(), async |server| {
        let mut ada = ada(server).await;
        let channel = "account:ada";
        let receipt = json!({ "amount": 1, "from": "eve", "to": "x" });
        let publish = json!({ "channel": channel, "data": receipt });
        assert_eq!(ada.error("publish", publish.clone()).await, 103, "before it is subscribed");
        ada.subscribe(channel).await;
        let odd = json!({ "channel": channel, "data": { "amount": -1, "to": "x" } });
        assert_eq!(ada.error("publish", odd).await, 107);
        ada.result("publish", publish).await;
        assert_eq!(ada.push().await["pub"]["data"]["from"], "ada");
        ada.subscribe("rates:euro").await;
        assert_eq!(ada.error("publish", json!({ "channel": "rates:euro", "data": 1 })).await, 103);
    });
}
