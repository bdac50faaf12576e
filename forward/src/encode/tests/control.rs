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

#[test]
fn over_otlp_it_is_a_record_of_keytrails_own() {
    use opentelemetry_proto::tonic::common::v1::KeyValue;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::logs::v1::LogRecord;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use prost::Message;

    let (format, wrap) = (Format::Event, Wrap::LogRecord);
    let encoding = Encoding { format, options: Options::default(), wrap };
    let (record, beside) = encode(&total(), &encoding);
    let text = |attributes: &[KeyValue], key: &str| {
        let found = attributes.iter().find(|attribute| attribute.key == key).unwrap();
        match found.value.clone().unwrap().value {
            Some(Any::StringValue(text)) => text,
            other => panic!("{key}: {other:?}"),
        }
    };
    let record = LogRecord::decode(&*record).unwrap();
    assert_eq!(record.event_name, "keytrail.control_total");
    assert_eq!(text(&record.attributes, "log.record.uid"), total().uid().to_string());
    assert_eq!(text(&record.attributes, "keytrail.control.events"), "2");
    let Beside::Resource(resource) = beside else { panic!("a resource") };
    let resource = Resource::decode(&*resource).unwrap();
    assert_eq!(text(&resource.attributes, "service.name"), "keytrail");
}
