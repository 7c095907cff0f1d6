//! One page of a list: the body as it arrived, and the positions of its items. Pure.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::buffers::Buffers;

/// One page of a list.
///
/// Items of kinds that the API server itself serves come without `apiVersion` and `kind`.
#[derive(Clone, Debug)]
pub struct Page {
    /// The body of the answer.
    body: Bytes,
    /// The pool to which the memory of the body returns.
    home: Option<Buffers>,
    /// The positions of the items in the body; each is one JSON object from `{` to `}`.
    pub items: Vec<Range<usize>>,
    /// The revision of the list, as the server says.
    pub revision: String,
    /// Whether another page follows.
    pub remaining: bool,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    metadata: ListMetadata,
    /// Go writes an empty list as null; without the field the answer is no list.
    #[serde(borrow, deserialize_with = "Option::deserialize")]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListMetadata {
    resource_version: String,
    r#continue: Option<String>,
}

impl ListMetadata {
    /// Returns the continue token, or `None` at the end of the list.
    pub fn token(self) -> Option<String> {
        self.r#continue.filter(|token| !token.is_empty())
    }
}

#[derive(Deserialize)]
struct Named {
    metadata: ItemName,
}

#[derive(Deserialize)]
struct ItemName {
    name: String,
    namespace: Option<String>,
}

/// Returns true if the answer to a LIST says only that the caller may create: the kind is one of
/// requests, of which nothing is stored.
fn is_permission(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        kind: String,
        status: String,
    }
    serde_json::from_slice::<Answer>(body)
        .is_ok_and(|answer| answer.kind == "Status" && answer.status == "Success")
}

impl Page {
    /// Finds the items. Returns the page and the token of the next page.
    pub(super) fn read(body: Bytes) -> Result<(Self, Option<String>), serde_json::Error> {
        let Envelope { metadata, items: raw } = match serde_json::from_slice(&body) {
            Ok(envelope) => envelope,
            Err(_) if is_permission(&body) => Envelope { metadata: ListMetadata::default(), items: None },
            Err(error) => return Err(error),
        };
        let start = body.as_ptr() as usize;
        let mut items = Vec::new();
        for item in raw.unwrap_or_default() {
            let item = item.get();
            if !item.starts_with('{') {
                return Err(serde::de::Error::custom("an item of the list is no object"));
            }
            let at = item.as_ptr() as usize - start;
            items.push(at..at + item.len());
        }
        let revision = metadata.resource_version.clone();
        let token = metadata.token();
        let page = Self { body, home: None, items, revision, remaining: token.is_some() };
        Ok((page, token))
    }

    /// Returns the size of the body in bytes.
    pub(super) fn size(&self) -> usize {
        self.body.len()
    }

    /// Returns the memory of the body to `buffers` once the page is dropped.
    pub(super) fn recycle_into(&mut self, buffers: &Buffers) {
        self.home = Some(buffers.clone());
    }

    /// Returns the bytes of one item; empty if there is no such item.
    pub fn item(&self, index: usize) -> &[u8] {
        self.items.get(index).and_then(|range| self.body.get(range.clone())).unwrap_or_default()
    }

    /// Yields the bytes of each item, in order.
    pub fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.items.len()).map(|index| self.item(index))
    }

    /// Returns one item as a share of the page's allocation, which lives as long as the item.
    pub fn share(&self, index: usize) -> Bytes {
        self.items.get(index).map_or_else(Bytes::new, |range| self.body.slice(range.clone()))
    }

    /// Returns the place of an item in etcd's order: `namespace/name`, or the name alone.
    pub(super) fn place(&self, index: usize) -> Result<String, serde_json::Error> {
        let Named { metadata } = serde_json::from_slice(self.item(index))?;
        Ok(match metadata.namespace {
            Some(namespace) => format!("{namespace}/{}", metadata.name),
            None => metadata.name,
        })
    }

    /// Removes the items up to and including a place; in etcd's order these are the first ones.
    pub(super) fn skip_to(&mut self, last: &str) -> Result<(), serde_json::Error> {
        let mut skipped = 0;
        while skipped < self.items.len() && self.place(skipped)?.as_str() <= last {
            skipped += 1;
        }
        self.items.drain(..skipped);
        Ok(())
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.give_back(std::mem::take(&mut self.body));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> Result<(Page, Option<String>), serde_json::Error> {
        Page::read(Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn items_are_slices_of_the_body_exactly() {
        let body = r#"{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"t"},
            "items":[ {"a":"}]\"{"} ,{"metadata":{"name":"b"}, "x":[{}]}]}"#;
        let (page, token) = page(body).unwrap();
        assert_eq!(page.item(0), br#"{"a":"}]\"{"}"#);
        assert_eq!(page.item(1), br#"{"metadata":{"name":"b"}, "x":[{}]}"#);
        assert_eq!(page.share(1).as_ptr(), page.item(1).as_ptr());
        assert_eq!((page.item(2), &*page.revision, page.remaining), (&b""[..], "7", true));
        assert_eq!(token.as_deref(), Some("t"));
    }

    #[test]
    fn an_empty_list_is_written_as_null_or_as_empty() {
        for items in ["null", "[]"] {
            let (page, token) =
                page(&format!(r#"{{"metadata":{{"continue":""}},"items":{items}}}"#)).unwrap();
            assert!(page.items.is_empty() && !page.remaining && token.is_none());
        }
    }

    #[test]
    fn a_success_without_a_list_is_a_list_of_nothing() {
        let (page, token) =
            page(r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}"#).unwrap();
        assert!(page.items.is_empty() && token.is_none());
    }

    #[test]
    fn what_is_no_list_of_objects_is_refused() {
        for body in [
            r#"{"kind":"Status","metadata":{},"status":"Failure","code":500}"#,
            r#"{"kind":"Pod","metadata":{}}"#,
            r#"{"items":["x"]}"#,
            r#"{"items":[{}]"#,
            "<html>",
            "[]",
            "\u{0}",
        ] {
            assert!(page(body).is_err(), "{body}");
        }
    }

    #[test]
    fn items_up_to_a_place_are_skipped_in_the_order_of_etcd() {
        let item = |namespace: &str| format!(r#"{{"metadata":{{"name":"x","namespace":"{namespace}"}}}}"#);
        // `a-b/x` is before `a/x`: a hyphen is before a slash.
        let body = format!(r#"{{"items":[{},{},{}]}}"#, item("a-b"), item("a"), item("b"));
        let (mut page, _) = page(&body).unwrap();
        page.skip_to("a-b/x").unwrap();
        assert_eq!(page.items.len(), 2);
        page.skip_to("a/x").unwrap();
        assert_eq!(page.place(0).unwrap(), "b/x");
    }
}
