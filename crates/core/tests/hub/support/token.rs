//! JSON Web Tokens, right and wrong ones. The keys are for these tests alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::Value;

/// What the server and whoever makes tokens know.
pub(crate) const SECRET: &str = "a secret of at least 32 bytes for tests";

const EC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgM2Vu57VDvyV3nMOP
q85XmJDW/9xKW3dR/Ra+nBWfIuOhRANCAASMzKDbxhHgUC0hVcygVa919jeKbkO5
YOr5nYtWR0cTESy/vS5ZMtyZrteHgo33DVUAKm5Tw6ZRxn0ESktHf/J5
-----END PRIVATE KEY-----
";

/// The public half of the key that [`es256`] signs with.
pub(crate) const EC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjMyg28YR4FAtIVXMoFWvdfY3im5D
uWDq+Z2LVkdHExEsv70uWTLcma7Xh4KN9w1VACpuU8OmUcZ9BEpLR3/yeQ==
-----END PUBLIC KEY-----
";

const RSA_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCujr3pBg2NjLQ3
ifCeEspi0N+ochV3xpXhtTaXvrVftNSNOvwRQIvNVa8hGJ17AxFPzkM+vOTM/8i1
iI5VGXKnIJxT3NYNPJSNTKvrHX5iG6Agkpxvr8qJ1+Rl9qDxOOcHklh+BKOiKVE1
Cu+DW3hzKiS7SHCFRI7Fwic9Kzi5KFJGHCPhTKDM0tBTRg80O0CvxWQgKhh8Bl+2
igFyvbqnD6im9OSKyd+AJYruDLHOiMOnrabv/cldQjBInofVKuLEHDQE+hhFzdMq
hUbiUuv7Pp6I1sUQMvScInqFcaoF/p3h32oU5bq1Hz39HVp0JwbHONKuZNfPsdYc
B6PZGIMhAgMBAAECggEAAnlsEUieZl/Yzb8cFsIGfdPHEVQ3aB+TyB+bbdeIerIp
h4RXHoucJbOf0jnPEOdpYlCusuXenoYnSTU1qwizp5FAjQbkvvqZcpasOs6b4Boz
FQYd/v5qchVyD6TRKYUub2zSabwhKYkxVTWd0TZhntyJeXEClQ2EknKc77bQOK3m
22rhk+DoLn5x+1wyQa+qrW064s/2cer2GRkj3DA6iATWYyxMjooytBbsVqofop+n
c3PqP03o4XlGR8Gvwov/iiUO1dYqp+uO7SJtqVfd5lWnvBGyaa39/32zzhAo+KsR
hjDxb7DO1oEYbU9PsiYil3He5q2GwGjr7tYIeaLdAQKBgQDd2pYasmXJjd/jfOQF
fc/d48KqC2X8nGak6hMAkWkEAskbsgkNfnXk8Pwm/XNQZo5oQTXfZMZ1eCt4j5lA
5o4lVwFR+M/e0ZRWQ71379PgwU60gZr8d+6RdYFksp2LptjaxvcjFUQXlj/cX0iu
h9Yv0pf+QAxb4Y6idBSNd2mDAQKBgQDJbJpwNf5O7spsIQGC/TP0nnIgtliUx8CW
akKjeSpIiH73QbQVt4KUGHC5RCbUxyKPzIB043f3wYgDF6WAdnoQCITxCzD4LeKs
L9bSuMpCp++9dg8jCwS03QNMMYy6DLSRjzEHPmUh0xlxb76A5I0xbOAMNn4wN21Q
d/uuqJ6gIQKBgEcbARMrbH5OL50M8VRlP5NhpYm0v4pYYnmm4FJFSMBVWDm9NTOS
/ZxUNK0WfLgfNrNpeyfPd+A8lMo+VCM+Af8rxKuOMKm8yGthqL9hKaqWqnAmPhN/
KQKMA93PdblFz6lHLfybm0hoCq3KCFSQCvEm8To3Mv7b60hcJh41UKcBAoGAAyAt
UVp1JNJtz7m/ZUH6oWwoBzvtKfnjkjH58MF7l36OwdWCLugXHac3cJiPJbQlZCff
QnEZNn4JV0rxpYmxITiQn5D15JQJtXRUmBaIBPrILJ99YqTUIN5hI7iNH4H891lK
gHtGZHz7IxiB00w4qLCw1V+vG55wktQZ0r8JHyECgYBS/XozULKOpeYOxT5DTltc
l13HoPELnjJZYB8KBq7y4es0YccmUggV/Ny5K4tK4pWRNWU4Xt1XuzES1TqN1XQn
QQFe79pn62r2zYEpSKKRlZTEfqIyBJD+3aZp2/3u5d+80H3ifIWGXzWcGBvSkgyX
YQmi89jKhJbal9xAQjVvCQ==
-----END PRIVATE KEY-----
";

/// The public half of the key that [`rs256`] signs with.
pub(crate) const RSA_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAro696QYNjYy0N4nwnhLK
YtDfqHIVd8aV4bU2l761X7TUjTr8EUCLzVWvIRidewMRT85DPrzkzP/ItYiOVRly
pyCcU9zWDTyUjUyr6x1+YhugIJKcb6/KidfkZfag8TjnB5JYfgSjoilRNQrvg1t4
cyoku0hwhUSOxcInPSs4uShSRhwj4UygzNLQU0YPNDtAr8VkICoYfAZftooBcr26
pw+opvTkisnfgCWK7gyxzojDp62m7/3JXUIwSJ6H1SrixBw0BPoYRc3TKoVG4lLr
+z6eiNbFEDL0nCJ6hXGqBf6d4d9qFOW6tR89/R1adCcGxzjSrmTXz7HWHAej2RiD
IQIDAQAB
-----END PUBLIC KEY-----
";

/// A token signed with [`SECRET`].
pub(crate) fn hs256(claims: &Value) -> String {
    hs256_with(SECRET.as_bytes(), claims)
}

/// A token signed with any secret.
pub(crate) fn hs256_with(secret: &[u8], claims: &Value) -> String {
    signed(Algorithm::HS256, &EncodingKey::from_secret(secret), claims)
}

/// A token signed with [`SECRET`] whose header asks for an extension (RFC 7515 section 4.1.11).
pub(crate) fn hs256_asking_for(extension: &str, claims: &Value) -> String {
    let header = Header { crit: Some(vec![extension.to_owned()]), ..Header::new(Algorithm::HS256) };
    encode(&header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// A token signed with an elliptic curve key.
pub(crate) fn es256(claims: &Value) -> String {
    signed(Algorithm::ES256, &EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).unwrap(), claims)
}

/// A token signed with an RSA key.
pub(crate) fn rs256(claims: &Value) -> String {
    signed(Algorithm::RS256, &EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap(), claims)
}

/// A token signed for any algorithm.
pub(crate) fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

/// So many seconds from now, as tokens have it: seconds since 1970.
pub(crate) fn in_seconds(seconds: u64) -> u64 {
    now() + seconds
}

/// So many seconds ago.
pub(crate) fn seconds_ago(seconds: u64) -> u64 {
    now() - seconds
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
