//! Controllers of requests that the server answers: downloads, and its own state.

pub mod download;
mod download_part;
pub mod server_status;
