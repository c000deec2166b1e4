//! Values that are strange, deep or broken: data is carried as it stands, and everything else has to be what it should be.

use crate::{
    bad_input::expect_bad_request,
    support::{CONTINUATION, Client, Plan, TEXT, masked, serve},
};

#[test]
fn text_that_is_not_utf_8_closes_with_1007() {
    serve(Plan::new(), async |server| {
        let bad: [&[u8]; 3] = [b"{\"id\":1,\"ping\":{}}\xff", b"\xed\xa0\x80", b"\xf0\x9d\x84"];
        for payload in bad {
            let mut client = Client::connected(server).await;
            client.peer().send(masked(TEXT, true, payload)).await;
            client.expect_disconnect(1007).await;
        }
        let mut client = Client::connected(server).await;
        let (first, second) = r#"{"id":9,"rpc":{"method":"𝄞"}}"#.as_bytes().split_at(27);
        let frames = [masked(TEXT, false, first), masked(CONTINUATION, true, second)].concat();
        client.peer().send(frames).await;
        assert_eq!(client.reply().await["id"], 9);
    });
}

/// Asks for an echo of data as it stands, and gives what comes back, as it stands.
async fn echo(client: &mut Client, data: &str) -> String {
    client.say(&format!(r#"{{"id":9,"rpc":{{"data":{data}}}}}"#)).await;
    let reply = client.peer().text().await;
    let data = reply.strip_prefix(r#"{"id":9,"rpc":{"data":"#).and_then(|rest| rest.strip_suffix("}}"));
    data.unwrap_or_else(|| panic!("wanted an echo, got {reply}")).to_owned()
}

#[test]
fn data_is_carried_as_it_stands_however_strange() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let deep_objects = format!("{}1{}", r#"{"a":"#.repeat(50_000), "}".repeat(50_000));
        let digits = "9".repeat(100_000);
        let strange = [
            &deep,
            &deep_objects,
            &digits,
            "1e999999999",
            "-0.0",
            "1.00000000000000000000000000000000000001",
            r#""\ud800""#,
            r#""\udc00\ud800""#,
            r#"{"a":1,"a":2}"#,
            r#"{"\u0000":"\u0000"}"#,
            "null",
            "\"\u{2028}\"",
        ];
        for data in strange {
            assert!(echo(&mut client, data).await == data, "{:.80} has changed", data);
        }
    });
}

#[test]
fn deep_or_broken_values_in_the_place_of_others_disconnect_with_3501() {
    serve(Plan::new().everything(), async |server| {
        let mut other = Client::connected(server).await;
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for message in [
            deep.clone(),
            "[".repeat(100_000),
            r#"{"id":"#.repeat(50_000),
            format!(r#"{{"id":1,"subscribe":{{"channel":{deep}}}}}"#),
            format!(r#"{{"id":1,"subscribe":{deep}}}"#),
            r#"{"id":1,"subscribe":{"channel":"\ud800"}}"#.to_owned(),
            r#"{"id":1,"rpc":{"method":"\udc00"}}"#.to_owned(),
            r#"{"id":1,"rpc":{"data":"\x"}}"#.to_owned(),
            r#"{"id":1,"rpc":{"data":01}}"#.to_owned(),
            r#"{"id":1,"rpc":{"data":NaN}}"#.to_owned(),
            "{\"id\":1,\"rpc\":{\"data\":\"\u{1}\"}}".to_owned(),
        ] {
            expect_bad_request(server, &mut other, &message).await;
        }
        // What is not known is skipped, however deep.
        other.say(&format!(r#"{{"id":1,"ping":{{}},"news":{deep}}}"#)).await;
        assert_eq!(other.reply().await["id"], 1);
    });
}
