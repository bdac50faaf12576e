//! Random changes of real input, the same for the same seed.

/// Xorshift: not good at much, but at this.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`, which is above 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Bytes that mean something to JSON, notes or frames.
const TELLING: [&[u8]; 14] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"\\u0000",
    b"\n",
    b"\n\n",
    b"null",
    b"-1",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\xe2\x80\x94 ",
    b"=",
    b"{\"type\":\"request\"}",
];

/// Changes some bytes of one of the inputs, perhaps with parts of another one.
pub(super) fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let length = input.len();
        let at = random.below(length + 1);
        let end = at + random.below(length - at + 1).min(200);
        match random.below(7) {
            0 if at < length => input[at] ^= 1 << random.below(8),
            1 if at < length => input[at] = random.next() as u8,
            2 => drop(input.drain(at..end)),
            3 => {
                let part = input[at..end].to_vec();
                drop(input.splice(at..at, part));
            }
            4 => {
                let telling = TELLING[random.below(TELLING.len())];
                drop(input.splice(at..at, telling.iter().copied()));
            }
            5 => input.truncate(at),
            _ => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let to = from + random.below(other.len() - from + 1);
                drop(input.splice(at..end, other[from..to].iter().copied()));
            }
        }
    }
    input
}
