//! `ark backup contents`: the items of a backup in a folder, filtered, in every format.

use crate::fixture::Fixture;

/// Filters by namespace, kind and label; one that matches nothing is told on standard error.
#[test]
fn contents_are_listed_whole_or_filtered_in_every_format() {
    let fixture = Fixture::new();
    says!(fixture.command(&["backup", "contents", "monday"]), @r"
        exit 0
        --- stdout
        KIND         NAMESPACE                     BYTES   NAME
        namespaces   -                               227   default
        namespaces   -                               235   kube-system
        namespaces   -                               221   shop
        secrets      shop                            205   login
        configmaps   shop                            217   settings
        configmaps   shop                            203   prices
        --- stderr
    ");
    let shop =
        ["backup", "contents", "monday", "--include-namespaces", "shop", "--include-resources", "cm,secret"];
    let of = |format: &'static str| fixture.command(&[&shop[..], &["-o", format]].concat());
    says!(of("name"), @r"
        exit 0
        --- stdout
        secrets shop/login
        configmaps shop/settings
        configmaps shop/prices
        --- stderr
    ");
    says!(of("wide"), @r"
        exit 0
        --- stdout
        KIND         NAMESPACE                     BYTES   UID                                    NAME
        secrets      shop                            205   [uuid]   login
        configmaps   shop                            217   [uuid]   settings
        configmaps   shop                            203   [uuid]   prices
        --- stderr
    ");
    says!(of("json"), @r#"
        exit 0
        --- stdout
        {"bytes":205,"kind":"secrets","labels":{"app":"login"},"name":"login","namespace":"shop","uid":"[uuid]"}
        {"bytes":217,"kind":"configmaps","labels":{"app":"settings"},"name":"settings","namespace":"shop","uid":"[uuid]"}
        {"bytes":203,"kind":"configmaps","labels":{"app":"prices"},"name":"prices","namespace":"shop","uid":"[uuid]"}
        --- stderr
    "#);
    says!(of("yaml"), @r#"
        exit 0
        --- stdout
        - {kind: "secrets", namespace: "shop", name: "login", bytes: 205}
        - {kind: "configmaps", namespace: "shop", name: "settings", bytes: 217}
        - {kind: "configmaps", namespace: "shop", name: "prices", bytes: 203}
        --- stderr
    "#);
    says!(fixture.command(&["backup", "contents", "monday", "-l", "app=login"]), @r"
        exit 0
        --- stdout
        KIND         NAMESPACE                     BYTES   NAME
        secrets      shop                            205   login
        --- stderr
    ");
    says!(fixture.command(&["backup", "contents", "monday", "--include-resources", "cm,cofnigmaps"]), @r"
        exit 0
        --- stdout
        KIND         NAMESPACE                     BYTES   NAME
        configmaps   shop                            217   settings
        configmaps   shop                            203   prices
        --- stderr
        warning: no kind in backup monday is called `cofnigmaps`
    ");
    says!(fixture.command(&["backup", "contents", "monday", "--include-namespaces", "nothing-*"]), @r"
        exit 0
        --- stdout
        KIND         NAMESPACE                     BYTES   NAME
        --- stderr
        nothing in backup monday matches
    ");
}
