//! Tokens that let clients connect and subscribe, and those that do not.

use duplex_core::{Connected, Json, Settings, TokenKeys};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::{
    Client, Plan, Request, Running, eventually, serve,
    token::{self, EC_PUBLIC, RSA_PUBLIC, SECRET, hs256, in_seconds, seconds_ago, signed},
};

const HOUR: u64 = 3600;

/// Clients may do what their tokens say; hooks allow nothing else.
fn with_keys(keys: TokenKeys) -> Plan {
    let everything = Plan::new().everything();
    everything
        .on_subscribe(async |_, _| Err(duplex_core::ErrorCode::PERMISSION_DENIED.into()))
        .settings(move |settings: &mut Settings| settings.tokens = keys)
}

fn with_secret() -> Plan {
    with_keys(TokenKeys::default().hs256(SECRET))
}

/// What becomes of a connect command with this token: the code of an error or of the close frame, 0 if it is let in.
async fn connect(server: &Running, token: &str) -> u16 {
    let mut client = Client::open(server).await;
    client.ask("connect", json!({ "token": token })).await;
    let frame = client.peer().frame().await;
    if frame.opcode == crate::support::CLOSE {
        return u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
    }
    let reply: Value = serde_json::from_slice(&frame.payload).unwrap();
    reply["error"]["code"].as_u64().unwrap_or_default().try_into().unwrap()
}

/// A token without a signature, which the header says there is none of.
fn unsigned(claims: &Value) -> String {
    let signed = hs256(claims);
    let claims = signed.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"JWT"}
    format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.")
}

/// Tokens that are no good for anything, whatever they say.
fn forged(claims: &Value) -> Vec<(&'static str, String)> {
    let good = hs256(claims);
    let (unsigned_part, signature) = good.rsplit_once('.').unwrap();
    let hs512 = signed(Algorithm::HS512, &EncodingKey::from_secret(SECRET.as_bytes()), claims);
    let hs512_signature = hs512.rsplit_once('.').unwrap().1;
    let with = |name: &str, value: u64| {
        let mut claims = claims.clone();
        claims[name] = json!(value);
        hs256(&claims)
    };
    vec![
        ("no token", "x".to_owned()),
        ("dots", "..".to_owned()),
        ("no JSON", "eyJ9.eyJ9.eyJ9".to_owned()),
        ("a huge one", "x".repeat(500_000)),
        ("NUL", "\0".to_owned()),
        ("another secret", token::hs256_with(b"another secret of at least 32 bytes", claims)),
        ("the empty secret", token::hs256_with(b"", claims)),
        ("no signature", format!("{unsigned_part}.")),
        ("a signature cut short", good[..good.len() - 2].to_owned()),
        ("a part more", format!("{good}.{signature}")),
        ("alg none", unsigned(claims)),
        ("alg none with a signature", format!("{}{signature}", unsigned(claims))),
        ("another algorithm", hs512.clone()),
        ("a signature of another algorithm", format!("{unsigned_part}.{hs512_signature}")),
        ("a key of another kind", token::es256(claims)),
        ("an extension", token::hs256_asking_for("b64", claims)),
        ("not valid yet", with("nbf", in_seconds(HOUR))),
    ]
}

#[test]
fn a_token_says_who_a_client_is() {
    let plan = with_secret().users().on_connecting(async |socket, _| {
        let identity = socket.identity();
        Ok(Connected { data: Some(Json::new(&(identity.user_id(), identity.info()))?) })
    });
    serve(plan, async |server| {
        let info = json!({ "name": "Ada" });
        for (claims, data) in [
            (json!({ "sub": "ada", "info": info }), json!(["ada", info])),
            (json!({ "sub": "ada", "exp": in_seconds(HOUR), "nbf": seconds_ago(1) }), json!(["ada", null])),
            (json!({ "sub": "ada", "iat": 0, "aud": "x", "iss": "x", "unknown": [] }), json!(["ada", null])),
            (json!({ "sub": "ada", "exp": u64::MAX }), json!(["ada", null])),
            (json!({ "sub": "ada", "exp": in_seconds(HOUR) as f64 + 0.5 }), json!(["ada", null])),
            (json!({}), json!([null, null])),
        ] {
            // The token counts, and not what the upgrade request says.
            let request = Request::upgrade("/connection/websocket?eve");
            let mut client = Client::over(server.open_as(&request).await);
            let result = client.result("connect", json!({ "token": hs256(&claims) })).await;
            assert_eq!(result["data"], data, "{claims}");
        }
        let request = Request::upgrade("/connection/websocket?eve");
        let mut client = Client::over(server.open_as(&request).await);
        assert_eq!(client.result("connect", json!({ "token": "" })).await["data"], json!(["eve", null]));
    });
}

#[test]
fn a_user_of_a_token_is_reached_by_its_name() {
    serve(with_secret(), async |server| {
        let claims = json!({ "sub": "ada", "channels": ["news", "secret:a"] });
        let mut client = Client::open(server).await;
        let result = client.result("connect", json!({ "token": hs256(&claims) })).await;
        assert_eq!(result["subs"].as_object().unwrap().keys().collect::<Vec<_>>(), ["news", "secret:a"]);
        assert!(client.push().await.get("join").is_some());
        server.hub.send_user("ada", "hello").await.unwrap();
        assert_eq!(client.push().await["message"]["data"], "hello");
        server.hub.publish("secret:a", "hello").await.unwrap();
        assert_eq!(client.publication().await, "hello");
        assert_eq!(server.hub.presence("news").await.unwrap()[0].user, "ada");
    });
}

#[test]
fn a_connection_token_that_is_not_genuine_disconnects_with_3500() {
    serve(with_secret(), async |server| {
        let claims = json!({ "sub": "ada" });
        assert_eq!(connect(server, &hs256(&claims)).await, 0);
        for (what, token) in forged(&claims) {
            assert_eq!(connect(server, &token).await, 3500, "{what}");
        }
        for claims in [
            json!({ "sub": "ada", "channel": "news" }),
            json!({ "sub": 1 }),
            json!({ "sub": "ada", "channels": "news" }),
            json!({ "sub": "ada", "channels": [""] }),
            json!({ "sub": "ada", "exp": "tomorrow" }),
            json!([]),
            json!("ada"),
        ] {
            assert_eq!(connect(server, &hs256(&claims)).await, 3500, "{claims}");
        }
        eventually("every place", || server.hub.count() == 0).await;
    });
}

#[test]
fn a_connection_token_that_has_expired_is_answered_with_109_if_it_is_genuine() {
    serve(with_secret(), async |server| {
        for exp in [seconds_ago(1), seconds_ago(HOUR), 0] {
            let claims = json!({ "sub": "ada", "exp": exp });
            assert_eq!(connect(server, &hs256(&claims)).await, 109, "{exp}");
            for (what, token) in forged(&claims) {
                if what != "not valid yet" {
                    assert_eq!(connect(server, &token).await, 3500, "{what} {exp}");
                }
            }
        }
        // An expired subscription token is still not for a connection.
        assert_ne!(connect(server, &hs256(&json!({ "channel": "news", "exp": 0 }))).await, 0);
    });
}

#[test]
fn a_token_at_its_end_is_good_or_answered_with_109() {
    serve(with_secret(), async |server| {
        for thousandths in [0, 1, 500, 999] {
            // An SDK gets a new token after 109, and gives up after any other error.
            let exp = seconds_ago(0) as f64 + f64::from(thousandths) / 1000.0;
            let code = connect(server, &hs256(&json!({ "sub": "ada", "exp": exp }))).await;
            assert!([0, 109].contains(&code), "{code} at {exp}");
        }
    });
}

#[test]
fn without_keys_every_token_is_refused() {
    serve(with_keys(TokenKeys::default()), async |server| {
        let claims = json!({ "channel": "news" });
        for token in
            [hs256(&json!({})), token::es256(&json!({})), token::rs256(&json!({})), unsigned(&json!({}))]
        {
            assert_eq!(connect(server, &token).await, 3500);
        }
        let mut client = Client::connected(server).await;
        for token in [hs256(&claims), token::hs256_with(b"", &claims), unsigned(&claims)] {
            assert_eq!(client.error("subscribe", json!({ "channel": "news", "token": token })).await, 103);
        }
    });
}

#[test]
fn a_key_is_for_one_algorithm() {
    let elliptic = || TokenKeys::default().es256(EC_PUBLIC).unwrap();
    let rsa = || TokenKeys::default().rs256(RSA_PUBLIC).unwrap();
    let claims = json!({ "sub": "ada" });
    // Whoever knows the public half could sign with it, if the token had a say.
    let with_public = |pem: &str| token::hs256_with(pem.as_bytes(), &claims);
    let [by_ec, by_rsa, by_secret] = [token::es256(&claims), token::rs256(&claims), hs256(&claims)];
    for (keys, accepted, refused) in [
        (elliptic(), vec![&by_ec], vec![&by_rsa, &by_secret, &with_public(EC_PUBLIC)]),
        (rsa(), vec![&by_rsa], vec![&by_ec, &by_secret, &with_public(RSA_PUBLIC)]),
        (
            elliptic().rs256(RSA_PUBLIC).unwrap().hs256("another secret of at least 32 bytes").hs256(SECRET),
            vec![&by_ec, &by_rsa, &by_secret],
            vec![&with_public(EC_PUBLIC), &with_public(RSA_PUBLIC), &unsigned(&claims)],
        ),
    ] {
        serve(with_keys(keys), async |server| {
            for token in accepted {
                assert_eq!(connect(server, token).await, 0);
            }
            for token in refused {
                assert_eq!(connect(server, token).await, 3500);
            }
        });
    }
}

#[test]
fn an_expired_token_is_known_by_any_of_the_keys() {
    let keys = TokenKeys::default().hs256("another secret of at least 32 bytes").hs256(SECRET);
    serve(with_keys(keys), async |server| {
        assert_eq!(connect(server, &hs256(&json!({ "exp": seconds_ago(1) }))).await, 109);
    });
}

#[test]
fn a_text_that_is_no_public_key_is_refused_at_start() {
    assert!(TokenKeys::default().es256("x").is_err());
    assert!(TokenKeys::default().rs256("").is_err());
    assert!(TokenKeys::default().es256(RSA_PUBLIC).is_err());
    assert!(TokenKeys::default().rs256(EC_PUBLIC).is_err());
    let shown = format!("{:?}", TokenKeys::default().hs256(SECRET));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn an_audience_and_an_issuer_have_to_fit() {
    let keys = TokenKeys::default().hs256(SECRET).audience("duplex").issuer("accounts");
    serve(with_keys(keys), async |server| {
        for (claims, code) in [
            (json!({ "aud": "duplex", "iss": "accounts" }), 0),
            (json!({ "aud": ["other", "duplex"], "iss": "accounts" }), 0),
            (json!({ "aud": "other", "iss": "accounts" }), 3500),
            (json!({ "aud": "duplex", "iss": "other" }), 3500),
            (json!({ "aud": "duplex" }), 3500),
            (json!({ "iss": "accounts" }), 3500),
            (json!({}), 3500),
        ] {
            assert_eq!(connect(server, &hs256(&claims)).await, code, "{claims}");
        }
    });
}

#[test]
fn a_subscription_token_is_as_good_as_a_hook() {
    serve(with_secret(), async |server| {
        let mut ada = Client::connected_with(server, &hs256(&json!({ "sub": "ada" }))).await;
        let token = hs256(&json!({ "sub": "ada", "channel": "news", "info": { "role": "editor" } }));
        let result = ada.result("subscribe", json!({ "channel": "news", "token": token })).await;
        assert_eq!((result.get("expires"), result.get("ttl")), (None, None));
        let present = server.hub.presence("news").await.unwrap();
        assert_eq!(present[0].chan_info, Some(json!({ "role": "editor" }).into()));
        assert_eq!(ada.error("subscribe", json!({ "channel": "more" })).await, 103);
        // Who is nobody has a token of nobody.
        let mut nobody = Client::connected(server).await;
        let token = hs256(&json!({ "channel": "news" }));
        nobody.result("subscribe", json!({ "channel": "news", "token": token })).await;
    });
}

#[test]
fn a_subscription_token_that_does_not_fit_is_answered_with_103_and_an_expired_one_with_109() {
    serve(with_secret(), async |server| {
        let mut client = Client::connected_with(server, &hs256(&json!({ "sub": "ada" }))).await;
        let claims = json!({ "sub": "ada", "channel": "news" });
        let mut refused = forged(&claims);
        for (what, claims) in [
            ("of a connection", json!({ "sub": "ada" })),
            ("of a connection with channels", json!({ "sub": "ada", "channels": ["news"] })),
            ("for another channel", json!({ "sub": "ada", "channel": "more" })),
            ("for a channel with the same beginning", json!({ "sub": "ada", "channel": "new" })),
            ("for another user", json!({ "sub": "bob", "channel": "news" })),
            ("for nobody", json!({ "channel": "news" })),
            ("for a channel that is no text", json!({ "sub": "ada", "channel": ["news"] })),
        ] {
            refused.push((what, hs256(&claims)));
        }
        for (what, token) in refused {
            let request = json!({ "channel": "news", "token": token });
            assert_eq!(client.error("subscribe", request).await, 103, "{what}");
        }
        for exp in [seconds_ago(1), 0] {
            let token = hs256(&json!({ "sub": "ada", "channel": "news", "exp": exp }));
            assert_eq!(client.error("subscribe", json!({ "channel": "news", "token": token })).await, 109);
        }
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
        // A token opens no namespace that does not exist.
        let token = hs256(&json!({ "sub": "ada", "channel": "hidden:a" }));
        assert_eq!(client.error("subscribe", json!({ "channel": "hidden:a", "token": token })).await, 102);
        client.result("subscribe", json!({ "channel": "news", "token": hs256(&claims) })).await;
    });
}
