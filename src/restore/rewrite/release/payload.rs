//! Maps the JSON of a Helm release: what changes is replaced in its text, and every other byte
//! stays. Pure.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::manifest::TOO_LARGE;
use super::manifest::{self, LARGEST};
use crate::restore::rewrite::namespaces::NamespaceMap;

/// The reason why a payload that Helm did not write is left alone.
pub(super) const NOT_A_RELEASE: &str = "it is not the JSON of a release";

/// The parts of a release that name namespaces, as slices of the text.
#[derive(Deserialize)]
struct Release<'a> {
    #[serde(borrow, default)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow, default)]
    config: Option<&'a RawValue>,
    #[serde(borrow, default)]
    manifest: Option<&'a RawValue>,
    #[serde(borrow, default)]
    hooks: Option<Manifests<'a>>,
}

#[derive(Deserialize)]
struct Hook<'a> {
    #[serde(borrow, default)]
    manifest: Option<&'a RawValue>,
}

/// The manifests of the hooks; nothing is kept of hooks without one, however many there are.
struct Manifests<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Manifests<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hooks;

        impl<'de> Visitor<'de> for Hooks {
            type Value = Manifests<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of hooks")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut hooks: A) -> Result<Self::Value, A::Error> {
                let mut manifests = Vec::new();
                while let Some(hook) = hooks.next_element::<Hook<'de>>()? {
                    manifests.extend(hook.manifest);
                }
                Ok(Manifests(manifests))
            }
        }

        deserializer.deserialize_seq(Hooks)
    }
}

/// Maps the namespace and the manifests of a release. Returns the new JSON (`None` if nothing
/// changes), and a mapped namespace that is one of the values (`None` if none is).
pub(super) fn map(json: &str, map: &NamespaceMap) -> Result<(Option<String>, Option<String>), &'static str> {
    let release: Release<'_> = serde_json::from_str(json).map_err(|_| NOT_A_RELEASE)?;
    let mut changes = Vec::new();
    if let Some(raw) = release.namespace {
        let old = text(raw)?;
        if map.map(&old) != old {
            changes.push((raw.get(), literal(map.map(&old))?));
        }
    }
    for raw in release.manifest.into_iter().chain(release.hooks.into_iter().flat_map(|hooks| hooks.0)) {
        if let Some(mapped) = manifest::map(&text(raw)?, map)? {
            changes.push((raw.get(), literal(&mapped)?));
        }
    }
    let in_values = release.config.and_then(|values| named(values.get(), map));
    let json = if changes.is_empty() { None } else { Some(replace(json, changes)?) };
    Ok((json, in_values.map(str::to_owned)))
}

fn text(raw: &RawValue) -> Result<String, &'static str> {
    serde_json::from_str(raw.get()).map_err(|_| NOT_A_RELEASE)
}

fn literal(text: &str) -> Result<String, &'static str> {
    serde_json::to_string(text).map_err(|_| NOT_A_RELEASE)
}

/// Replaces parts of `json` by new text.
fn replace(json: &str, mut changes: Vec<(&str, String)>) -> Result<String, &'static str> {
    changes.sort_unstable_by_key(|(part, _)| part.as_ptr().addr());
    let mut replaced = String::with_capacity(json.len());
    let mut kept = 0;
    for (part, new) in changes {
        let begin = part.as_ptr().addr().saturating_sub(json.as_ptr().addr());
        replaced.push_str(json.get(kept..begin).ok_or(NOT_A_RELEASE)?);
        replaced.push_str(&new);
        kept = begin + part.len();
    }
    replaced.push_str(json.get(kept..).ok_or(NOT_A_RELEASE)?);
    if replaced.len() > LARGEST { Err(TOO_LARGE) } else { Ok(replaced) }
}

/// Returns a text in `values` that is a mapped namespace, or `None`. Keys do not count, and a
/// namespace's name needs no escapes.
fn named<'a>(values: &'a str, map: &NamespaceMap) -> Option<&'a str> {
    let mut rest = values;
    while let Some((_, literal)) = rest.split_once('"') {
        let (text, after) = literal.split_at(end_of(literal)?);
        rest = after.strip_prefix('"')?;
        if map.map(text) != text && !rest.trim_start().starts_with(':') {
            return Some(text);
        }
    }
    None
}

/// Returns the position of the quote that ends a text, or `None`.
fn end_of(literal: &str) -> Option<usize> {
    let mut escaped = false;
    literal.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}
