//! The index: a header line, then one JSON line for each item, each frame's line behind its items;
//! zstd over it all.
//!
//! The first key of a line tells its sort. `encode` writes, `decode` reads.

mod decode;
mod encode;
mod labels;
mod lines;
mod order;

pub use decode::IndexDecoder;
pub use encode::IndexEncoder;
pub(super) use labels::LabelText;
pub use lines::{FORMAT, IndexFrame, IndexHeader, IndexItem, IndexLine, IndexedResource};

use lines::HeaderLine;

/// Serde form of 64 bits as 16 hexadecimal digits: JSON numbers lose bits in many readers.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(hash: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{hash:016x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(D::Error::custom("a hash has 16 hexadecimal digits"));
        }
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}
