//! Other people's programs read what encoders write of every recorded event.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use query::evidence::hex;

use super::super::recorded::{events, recordings};
use super::withheld::hostile;
use super::*;
use crate::encoding::Encoding;
use crate::totals::testing::total;

/// Writes every recorded event as it is encoded, a line each, and has it read by a script of `tests/encoders`, which
/// tells what it found; `None` without the libraries it needs, where they are not required.
fn read_by(script: &str, name: &str, encoded: &dyn Fn(&Outgoing) -> Vec<u8>) -> Option<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let mut file = BufWriter::new(File::create(&path).unwrap());
    let mut count = 0;
    let recorded = recordings().into_iter().flat_map(|recording| events(&recording));
    for item in recorded.chain(hostile()) {
        let bytes = encoded(&item);
        assert!(!bytes.contains(&b'\n'), "{:?}", item.event);
        let event = serde_json::to_vec(&item.event).unwrap();
        file.write_all(&[&bytes[..], b"\n", &event, b"\n"].concat()).unwrap();
        count += 1;
    }
    if name == Format::Ocsf.as_str() {
        let (format, wrap) = (Format::Ocsf, Wrap::Nothing);
        let encoding = Encoding { format, options: Options::default(), wrap };
        let (total, _) = super::super::control::encode(&total(), &encoding);
        file.write_all(&[&total[..], b"\n{}\n"].concat()).unwrap();
        count += 1;
    }
    file.into_inner().unwrap().sync_all().unwrap();
    let program = std::env::var_os("KEYTRAIL_PYTHON").unwrap_or_else(|| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/encoders").join(script);
    let run = Command::new(program).arg(&script).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    let is_required = std::env::var_os("KEYTRAIL_TOOLS").is_some_and(|value| value == "required");
    if said.contains("ModuleNotFoundError") && !is_required {
        eprintln!("nothing was checked here: {said}");
        return None;
    }
    assert!(run.status.success(), "{}: {said}", script.display());
    let found: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(found["events"], count, "{found}");
    assert!(count > 3000, "{count} events");
    Some(found)
}

fn read_format(script: &str, format: Format) -> Option<Value> {
    read_by(script, format.as_str(), &|item| encode(format, item, &Options::default()))
}

#[test]
fn every_recorded_event_is_valid_ocsf() {
    let Some(found) = read_format("ocsf.py", Format::Ocsf) else { return };
    assert_eq!(found["classes"]["event_log_actvity"], 1);
    for class in ["api_activity", "authentication", "entity_management"] {
        assert!(found["classes"][class].as_u64() > Some(50), "{found}");
    }
}

#[test]
fn cef_is_read_back_by_pycef() {
    read_format("lines.py", Format::Cef);
}

#[test]
fn syslog_is_read_back_by_syslog_rfc5424_parser() {
    read_format("lines.py", Format::Syslog);
}

#[test]
fn log_records_are_read_back_by_opentelemetry_and_take_their_names_from_its_conventions() {
    let hexadecimal = |item: &Outgoing| {
        let (record, beside) = wrap(Wrap::LogRecord, Format::Event, item, &Options::default());
        let Beside::Resource(resource) = beside else { panic!("a resource") };
        [hex(&record), hex(&resource)].join(" ").into_bytes()
    };
    let Some(found) = read_by("otlp.py", "otlp", &hexadecimal) else { return };
    let attributes = found["attributes"].as_array().unwrap();
    for name in ["log.record.uid", "user.name", "client.address", "k8s.namespace.name"] {
        assert!(attributes.contains(&name.into()), "{found}");
    }
}
