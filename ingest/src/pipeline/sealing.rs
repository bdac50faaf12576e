//! Sealing while files are followed, in the background and never in the way; and at the end of an import.

use std::time::Duration;

use crate::ledger::{LedgerError, Sealer};
use crate::room::Room;
use crate::tail::StopSignal;

/// How often to look for a segment that is over.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A sealed segment stands beside the old one until it takes its place.
const ROOM_BYTES: u64 = 64 << 20;

/// Seals what can be sealed now; `progress` is told the bytes of segments done and in all.
///
/// # Errors
/// The segments cannot be listed. One that cannot be sealed is told of and stays, as in [`seal`].
pub(super) fn seal_all(sealer: &Sealer, progress: &dyn Fn(u64, u64)) -> Result<(), LedgerError> {
    let (mut done, all) = (0, sealer.bytes_to_seal()?);
    while done < all {
        match sealer.seal_next() {
            Ok(Some(sealed)) => done += sealed.bytes_before,
            Ok(None) => break,
            Err(error) => {
                tracing::warn!("sealing stops, and `keytrail run` goes on with it: {error}");
                break;
            }
        }
        progress(done.min(all), all);
    }
    Ok(())
}

/// Seals what can be sealed until the signal is given. A segment that cannot be is told of and left as it is:
/// nothing depends on it but room, and a damaged one is for `keytrail verify`.
pub(super) fn seal(sealer: &Sealer, room: &Room, stop: &StopSignal) {
    while !stop.is_stopped() {
        if room.refuses(ROOM_BYTES).is_none() {
            match sealer.seal_next() {
                Ok(Some(sealed)) => {
                    tracing::debug!(
                        "sealed the segment of leaf {}: {} bytes, {} before",
                        sealed.first_leaf,
                        sealed.bytes,
                        sealed.bytes_before
                    );
                    continue;
                }
                Ok(None) => {}
                Err(error) if error.is_full() => {
                    tracing::warn!("sealing waits for room: {error}");
                }
                Err(error) => {
                    tracing::error!("sealing stops: {error}");
                    return;
                }
            }
        }
        stop.wait_for_stop(LOOK_EVERY);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Mutex;

    use crate::ledger::{Ledger, LedgerReader, NewBatch, Stream, VerifyOptions, verify};
    use crate::pipeline::{Progress, import};
    use crate::source::{Lines, Reader};
    use crate::tail::Input;

    /// Small segments, as a longer import would have filled large ones.
    fn unsealed(data: &std::path::Path) {
        let mut ledger = Ledger::open_with(data, "c", 600).unwrap();
        let (mut generation, mut offset) = (None, 0);
        for number in 0..40 {
            let mut lines = Lines::default();
            lines.push(format!("line {number}\n").as_bytes());
            let new = NewBatch {
                stream: Stream::Lines,
                source: "c/n/file",
                generation,
                parent: None,
                offset,
                reader: Reader::Import,
                arrived_unix_ns: number,
                continued: false,
                unterminated: false,
                lines: &lines,
            };
            generation = Some(ledger.append(&new).unwrap().generation);
            offset += lines.bytes.len() as u64;
        }
        ledger.checkpoint().unwrap();
    }

    #[test]
    fn an_import_seals_what_is_over_and_tells_how_far_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (data, log) = (folder.path().join("data"), folder.path().join("audit.log"));
        unsealed(&data);
        let reader = LedgerReader::open(&data).unwrap();
        assert_eq!(reader.sealed().unwrap(), 0);
        std::fs::write(&log, "one more\n").unwrap();
        let sealing = Mutex::new(Vec::new());
        let source = "c/n/file".parse().unwrap();
        import(&data, &source, &[Input::File(log)], false, &|progress| {
            if let Progress::Sealing(done, all) = progress {
                sealing.lock().unwrap().push((done, all));
            }
        })
        .unwrap();
        let sealing = sealing.into_inner().unwrap();
        assert!(sealing.len() > 3 && sealing.is_sorted(), "{sealing:?}");
        let (done, all) = sealing.last().unwrap();
        assert!(done == all && *all > 0);
        // All but the segment at hand.
        assert!(reader.sealed().unwrap() > 60, "{}", reader.sealed().unwrap());
        assert!(verify(&data, &VerifyOptions::default(), &mut |_, _| {}).unwrap().intact);
    }
}
