//! JSON objects without what is absent.

use serde_json::Value;

/// Takes away nulls, and the objects and lists that are empty without them.
pub(super) fn without_absent(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(without_absent);
            members.retain(|_, member| !is_absent(member));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(without_absent);
            items.retain(|item| !is_absent(item));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Returns a value as bytes.
pub(super) fn bytes(mut value: Value) -> Vec<u8> {
    without_absent(&mut value);
    serde_json::to_vec(&value).expect("a value is JSON")
}
