//! How the hub's own words are spelt in TypeScript.

use ts_rs::{Config, TS};

use super::SafeInteger;
use crate::{ConnectionId, Json};

/// The error of a call that is never refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Never {}

macro_rules! spelt {
    ($($type:ty => $spelling:literal),*) => { $(
        impl TS for $type {
            type WithoutGenerics = Self;
            type OptionInnerType = Self;

            fn name(_: &Config) -> String {
                $spelling.to_owned()
            }

            fn inline(config: &Config) -> String {
                Self::name(config)
            }
        }
    )* };
}

spelt!(SafeInteger => "number", Never => "never", Json => "unknown", ConnectionId => "string");
