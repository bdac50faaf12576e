//! Where log lines go and how they look: for people on a terminal, for journald under systemd.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Sets up logging to standard error. `KEYTRAIL_LOG` says what is logged.
pub(crate) fn install() {
    let filter = EnvFilter::try_from_env("KEYTRAIL_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,keytrail=info,ingest=info,query=info,web=info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr);
    if is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref()) {
        subscriber.with_ansi(false).event_format(ForJournal).init();
    } else {
        subscriber.init();
    }
}

/// Tells whether standard error is the journal's own socket: `JOURNAL_STREAM` is its device and inode. A
/// program that was started with another standard error inherits the variable too.
fn is_journal(stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    rustix::fs::fstat(std::io::stderr())
        .is_ok_and(|stat| device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino))
}

/// `<4>` and the text: journald takes the priority off, and has a time of its own.
struct ForJournal;

impl<S, N> FormatEvent<S, N> for ForJournal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        context.field_format().format_fields(Writer::new(&mut text), event)?;
        // A line of its own would be a message of its own, with the priority that the text chooses.
        writeln!(writer, "<{}>{}", priority(*event.metadata().level()), text.replace('\n', "\\n"))
    }
}

/// Syslog's numbers.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("nobody panics").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_journal_gets_a_priority_and_one_line() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .event_format(ForJournal)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(source = "c/n/file", "cannot read\n<0>forged");
            tracing::info!("again");
        });
        let text = String::from_utf8(kept.0.lock().expect("nobody panics").clone()).expect("text");
        assert_eq!(text, "<4>cannot read\\n<0>forged source=\"c/n/file\"\n<6>again\n");
    }

    #[test]
    fn another_standard_error_is_no_journal() {
        assert!(!is_journal(None));
        assert!(!is_journal(Some("1:2")));
        assert!(!is_journal(Some("journal")));
        let stat = rustix::fs::fstat(std::io::stderr()).expect("standard error is open");
        assert!(is_journal(Some(&format!("{}:{}", stat.st_dev, stat.st_ino))));
    }
}
