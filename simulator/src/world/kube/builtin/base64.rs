//! Standard base64 (RFC 4648 section 4), as Secrets and certificates carry it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text of `bytes`, padded.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_usize {
            let shown = place <= chunk.len();
            let index = usize::try_from(word >> (18 - 6 * place) & 63).unwrap_or(0);
            let letter = ALPHABET.get(index).copied().unwrap_or(b'=');
            out.push(char::from(if shown { letter } else { b'=' }));
        }
    }
    out
}

/// How many bytes a padded text decodes to; None when it is not base64.
#[must_use]
pub fn decoded_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let body = text.trim_end_matches('=').len();
    let padding = bytes.len() - body;
    let letters = bytes.iter().take(body).all(|byte| ALPHABET.contains(byte));
    (letters && bytes.len().is_multiple_of(4) && padding <= 2).then(|| bytes.len() / 4 * 3 - padding)
}

/// The bytes of a padded text; None when it is not base64.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    decoded_len(text)?;
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut bits) = (0_u32, 0_u32);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        word = (word << 6 | u32::try_from(value).ok()?) & 0x00ff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(word >> bits & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_and_measures() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(encode(text.as_bytes()), encoded);
            assert_eq!(decoded_len(encoded), Some(text.len()));
            assert_eq!(decode(encoded).as_deref(), Some(text.as_bytes()));
        }
        for bad in ["Zg=", "Z", "Zg==Zg==", "é===", "Zm9 v"] {
            assert_eq!(decoded_len(bad), None, "{bad}");
        }
    }
}
