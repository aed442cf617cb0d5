//! The wire format of protobuf: tags, varints, lengths. Reads no further than the body goes.
//!
//! Its complaints are worded as the real server's decoder words them.

/// One field's value on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Reads fields one after the other.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

const SHORT: &str = "unexpected EOF";

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field's number and value; None at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Wire<'a>)>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        if number == 0 {
            return Err(format!("proto: illegal tag 0 (wire type {wire_type})"));
        }
        let wire = match wire_type {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| SHORT)?;
                Wire::Bytes(self.take(len)?)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.array()?)),
            // Groups (3 and 4) are not used by Kubernetes; 6 and 7 do not exist.
            other => return Err(format!("proto: illegal wireType {other}")),
        };
        Ok(Some((number, wire)))
    }

    /// Numbers of a packed list, which follow each other without tags; None at the end.
    pub(super) fn packed(&mut self) -> Result<Option<Wire<'a>>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.varint().map(|number| Some(Wire::Varint(number)))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| SHORT.to_owned())
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("proto: integer overflow".into())
    }
}

impl<'a> Wire<'a> {
    /// The complaint on a value of another type than the field's.
    pub(super) fn unexpected(&self, field: &str) -> String {
        let wire_type = match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Fixed32(_) => 5,
        };
        format!("proto: wrong wireType = {wire_type} for field {}", go_name(field))
    }

    pub(super) fn bytes(&self, field: &str) -> Result<&'a [u8], String> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(self.unexpected(field)),
        }
    }

    pub(super) fn text(&self, field: &str) -> Result<&'a str, String> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| format!("proto: field {} is not UTF-8", go_name(field)))
    }

    /// Signed numbers are sent as they are, in two's complement.
    pub(super) fn integer(&self, field: &str) -> Result<i64, String> {
        match self {
            Self::Varint(value) => Ok(value.cast_signed()),
            _ => Err(self.unexpected(field)),
        }
    }

    pub(super) fn float(&self, field: &str) -> Result<f64, String> {
        match self {
            Self::Fixed64(bits) => Ok(f64::from_bits(*bits)),
            Self::Fixed32(bits) => Ok(f64::from(f32::from_bits(*bits))),
            _ => Err(self.unexpected(field)),
        }
    }
}

/// The Go name of a field, near enough for a complaint.
fn go_name(field: &str) -> String {
    if field == "metadata" {
        return "ObjectMeta".into();
    }
    let mut letters = field.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect()
}
