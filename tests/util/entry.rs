//! Audit lines made by hand, as short as a server may write them.

use jiff::{SignedDuration, Timestamp};

/// A day in the past on which the made-up lines begin.
const BEGIN: &str = "2026-10-05T08:00:00Z";

fn at(milliseconds: i64) -> Timestamp {
    BEGIN.parse::<Timestamp>().unwrap() + SignedDuration::from_millis(milliseconds)
}

const GRANTED: &str = r#""auth":{"client_token":"hmac-sha256:1111111111111111111111111111111111111111111111111111111111111111","accessor":"hmac-sha256:2222222222222222222222222222222222222222222222222222222222222222","display_name":"userpass-alice","policies":["app"],"policy_results":{"allowed":true,"granting_policies":[{"name":"app","namespace_id":"root","type":"acl"}]},"metadata":{"username":"alice"},"entity_id":"e-alice","token_type":"service"}"#;
const LOGIN: &str = r#""auth":{"policy_results":{"allowed":true},"token_type":"default"}"#;

fn request_of(id: &str, path: &str) -> String {
    let (operation, mount) = match path.strip_prefix("auth/") {
        Some(rest) => (
            "update",
            format!(
                "auth/{}/\",\"mount_type\":\"{0}\",\"mount_class\":\"auth",
                rest.split('/').next().unwrap()
            ),
        ),
        None => ("read", "secret/\",\"mount_type\":\"kv\",\"mount_class\":\"secret".to_owned()),
    };
    format!(
        r#""request":{{"id":"{id}","operation":"{operation}","mount_point":"{mount}","namespace":{{"id":"root"}},"path":"{path}","remote_address":"10.0.0.7","remote_port":40112}}"#
    )
}

fn auth_of(path: &str) -> &'static str {
    if path.starts_with("auth/") { LOGIN } else { GRANTED }
}

/// Returns the request line of a read, or of a login where the path is one; `\n` included.
pub(crate) fn request(id: &str, path: &str, milliseconds: i64) -> String {
    format!(
        "{{\"time\":\"{}\",\"type\":\"request\",{},{}}}\n",
        at(milliseconds),
        auth_of(path),
        request_of(id, path)
    )
}

/// Returns the response line of a read that found something.
pub(crate) fn response(id: &str, path: &str, milliseconds: i64) -> String {
    format!(
        "{{\"time\":\"{}\",\"type\":\"response\",{},{},\"response\":{{\"mount_point\":\"secret/\",\"data\":{{\"data\":{{\"password\":\"hmac-sha256:{}\"}}}}}}}}\n",
        at(milliseconds),
        auth_of(path),
        request_of(id, path),
        "3".repeat(64),
    )
}

/// Returns the response line of a failed login with this error at the top.
pub(crate) fn with_error(id: &str, path: &str, milliseconds: i64, error: &str) -> String {
    format!(
        "{{\"time\":\"{}\",\"type\":\"response\",\"auth\":{{\"token_type\":\"default\"}},{},\"response\":{{\"data\":{{\"error\":\"hmac-sha256:{}\"}}}},\"error\":\"{error}\"}}\n",
        at(milliseconds),
        request_of(id, path),
        "4".repeat(64),
    )
}

/// Returns the response line of the successful login of `alice` as the server answers it.
pub(crate) fn login_response(id: &str, path: &str, milliseconds: i64) -> String {
    let issued = r#"{"client_token":"hmac-sha256:1111111111111111111111111111111111111111111111111111111111111111","accessor":"hmac-sha256:2222222222222222222222222222222222222222222222222222222222222222","display_name":"userpass-alice","policies":["app"],"token_policies":["app"],"metadata":{"username":"alice"},"entity_id":"e-alice","token_type":"service","token_ttl":3600}"#;
    format!(
        "{{\"time\":\"{}\",\"type\":\"response\",\"auth\":{issued},{},\"response\":{{\"auth\":{issued},\"mount_point\":\"auth/userpass/\",\"mount_type\":\"userpass\"}}}}\n",
        at(milliseconds),
        request_of(id, path),
    )
}

/// Returns both lines of a read, a millisecond apart.
pub(crate) fn pair(id: &str, path: &str, milliseconds: i64) -> String {
    request(id, path, milliseconds) + &response(id, path, milliseconds + 1)
}
