//! What controls answered lately: a page of a control asks what the page of all controls has asked already.
//!
//! An answer says as of which leaf it is, so one that is a minute old is no wrong one.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use query::controls::Evaluation;

/// So long an answer is given again, though there are lines that came since.
const FRESH: Duration = Duration::from_secs(60);
/// Answers that are remembered: some MB each, of a year of exceptions.
const KEPT: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// What makes two questions the same: the period in words, the registers, and which controls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) period: String,
    pub(crate) registers: Vec<(&'static str, Option<String>)>,
    pub(crate) only: Vec<String>,
}

/// Answers that are remembered.
#[derive(Clone)]
pub(crate) struct Evaluations(Arc<Mutex<LruCache<Key, Asked>>>);

/// When it was asked, and the answer.
type Asked = (Instant, Arc<Evaluation>);

impl Default for Evaluations {
    fn default() -> Evaluations {
        Evaluations(Arc::new(Mutex::new(LruCache::new(KEPT))))
    }
}

impl Evaluations {
    /// Returns an answer that holds at this leaf over the same time, or is not much older; else asks. All controls' answer has
    /// each one's.
    ///
    /// # Errors
    /// What `ask` returns.
    pub(crate) fn get_or<E>(
        &self,
        key: Key,
        now: (u64, Option<i64>, Option<i64>),
        ask: impl FnOnce() -> Result<Evaluation, E>,
    ) -> Result<Evaluation, E> {
        let whole = self.get(&Key { only: Vec::new(), ..key.clone() }, now);
        let known = match whole.or_else(|| self.get(&key, now)) {
            Some(known) => known,
            None => {
                let answer = Arc::new(ask()?);
                let entry = (Instant::now(), answer.clone());
                self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key.clone(), entry);
                answer
            }
        };
        let mut evaluation = Evaluation::clone(&known);
        evaluation
            .findings
            .retain(|finding| key.only.is_empty() || key.only.contains(&finding.control));
        Ok(evaluation)
    }

    fn get(&self, key: &Key, now: (u64, Option<i64>, Option<i64>)) -> Option<Arc<Evaluation>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, known) = all.get(key)?;
        let is_same = (known.leaf, known.from, known.to) == now;
        (is_same || asked.elapsed() < FRESH).then(|| known.clone())
    }
}
