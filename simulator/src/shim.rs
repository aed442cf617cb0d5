//! An override of libc's `getrandom`, so that what reads entropy behind our back (hash seeds of std and ahash,
//! tokio's select order) follows the run's seed. Unseeded, it asks the kernel, as before: TLS keys stay secret.
#![allow(unsafe_code, reason = "the symbol that libc exports takes a raw buffer")]

use std::cell::Cell;

thread_local! {
    /// This thread's stream, once it is seeded.
    static STREAM: Cell<Option<Stream>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Stream {
    seed: u64,
    draws: u64,
}

/// From now on this thread draws from a stream of `seed`. A run calls it first thing on its fresh thread; other
/// threads (a TLS socket's, say) still ask the kernel.
pub fn seed_this_thread(seed: u64) {
    STREAM.set(Some(Stream { seed, draws: 0 }));
}

/// The seed of this thread's next draw; None where the thread is not seeded or is ending.
fn next_draw() -> Option<u64> {
    let advance = |cell: &Cell<Option<Stream>>| {
        let stream = cell.get()?;
        cell.set(Some(Stream {
            draws: stream.draws.wrapping_add(1),
            ..stream
        }));
        Some(stream.seed ^ stream.draws.wrapping_mul(0xd134_2543_de82_ef95))
    };
    STREAM.try_with(advance).ok().flatten()
}

/// What libc exports under this name; see getrandom(2).
///
/// # Safety
/// `buffer` must be writable for `len` bytes, as the C contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut libc::c_void, len: libc::size_t, flags: libc::c_uint) -> libc::ssize_t {
    let Some(draw) = next_draw() else {
        // SAFETY: the arguments are passed on as they came; the kernel checks the buffer.
        let written = unsafe { libc::syscall(libc::SYS_getrandom, buffer, len, flags) };
        return libc::ssize_t::try_from(written).unwrap_or(-1);
    };
    if len == 0 {
        return 0;
    }
    // SAFETY: the caller promises `len` writable bytes at `buffer`, and len > 0.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), len) };
    fill(bytes, draw);
    libc::ssize_t::try_from(len).unwrap_or(libc::ssize_t::MAX)
}

/// SplitMix64 from `state`.
fn fill(bytes: &mut [u8], mut state: u64) {
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        for (byte, value) in chunk.iter_mut().zip(word.to_le_bytes()) {
            *byte = value;
        }
    }
}
