//! Whole backups by the program itself: what is locked when, and what is told.

use serde_json::json;

use crate::scene::{Backup, PASSWORD, Scene};
use crate::stand::{Fault, FerretDb, Peculiarities, Role, Stand};

fn guarded() -> Peculiarities {
    Peculiarities { login: Some(("ark".to_owned(), PASSWORD.to_owned())), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_locks_every_topology_for_its_cut_and_not_for_its_listing() {
    for (stand, locks, lines) in [
        (Stand::standalone(Peculiarities::default()).await, 1, ["locked standalone", "took no writes for"]),
        (
            Stand::replica_set(&[Role::Data; 3], Peculiarities::default()).await,
            1,
            ["locked rs0", "took no writes for"],
        ),
        (Stand::sharded(Peculiarities::default()).await, 3, ["locked s1, s0, config", "took no writes for"]),
    ] {
        let scene = Scene::of(&stand);
        let running = scene.run_to_the_cut("a");
        assert_eq!(stand.locks(), locks, "{lines:?}");
        // Of the list at the cut nothing is answered as long as it is locked.
        scene.cluster.hold("resourceVersion=1000");
        scene.cluster.await_asked(&["resourceVersion=1000"]);
        assert_eq!(stand.locks(), 0, "{lines:?}");
        scene.cluster.go_on();
        let made = Backup::of(running.wait().expect_code(0));
        assert_eq!((made.hooks(), stand.locks()), (("True", "Succeeded"), 0));
        assert_eq!(made.status["hooks"]["locks"][0]["action"], "db");
        assert!(made.status["hooks"]["locks"][0]["heldMilliseconds"].is_u64(), "{}", made.status);
        let log = scene.told("logs", "a");
        assert!(lines.iter().all(|line| log.contains(line)), "{log}");
        assert!(scene.told("describe", "a").contains("Locked:       db, for"));
        assert_eq!(stand.deployment().balancer(|_| {}).mode, "full");
    }
}

/// Whatever keeps a database from being locked, the backup is made and says so once, without the
/// password, and nothing of ours stays locked.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_locked_is_one_clear_error() {
    let stand = Stand::standalone(guarded()).await;
    let uri = |user: &str| stand.uri().replace("mongodb://", &format!("mongodb://{user}@"));
    let scene = Scene::of(&stand);
    for (name, texts, says) in [
        ("gone", ("other", String::new()), "the Secret shop/mongo has no key `uri`"),
        ("no-text", ("uri", "\n".to_owned()), "the Secret shop/mongo has no key `uri`"),
        ("no-uri", ("uri", format!("postgres://ark:{PASSWORD}@db/")), "cannot use the MongoDB URI"),
        ("looked-up", ("uri", format!("mongodb+srv://ark:{PASSWORD}@db/")), "looks no SRV records up"),
        (
            "nobody",
            ("uri", format!("mongodb://ark:{PASSWORD}@localhost:1/")),
            "cannot reach MongoDB at localhost:1",
        ),
        ("wrong", ("uri", uri("ark:hunter3")), "refuses the credentials"),
        ("none", ("uri", stand.uri()), "the user needs the roles hostManager"),
    ] {
        scene.put_secret("mongo", &[(texts.0, &texts.1)]);
        let made = scene.run(name, 3);
        assert!(made.said.contains("lock of action `db` failed: "), "{name}: {}", made.said);
        assert!(made.said.contains(says), "{name}: {}", made.said);
        assert_eq!((&made.status["phase"], &made.status["errors"]), (&json!("PartiallyFailed"), &json!(1)));
        assert_eq!((made.hooks(), stand.locks()), (("False", "Failed"), 0), "{name}");
        scene.holds_no_password(name);
    }
    scene.cluster.remove("secrets", "mongo");
    let made = scene.run("missing", 3);
    assert!(made.said.contains("there is no Secret shop/mongo"), "{}", made.said);
    // With user and password in a Secret of their own, it goes.
    scene.put_secret("mongo", &[("uri", &stand.uri())]);
    scene.put_secret("user", &[("username", "ark"), ("password", PASSWORD)]);
    let uri = json!({"name": "mongo", "key": "uri"});
    scene.act(&json!({"connection": {"uriSecret": uri, "credentialsSecret": "user", "authSource": "admin"}}));
    assert_eq!(scene.run("right", 0).hooks(), ("True", "Succeeded"));
    scene.holds_no_password("right");
}

/// What a tool would tell apart has a reason of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_reason_why_a_member_is_not_locked_is_in_the_condition() {
    let stand = Stand::standalone(Peculiarities::default()).await;
    stand.member(0).change(|state| state.locks = 1);
    let scene = Scene::of(&stand);
    scene.act(&json!({"acquireTimeout": "100ms"}));
    let made = scene.run("foreign", 3);
    assert_eq!(made.hooks(), ("False", "ForeignLock"));
    assert!(made.said.contains("somebody else holds the fsync lock"), "{}", made.said);
    assert_eq!((stand.locks(), stand.member(0).state().asked), (1, (0, 0)), "it is left alone");

    let roles = [Role::Data, Role::Data, Role::Arbiter];
    let stand = Stand::replica_set(&roles, Peculiarities::default()).await;
    assert_eq!(Scene::of(&stand).run("majority", 3).hooks(), ("False", "MajorityLost"));

    let stand = Stand::replica_set(&[Role::Data], Peculiarities::default()).await;
    let scene = Scene::of(&stand);
    assert_eq!(scene.run("primary", 3).hooks(), ("False", "NoMemberToLock"));
    scene.act(&json!({"allowPrimaryLock": true}));
    assert_eq!(scene.run("allowed", 0).hooks(), ("True", "Succeeded"));

    let stand = Stand::sharded(Peculiarities::default()).await;
    stand.member(7).change(|state| state.fault = Some(Fault::RefuseLock));
    assert_eq!(Scene::of(&stand).run("refused", 3).hooks(), ("False", "Failed"));
    assert_eq!((stand.locks(), stand.deployment().balancer(|_| {}).mode), (0, "full"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_backups_of_one_database_the_second_waits_for_a_while() {
    let stand = Stand::replica_set(&[Role::Data; 3], Peculiarities::default()).await;
    let (first, second) = (Scene::of(&stand), Scene::of(&stand));
    let running = first.run_to_the_cut("first");
    second.act(&json!({"acquireTimeout": "100ms"}));
    assert_eq!(second.run("impatient", 3).hooks(), ("False", "ForeignLock"));
    second.act(&json!({}));
    let waiting = second.start("patient");
    // It has read the Secret for this run, and so is about to ask the member.
    second.cluster.await_asked(&["/secrets?"]);
    first.cluster.go_on();
    assert_eq!(Backup::of(running.wait().expect_code(0)).hooks(), ("True", "Succeeded"));
    assert_eq!(Backup::of(waiting.wait().expect_code(0)).hooks(), ("True", "Succeeded"));
    assert_eq!((stand.locks(), stand.member(1).state().asked), (0, (2, 2)));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs FerretDB: run hack/test.sh"]
async fn writes_of_a_client_beside_a_backup_wait_for_the_end_of_the_lock_and_not_of_the_backup() {
    use mongodb::bson::{Document, doc};
    let ferret = FerretDb::start();
    let backend = Some(ferret.address.clone());
    let stand = Stand::standalone(Peculiarities { backend, ..Default::default() }).await;
    let scene = Scene::of(&stand);
    let client = mongodb::Client::with_uri_str(stand.uri()).await.expect("the URI is valid");
    let orders = client.database("shop").collection::<Document>("orders");
    orders.insert_one(doc! { "_id": 1 }).await.expect("it is written");
    let running = scene.run_to_the_cut("a");
    let writing = tokio::spawn({
        let orders = orders.clone();
        async move { orders.insert_one(doc! { "_id": 2 }).await }
    });
    stand.member(0).until(|state| state.stalled == 1).await;
    assert_eq!(orders.count_documents(doc! {}).await.expect("reads are answered"), 1);
    scene.cluster.hold("resourceVersion=1000");
    writing.await.expect("the task ends").expect("it is written while the backup lists");
    scene.cluster.go_on();
    assert_eq!(Backup::of(running.wait().expect_code(0)).hooks(), ("True", "Succeeded"));
}
