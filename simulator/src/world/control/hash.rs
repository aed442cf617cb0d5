//! Stable hashes of pod templates, spelt in Kubernetes' safe alphabet.
//!
//! Must not know: what the hash names. The real hash is taken over Go's memory layout and cannot be had here; any stable
//! hash does, because names that contain it are never computed by clients.

use serde_json::Value;

/// FNV-1a, 32 bits, of one JSON value (and a collision count), as text that is safe in names: `k8s.io/apimachinery`'s
/// `SafeEncodeString` of the decimal number.
#[must_use]
pub fn template_hash(template: &Value, collisions: Option<i64>) -> String {
    let mut hash = Fnv(0x811c_9dc5);
    hash.value(template, 0);
    if let Some(collisions) = collisions {
        hash.bytes(&collisions.to_le_bytes());
    }
    safe(&hash.0.to_string())
}

/// Replaces each character by one of the safe alphabet.
fn safe(text: &str) -> String {
    const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let pick = |byte: u8| {
        let index = usize::from(byte) % SAFE.len();
        char::from(SAFE.get(index).copied().unwrap_or(b'b'))
    };
    text.bytes().map(pick).collect()
}

/// Deeper than any schema that the API server accepts; what is below does not count.
const MAX_DEPTH: u32 = 128;

struct Fnv(u32);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }

    fn value(&mut self, value: &Value, depth: u32) {
        if depth > MAX_DEPTH {
            return;
        }
        match value {
            Value::Null => self.bytes(b"n"),
            Value::Bool(yes) => self.bytes(if *yes { b"t" } else { b"f" }),
            Value::Number(number) => self.bytes(number.to_string().as_bytes()),
            Value::String(text) => {
                self.bytes(b"\"");
                self.bytes(text.as_bytes());
                self.bytes(b"\0");
            }
            Value::Array(items) => {
                self.bytes(b"[");
                items.iter().for_each(|item| self.value(item, depth + 1));
                self.bytes(b"]");
            }
            Value::Object(map) => {
                self.bytes(b"{");
                let mut keys: Vec<&String> = map.keys().collect();
                keys.sort_unstable();
                for key in keys {
                    self.bytes(key.as_bytes());
                    self.bytes(b"\0");
                    if let Some(value) = map.get(key) {
                        self.value(value, depth + 1);
                    }
                }
                self.bytes(b"}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differs_with_content_and_collisions_only() {
        let one = json!({"spec": {"a": 1, "b": "x"}});
        let same = json!({"spec": {"b": "x", "a": 1}});
        let other = json!({"spec": {"b": "y", "a": 1}});
        assert_eq!(template_hash(&one, None), template_hash(&same, None));
        assert_ne!(template_hash(&one, None), template_hash(&other, None));
        assert_ne!(template_hash(&one, None), template_hash(&one, Some(1)));
        assert_eq!(safe("0123456789"), "456789bcdf");
    }
}
