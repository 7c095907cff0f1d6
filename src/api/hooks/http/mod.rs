//! A request, and the answer that it waits for. Pure.
//!
//! `shape` has the fields, `check` what is wrong with them.

mod check;
mod shape;

pub use shape::{
    BasicAuth, HttpAction, HttpExpectation, HttpHeader, HttpMethod, HttpPoll, HttpScheme, HttpService,
    HttpVerdict, SecretValue,
};
