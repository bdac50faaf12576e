//! What each format makes of a control event: nobody's access.

use super::super::control::encode;
use super::*;
use crate::encoding::Encoding;
use crate::totals::testing::total;

fn encoded(format: Format, wrap: Wrap) -> Vec<u8> {
    encode(&total(), &Encoding { format, options: Options::default(), wrap }).0
}

#[test]
fn each_format_says_the_same() {
    let mut text = String::new();
    for &format in Format::ALL {
        let shown = match format.is_json() {
            true => {
                let value: Value = serde_json::from_slice(&encoded(format, Wrap::Nothing)).unwrap();
                serde_json::to_string_pretty(&value).unwrap()
            }
            false => String::from_utf8(encoded(format, Wrap::Nothing)).unwrap(),
        };
        text.push_str(&format!("== {format}\n{shown}\n"));
    }
    text.push_str(&format!(
        "== event, over syslog\n{}\n",
        String::from_utf8_lossy(&encoded(Format::Event, Wrap::Syslog))
    ));
    insta::assert_snapshot!("control", text);
}

#[test]
fn it_has_no_field_by_which_an_access_is_known() {
    let of = |format| -> Value { serde_json::from_slice(&encoded(format, Wrap::Nothing)).unwrap() };
    let event = of(Format::Event);
    for field in ["action", "operation", "decision", "identity", "path", "outcome", "request_id"] {
        assert_eq!(event[field], Value::Null, "{field}");
    }
    let ecs = of(Format::Ecs);
    assert_eq!(
        (&ecs["event"]["kind"], &ecs["event"]["category"]),
        (&"metric".into(), &Value::Null)
    );
    for field in ["hashicorp_vault", "user", "source", "url"] {
        assert_eq!(ecs[field], Value::Null, "{field}");
    }
    let splunk = of(Format::Splunk);
    for field in ["cim", "action", "user", "object_path", "decision", "signature"] {
        assert_eq!(splunk[field], Value::Null, "{field}");
    }
}
