//! MongoDB's wire protocol, as far as drivers of today speak it: OP_MSG.

use std::io::{Error, Result};

use mongodb::bson::Document;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const OP_MSG: i32 = 2013;
/// Four numbers: length, id, the id that is answered, kind.
const HEADER: usize = 16;
/// Header, flags, and the kind of the first section, which holds the command.
const BODY: usize = HEADER + 4 + 1;

/// A message as it came.
pub struct Message {
    /// All of it, to be passed on.
    pub bytes: Vec<u8>,
}

impl Message {
    /// Reads a message.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self> {
        let mut bytes = vec![0; 4];
        stream.read_exact(&mut bytes).await?;
        let length = usize::try_from(number(&bytes, 0)).unwrap_or_default();
        if length < BODY {
            return Err(Error::other("a message without a body"));
        }
        bytes.resize(length, 0);
        stream.read_exact(&mut bytes[4..]).await?;
        if number(&bytes, 12) != OP_MSG {
            return Err(Error::other("not an OP_MSG"));
        }
        Ok(Self { bytes })
    }

    /// Returns the command, without documents that were sent beside it.
    pub fn command(&self) -> Document {
        Document::from_reader(&self.bytes[BODY..]).expect("a command is BSON")
    }

    /// Returns the answer to this message.
    pub fn answer(&self, body: &Document) -> Self {
        let body = body.to_vec().expect("an answer is BSON");
        let length = i32::try_from(BODY + body.len()).expect("a short answer");
        let mut bytes = Vec::new();
        for value in [length, 0, number(&self.bytes, 4), OP_MSG, 0] {
            bytes.extend(value.to_le_bytes());
        }
        bytes.push(0);
        bytes.extend(body);
        Self { bytes }
    }

    /// Sends the message.
    pub async fn write(&self, stream: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
        stream.write_all(&self.bytes).await?;
        stream.flush().await
    }
}

fn number(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
