//! Large buffers that go round. Each batch of an import is read into some MiB, and read back from the ledger into as many. An allocator
//! gives such memory back to the kernel when it has been free for a while, and the kernel clears it before it is
//! there again, which took longer than reading the file.

use std::sync::{Mutex, PoisonError};

/// The buffers that wait for whoever needs one.
static SPARE: Spare = Spare(Mutex::new(Vec::new()));

struct Spare(Mutex<Vec<Vec<u8>>>);

/// So many wait at most: one is being read into, one is being read back.
const SPARE_MAX: usize = 4;

/// Smaller ones are what an allocator is quick at; larger ones, of lines of many MiB, are not worth keeping.
const BYTES: std::ops::RangeInclusive<usize> = 256 << 10..=8 << 20;

/// Buffers of about the same length are to serve for each other.
const STEP: usize = 64 << 10;

/// Returns an empty buffer in which there is room for so many bytes.
pub(crate) fn buffer(bytes: usize) -> Vec<u8> {
    SPARE.buffer(bytes)
}

/// Takes a buffer that nobody needs any more.
pub(crate) fn give_back(buffer: Vec<u8>) {
    SPARE.give_back(buffer);
}

impl Spare {
    fn buffer(&self, bytes: usize) -> Vec<u8> {
        if !BYTES.contains(&bytes) {
            return Vec::with_capacity(bytes);
        }
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match spare.iter().position(|buffer| buffer.capacity() >= bytes) {
            Some(at) => spare.swap_remove(at),
            None => Vec::with_capacity(bytes.next_multiple_of(STEP)),
        }
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        if BYTES.contains(&buffer.capacity()) {
            buffer.clear();
            let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < SPARE_MAX {
                spare.push(buffer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_round_and_few_wait() {
        let spare = Spare(Mutex::new(Vec::new()));
        for bytes in [0, 1_000, *BYTES.start(), 4 << 20, *BYTES.end(), 64 << 20] {
            let mut all: Vec<Vec<u8>> = (0..2 * SPARE_MAX).map(|_| spare.buffer(bytes)).collect();
            assert!(all.iter().all(|buffer| buffer.is_empty() && buffer.capacity() >= bytes));
            all.iter_mut().for_each(|buffer| buffer.resize(bytes, 7));
            all.into_iter().for_each(|buffer| spare.give_back(buffer));
        }
        let waiting = spare.0.into_inner().expect("nobody panicked");
        assert_eq!(waiting.len(), SPARE_MAX);
        assert!(
            waiting.iter().all(|buffer| buffer.is_empty() && BYTES.contains(&buffer.capacity()))
        );
    }
}
