//! The order of creates, as an API server sees it.

use super::*;

/// A Service; `address` is one that a person chose.
fn service(name: &str, address: Option<&str>) -> (&'static str, Value) {
    let applied = json!({"spec": {"clusterIP": address}}).to_string();
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": applied});
    let mut metadata = json!({"name": name, "namespace": "shop", "uid": format!("old {name}")});
    let mut spec = json!({"ports": [{"port": 80}]});
    if let Some(address) = address {
        metadata["annotations"] = annotations;
        spec["clusterIP"] = address.into();
    }
    ("services", json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}))
}

fn template(number: usize) -> (&'static str, Value) {
    let metadata =
        json!({"name": format!("t{number}"), "namespace": "shop", "uid": format!("old t{number}")});
    ("podtemplates", json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata}))
}

/// Returns the order in which such items were made.
async fn order(items: Items) -> (Vec<String>, Came) {
    let made = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&made);
    let cluster = keep(Objects::new(), move |asked, _| {
        if asked.method == "POST" {
            let object: Value = serde_json::from_str(&asked.body).unwrap();
            noted.lock().unwrap().push(object["metadata"]["name"].as_str().unwrap().to_owned());
        }
        None
    });
    let came = restore_into(&cluster, items).await;
    let made = made.lock().unwrap().clone();
    (made, came)
}

#[tokio::test(start_paused = true)]
async fn a_service_that_asks_for_an_address_is_made_before_those_that_take_any() {
    let templates = (0..400).map(template);
    let takers = (0..20).map(|number| service(&format!("w{number:02}"), None));
    let items: Items = ([namespace("shop")].into_iter().chain(templates))
        .chain(takers)
        .chain([service("zz", Some("10.0.0.9"))])
        .collect();
    let (made, came) = order(items).await;
    assert!(came.findings.is_empty(), "{:?}", came.findings);
    let services: Vec<&String> = made.iter().filter(|name| name.starts_with(['w', 'z'])).collect();
    assert_eq!((services.len(), services[0].as_str()), (21, "zz"), "{made:?}");
}
