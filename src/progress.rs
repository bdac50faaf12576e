//! Progress bars: on a terminal only, on standard error.

use std::cell::RefCell;
use std::sync::OnceLock;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use ingest::pipeline::Progress;

/// The bars of a job that reads files, indexes what they hold, and seals it.
pub(crate) struct Bars {
    bars: MultiProgress,
    file_bytes: Option<u64>,
    reading: OnceLock<ProgressBar>,
    indexing: OnceLock<ProgressBar>,
    sealing: OnceLock<ProgressBar>,
}

impl Bars {
    /// Returns bars for a job over so many bytes of files; unknown for standard input.
    pub(crate) fn new(file_bytes: Option<u64>) -> Bars {
        Bars {
            bars: MultiProgress::new(),
            file_bytes,
            reading: OnceLock::new(),
            indexing: OnceLock::new(),
            sealing: OnceLock::new(),
        }
    }

    /// Shows how far the job is.
    pub(crate) fn show(&self, progress: Progress) {
        match progress {
            Progress::Reading(bytes) => {
                let bar = self
                    .reading
                    .get_or_init(|| self.bars.add(bytes_bar("reading", self.file_bytes)));
                bar.set_position(bytes);
            }
            Progress::Indexing(done, size) => {
                let bar = self.indexing.get_or_init(|| self.bars.add(count_bar("indexing")));
                bar.set_length(size);
                bar.set_position(done);
            }
            Progress::Sealing(done, bytes) => {
                let bar =
                    self.sealing.get_or_init(|| self.bars.add(bytes_bar("sealing", Some(bytes))));
                bar.set_position(done);
            }
        }
    }

    /// Takes the bars away.
    pub(crate) fn finish(&self) {
        let bars = [self.reading.get(), self.indexing.get(), self.sealing.get()];
        for bar in bars.into_iter().flatten() {
            bar.finish_and_clear();
        }
    }
}

/// Returns a bar that counts bytes; without a length it only turns.
pub(crate) fn bytes_bar(what: &'static str, length: Option<u64>) -> ProgressBar {
    let template = match length {
        Some(_) => "{msg:9} {bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{msg:9} {spinner} {bytes} {bytes_per_sec}",
    };
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.with_style(ProgressStyle::with_template(template).expect("a fixed template"))
        .with_message(what)
}

/// Returns a bar that counts leaves.
pub(crate) fn count_bar(what: &'static str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg:9} {bar:40} {human_pos}/{human_len} leaves {eta}")
            .expect("a fixed template");
    ProgressBar::new(0).with_style(style).with_message(what)
}

/// The bars of a job in steps, one after the other, each of which counts something else.
#[derive(Default)]
pub(crate) struct Steps(RefCell<Option<(&'static str, ProgressBar)>>);

impl Steps {
    /// Shows how much of a step is done.
    pub(crate) fn show(&self, step: &'static str, done: u64, all: u64) {
        if self.0.borrow().as_ref().is_none_or(|(shown, _)| *shown != step) {
            self.finish();
            let style = "{msg:9} {bar:40} {human_pos}/{human_len} {eta}";
            let style = ProgressStyle::with_template(style).expect("a fixed template");
            let bar = ProgressBar::new(all).with_style(style).with_message(step);
            self.0.replace(Some((step, bar)));
        }
        if let Some((_, bar)) = &*self.0.borrow() {
            bar.set_position(done);
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some((_, bar)) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}
