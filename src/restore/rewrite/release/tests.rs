//! Records of Helm, made as Helm makes them.

use std::collections::BTreeMap;

use super::*;
use serde_json::json;

/// A release with its keys in Helm's order and a number that only its digits tell: nothing but the
/// mapped places may change.
const RELEASE: &str = r#"{"name":"web","info":{"status":"deployed","notes":"in shop, namespace: shop"},"chart":{"values":{"ratio":44.440400000000004,"home":"shop"}},"config":CONFIG,"manifest":"---\n# Source: web/a.yaml\nkind: Service\nmetadata:\n  namespace: shop # \u003chome\u003e\n---\nkind: Secret\nmetadata:\n  name: shop\n  namespace: \"shop\"\n","hooks":[{"name":"a","kind":"Job"},{"name":"b","manifest":"kind: Job\nmetadata:\n  namespace: shop\n","weight":1}],"version":3,"namespace":"shop"}"#;

fn release(config: &str) -> String {
    RELEASE.replace("CONFIG", config)
}

fn mapped_release(config: &str) -> String {
    let manifest = r##""---\n# Source: web/a.yaml\nkind: Service\nmetadata:\n  namespace: copy # <home>\n---\nkind: Secret\nmetadata:\n  name: shop\n  namespace: \"copy\"\n""##;
    let before = release(config);
    let (head, tail) = before.split_once(r#""manifest":"#).expect("a manifest");
    let (_, hooks) = tail.split_once(r#","hooks""#).expect("hooks");
    let hooks = hooks
        .replace(r"\n  namespace: shop\n", r"\n  namespace: copy\n")
        .replace(r#""namespace":"shop""#, r#""namespace":"copy""#);
    format!(r#"{head}"manifest":{manifest},"hooks"{hooks}"#)
}

fn record(status: &str, payload: &str) -> Value {
    json!({"metadata": {"name": "sh.helm.release.v1.web.v3", "labels": {"owner": "helm", "name": "web", "status": status}}, "data": {"release": payload}})
}

fn map() -> NamespaceMap {
    NamespaceMap::new(&BTreeMap::from([("shop".to_owned(), "copy".to_owned())]))
}

/// Returns the item as it is restored, and the warnings.
fn rewritten(kind: &str, namespace: &str, mut item: Value) -> (Value, Vec<String>) {
    let mut warnings = Vec::new();
    rewrite(&GroupResource::parse(kind), Some(namespace), &mut item, &map(), &mut warnings);
    (item, warnings)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("written");
    gzip.finish().expect("finished")
}

fn base64(bytes: &[u8]) -> String {
    to_base64(bytes.to_vec()).expect("base64")
}

#[test]
fn a_record_of_either_driver_is_mapped_in_its_layers_and_nothing_else_in_it_changes() {
    for (kind, layers) in [("secrets", 2), ("configmaps", 1)] {
        let payload = pack(&release("{}"), layers).expect("packed");
        let (item, warnings) = rewritten(kind, "shop", record("deployed", &payload));
        assert_eq!(warnings, [""; 0], "{kind}");
        let payload = shape::text(&item, &PAYLOAD).expect("a payload");
        let mut bytes = from_base64(payload).expect("base64");
        if layers == 2 {
            bytes = from_base64(str::from_utf8(&bytes).expect("text")).expect("base64 in base64");
        }
        assert_eq!(bytes.get(..3), Some(&[0x1f, 0x8b, 8][..]), "{kind}: by this Helm knows gzip");
        assert_eq!(unpack(payload, layers).expect("read"), mapped_release("{}"), "{kind}");
        assert_eq!(rewritten(kind, "shop", item.clone()).0, item, "{kind}: there is nothing left to map");
    }
}

#[test]
fn a_record_without_its_label_is_known_by_its_type() {
    let mut item = record("deployed", &pack(&release("null"), 2).expect("packed"));
    item["type"] = json!(RECORD_TYPE);
    shape::remove_keys(&mut item, &["metadata"], &["labels"]);
    let (item, _) = rewritten("secrets", "shop", item);
    assert_eq!(
        unpack(shape::text(&item, &PAYLOAD).expect("there"), 2).expect("read"),
        mapped_release("null")
    );
}

#[test]
fn only_values_that_are_a_mapped_namespace_are_told_and_of_the_newest_record() {
    for (config, status, told) in [
        (r#"{"a":[{"namespace":"shop"}]}"#, "deployed", 1),
        (r#"{"a":[{"namespace": "shop" }]}"#, "failed", 1),
        (r#"{"a":"shop"}"#, "superseded", 0),
        (r#"{"shop":{"shop" : "x\"shop","b":"\\","c":"a shop"}}"#, "deployed", 0),
        (r#"{"b":"\\","c":"shop"}"#, "deployed", 1),
        ("null", "deployed", 0),
    ] {
        let payload = pack(&release(config), 1).expect("packed");
        let (item, warnings) = rewritten("configmaps", "shop", record(status, &payload));
        assert_eq!(warnings.len(), told, "{config} {status}: {warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains("`shop`") && warning.contains("`copy`")));
        let payload = shape::text(&item, &PAYLOAD).expect("a payload");
        assert_eq!(unpack(payload, 1).expect("read"), mapped_release(config));
    }
}

#[test]
fn a_payload_that_cannot_be_read_stays_and_is_told_where_its_namespace_is_mapped() {
    let truncated = {
        let whole = gzip(release("{}").as_bytes());
        whole.get(..whole.len() / 2).expect("half").to_vec()
    };
    let deep = format!(r#"{{"hooks":{}"#, "[".repeat(100_000));
    for (payload, why) in [
        ("***".to_owned(), "not base64"),
        (base64(b"no gzip"), "not gzip"),
        (String::new(), "not gzip"),
        (base64(&truncated), "not gzip"),
        (base64(&gzip(b"\xff")), "not the JSON"),
        (base64(&gzip(b"null")), "not the JSON"),
        (base64(&gzip(b"{\"namespace\":[]}")), "not the JSON"),
        (base64(&gzip(b"{\"hooks\":[3]}")), "not the JSON"),
        (base64(&gzip(b"{\"namespace\":\"shop\",\"namespace\":\"shop\"}")), "not the JSON"),
        (base64(&gzip(deep.as_bytes())), "not the JSON"),
    ] {
        let item = record("deployed", &payload);
        let (after, warnings) = rewritten("configmaps", "shop", item.clone());
        assert_eq!(after, item);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains(why)), "{why}: {warnings:?}");
        assert_eq!(rewritten("configmaps", "other", item.clone()), (item, Vec::new()));
    }
    let bare = json!({"metadata": {"name": "sh.helm.release.v1.web.v3"}, "type": RECORD_TYPE, "data": {"release": 3}});
    let (after, warnings) = rewritten("secrets", "shop", bare.clone());
    assert_eq!((after, warnings.len()), (bare, 1));
}

#[test]
fn a_payload_that_unfolds_to_more_than_the_bound_is_not_read_to_its_end() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..(LARGEST >> 20) + 1 {
        bomb.write_all(&zeros).expect("written");
    }
    let mut bomb = bomb.finish().expect("finished");
    // A reader that goes on past the bound finds that this is no gzip.
    bomb.extend_from_slice(b"damaged");
    let item = record("deployed", &base64(&bomb));
    let (after, warnings) = rewritten("configmaps", "shop", item.clone());
    assert_eq!(after, item);
    assert!(
        warnings.len() == 1 && warnings.iter().all(|warning| warning.contains(super::manifest::TOO_LARGE)),
        "{warnings:?}"
    );
}

#[test]
fn a_manifest_that_grows_beyond_the_bound_is_left_as_it_is() {
    let line = "namespace: a\\n";
    let json = format!(r#"{{"namespace":"a","manifest":"{}"}}"#, line.repeat(LARGEST / 40));
    let map = NamespaceMap::new(&BTreeMap::from([("a".to_owned(), "b".repeat(63))]));
    assert_eq!(payload::map(&json, &map), Err(super::manifest::TOO_LARGE));
}

#[test]
fn what_is_no_record_of_helm_is_left_alone() {
    let payload = pack(&release("{}"), 1).expect("packed");
    let record = record("deployed", &payload);
    let mut named_otherwise = record.clone();
    named_otherwise["metadata"]["name"] = json!("web");
    let mut of_nobody = record.clone();
    of_nobody["metadata"]["labels"] = json!({});
    for (kind, item) in
        [("widgets.example.com", record), ("configmaps", named_otherwise), ("configmaps", of_nobody)]
    {
        assert_eq!(rewritten(kind, "shop", item.clone()), (item, Vec::new()), "{kind}");
    }
}
