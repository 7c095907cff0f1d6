//! Looking at backups: what each verb prints in each format, on a backup of a scripted cluster in a folder.

use crate::fixture::Fixture;

#[test]
fn what_is_not_there_is_code_4() {
    let fixture = Fixture::new();
    says!(fixture.command(&["backup", "describe", "tuesday"]), @r"
        exit 4
        --- stdout
        --- stderr
        ark: there is no backup `tuesday` in file://[folder]; `ark bucket list` shows what is there
    ");
    for verb in ["contents", "logs", "verify", "download"] {
        let said = fixture.run(&["backup", verb, "tuesday"]).expect_code(4);
        assert!(said.stderr.contains("there is no backup `tuesday`"), "{verb}: {}", said.stderr);
    }
    fixture.run(&["backup", "diff", "monday", "tuesday"]).expect_code(4);
}

#[test]
fn contents_are_listed_whole_or_filtered_in_every_format() {
    let fixture = Fixture::new();
    says!(fixture.command(&["backup", "contents", "monday"]), @r"
        exit 0
        --- stdout
        KIND         NAMESPACE                     BYTES   NAME
        namespaces   -                               199   default
        namespaces   -                               207   kube-system
        namespaces   -                               193   shop
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

#[test]
fn a_description_says_when_what_and_what_was_left_out() {
    let fixture = Fixture::new();
    says!(fixture.command(&["backup", "describe", "monday"]), @r"
        exit 0
        --- stdout
        Name:         monday
        Phase:        Completed
        Cluster:      [uuid] (v1.35.4)
        Taken:        [time] (all items as they were at resource version 1000)
        Completed:    [time]
        Expires:      never
        Items:        6 ([size] )
        Namespaces:   all
        Kinds:        all
        Cluster-wide: all
        Left out:     0
        Warnings:     0
        Errors:       0
        --- stderr
    ");
    let details = fixture.run(&["backup", "describe", "monday", "--details"]).expect_code(0);
    let tarball = fixture.file("monday.tar.zst");
    let tarball = tarball.strip_prefix(fixture.folder.path()).expect("in the folder").display();
    assert!(details.stdout.contains(&format!("  {tarball}  ")), "{}", details.stdout);
}

#[test]
fn the_log_is_printed_for_people_or_as_it_is_stored() {
    let fixture = Fixture::new();
    says!(fixture.command(&["backup", "logs", "monday"]), @r"
        exit 0
        --- stdout
        [time] info    asking the cluster for its revision and its kinds
        [time] info    taking 3 kinds at revision 1000
        [time] info    listing namespaces
        [time] info    listing secrets
        [time] info    listing configmaps
        [time] info    sealing the backup
        [time] info    took 6 items, 0 warnings, 0 errors
        --- stderr
    ");
    let stored = fixture.run(&["backup", "logs", "monday", "-o", "json"]).expect_code(0).stdout;
    for line in stored.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("a line is a JSON document");
    }
}

#[test]
fn a_diff_shows_what_was_added_removed_and_changed() {
    let fixture = Fixture::new();
    fixture.cluster.put("configmaps", Some("shop"), "prices", serde_json::json!({"data": {"apple": "1.30"}}));
    fixture.cluster.put("configmaps", Some("shop"), "opening-hours", serde_json::json!({"data": {}}));
    fixture.cluster.remove("secrets", "login");
    says!(fixture.command(&["backup", "diff", "monday", "--live"]), @r"
        exit 0
        --- stdout
        ~ configmaps shop/prices
        + configmaps shop/opening-hours
        - secrets shop/login
        --- stderr
        1 added, 1 removed, 1 changed, 4 equal
    ");
    fixture.run(&["backup", "run", "tuesday"]).expect_code(0);
    says!(fixture.command(&["backup", "diff", "monday", "tuesday"]), @r"
        exit 0
        --- stdout
        ~ configmaps shop/prices
        + configmaps shop/opening-hours
        - secrets shop/login
        --- stderr
        1 added, 1 removed, 1 changed, 4 equal
    ");
    says!(fixture.command(&["backup", "diff", "monday", "tuesday", "-o", "json"]), @r#"
        exit 0
        --- stdout
        {"change":"changed","kind":"configmaps","name":"prices","namespace":"shop"}
        {"change":"added","kind":"configmaps","name":"opening-hours","namespace":"shop"}
        {"change":"removed","kind":"secrets","name":"login","namespace":"shop"}
        --- stderr
        1 added, 1 removed, 1 changed, 4 equal
    "#);
    says!(fixture.command(&["backup", "diff", "tuesday", "tuesday"]), @r"
        exit 0
        --- stdout
        --- stderr
        0 added, 0 removed, 0 changed, 6 equal
    ");
}

#[test]
fn what_a_bucket_says_does_not_steer_a_terminal() {
    let fixture = Fixture::new();
    let file = fixture.file("ark-backup.json");
    let text = std::fs::read_to_string(&file).expect("there is a document");
    let mut document: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let hostile = "a\u{1b}[2J\u{9b}31m\u{7}b";
    document["status"]["failureReason"] = hostile.into();
    document["metadata"]["labels"] = serde_json::json!({"ark.heptio.com/schedule-name": hostile});
    std::fs::write(&file, document.to_string()).expect("it can be written");
    for format in ["table", "wide", "json", "yaml", "name"] {
        for verb in [&["backup", "describe", "monday"][..], &["bucket", "list"]] {
            let run = fixture.run(&[verb, &["-o", format]].concat());
            for said in [&run.stdout, &run.stderr] {
                assert!(!said.contains(['\u{1b}', '\u{9b}', '\u{7}']), "{verb:?} {format}: {said:?}");
            }
        }
    }
    let told = fixture.run(&["backup", "describe", "monday"]).expect_code(0);
    assert!(told.stdout.contains(r"a\u001b[2J\u009b31m\u0007b"), "{}", told.stdout);
    let told = fixture.run(&["backup", "describe", "monday", "-o", "json"]).expect_code(0);
    let told: serde_json::Value = serde_json::from_str(&told.stdout).expect("it is JSON");
    assert!(told.to_string().contains(r"a\u001b[2J"), "{told}");
}
