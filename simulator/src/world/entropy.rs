//! The world's only source of randomness: named, seeded streams, so that one more draw in one place
//! shifts nothing in another.

use std::sync::{Arc, Mutex, PoisonError};

/// Alphabet of Kubernetes' generated name suffixes (no vowels, no look-alikes):
/// `k8s.io/apimachinery/pkg/util/rand`.
const SUFFIX_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A seeded stream of numbers and ids. Clones share the stream; `stream` makes an independent one.
#[derive(Clone, Debug)]
pub struct Entropy {
    seed: u64,
    state: Arc<Mutex<u64>>,
}

impl Entropy {
    /// A stream that depends on `seed` alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            state: Arc::new(Mutex::new(mix(seed))),
        }
    }

    /// An independent stream for `name`; the same name always gives the same stream.
    #[must_use]
    pub fn stream(&self, name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self::new(mix(self.seed ^ hash))
    }

    /// The next 64 bits (SplitMix64).
    pub fn next_u64(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(*state)
    }

    /// A number below `bound` (0 when `bound` is 0).
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }

    /// A number in `0.0..1.0`.
    #[allow(clippy::cast_precision_loss)]
    pub fn unit(&self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A version 4 UUID, as in `metadata.uid`.
    pub fn uid(&self) -> String {
        let (high, low) = (self.next_u64(), self.next_u64());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// `len` characters of Kubernetes' suffix alphabet (5 for `generateName`).
    pub fn suffix(&self, len: usize) -> String {
        let alphabet_len = SUFFIX_ALPHABET.len() as u64;
        (0..len)
            .map(|_| {
                let index = usize::try_from(self.below(alphabet_len)).unwrap_or(0);
                char::from(SUFFIX_ALPHABET[index])
            })
            .collect()
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_ids_and_streams_are_independent() {
        let (one, two) = (Entropy::new(7), Entropy::new(7));
        assert_eq!(one.uid(), two.uid());
        let before = one.stream("pods").suffix(5);
        one.next_u64();
        assert_eq!(one.stream("pods").suffix(5), before);
        assert_ne!(Entropy::new(8).uid(), Entropy::new(7).uid());
        let uid = Entropy::new(1).uid();
        assert_eq!(uid.len(), 36);
        assert_eq!(uid.as_bytes()[14], b'4');
    }
}
