//! Owns the script through which pages read the public environment at run time (`$env/dynamic/public` in
//! SvelteKit). The build holds one with the values of the machine that built it; it is replaced by one with
//! the values of this machine.

use std::collections::BTreeMap;

use actix_web::web::Bytes;

/// Where SvelteKit puts the script. It is there only if a page uses it.
pub(super) const KEY: &str = "_app/env.js";

/// The script. JSON is a subset of JavaScript, line separators included, and a script of its own needs no
/// more escapes.
pub(super) fn script(public_environment: &BTreeMap<String, String>) -> Bytes {
    let object: serde_json::Map<_, _> =
        public_environment.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    Bytes::from(format!("export const env={}", serde_json::Value::Object(object)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_for_a_script() {
        let environment = BTreeMap::from([
            ("PUBLIC_EMPTY".to_owned(), String::new()),
            ("PUBLIC_NAME".to_owned(), "a \"b\"\n\\c".to_owned()),
        ]);
        assert_eq!(
            script(&environment),
            r#"export const env={"PUBLIC_EMPTY":"","PUBLIC_NAME":"a \"b\"\n\\c"}"#
        );
        assert_eq!(script(&BTreeMap::new()), "export const env={}");
    }
}
