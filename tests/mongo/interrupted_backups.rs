//! What happens to members, network, Secrets and the backup itself while a database is locked.

use std::process::Command;

use ark::hooks::obligations::{Undo, undo};
use ark::model::causes;
use ark::mongo::MongoUndo;
use serde_json::{Value, json};

use crate::scene::{Backup, PASSWORD, Scene};
use crate::stand::{Peculiarities, Role, Stand};

const THREE: [Role; 3] = [Role::Data; 3];

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_restarts_has_lost_its_lock_which_the_backup_says() {
    let stand = Stand::replica_set(&THREE, Peculiarities::default()).await;
    let scene = Scene::of(&stand);
    let running = scene.run_to_the_cut("a");
    stand.member(1).restart();
    scene.cluster.go_on();
    let made = Backup::of(running.wait().expect_code(3));
    assert_eq!((made.hooks(), &made.status["phase"]), (("False", "LockLost"), &json!("PartiallyFailed")));
    assert!(made.said.contains("unlock of action `db` failed: "), "{}", made.said);
    assert_eq!((stand.locks(), stand.member(1).state().asked), (0, (1, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_whose_time_is_up_is_released_while_the_cut_is_waited_for() {
    let stand = Stand::sharded(Peculiarities::default()).await;
    let scene = Scene::of(&stand);
    scene.act(&json!({"maxLockDuration": "1s"}));
    let running = scene.run_to_the_cut("a");
    for member in [1, 4, 7] {
        stand.member(member).until(|state| state.locks == 0).await;
    }
    scene.cluster.go_on();
    let made = Backup::of(running.wait().expect_code(3));
    assert_eq!(made.hooks(), ("False", "LockExpired"));
    assert!(made.said.contains("allow it more (maxLockDuration)"), "{}", made.said);
    assert_eq!(stand.deployment().balancer(|_| {}).mode, "full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_steps_down_while_a_secondary_is_locked_does_no_harm() {
    let stand = Stand::replica_set(&THREE, Peculiarities::default()).await;
    let scene = Scene::of(&stand);
    let running = scene.run_to_the_cut("a");
    stand.member(0).change(|state| state.primary = false);
    stand.member(2).change(|state| state.primary = true);
    (0..3).for_each(|at| stand.member(at).cut());
    scene.cluster.go_on();
    assert_eq!(Backup::of(running.wait().expect_code(0)).hooks(), ("True", "Succeeded"));
    assert_eq!(stand.locks(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_cut_before_the_unlock_is_waited_for() {
    let stand = Stand::replica_set(&THREE, Peculiarities::default()).await;
    let scene = Scene::of(&stand);
    let running = scene.run_to_the_cut("a");
    let locked = stand.member(1);
    locked.change(|state| state.down = true);
    scene.cluster.go_on();
    locked.until(|state| state.turned_away > 2).await;
    locked.change(|state| state.down = false);
    assert_eq!(Backup::of(running.wait().expect_code(0)).hooks(), ("True", "Succeeded"));
    assert_eq!(stand.locks(), 0);
}

/// What rests in pods does not wait for a member that got behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_waited_for_only_once_the_hooks_after_the_instant_have_run() {
    let stand = Stand::replica_set(&THREE, Peculiarities::default()).await;
    let scene = Scene::of(&stand);
    let running = json!({"name": "db", "state": {"running": {}}});
    let annotations =
        json!({"post.hook.backup.ark.heptio.com/command": json!(["true", "after"]).to_string()});
    let pod = json!({"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "db"}]},
        "status": {"phase": "Running", "containerStatuses": [running]}});
    scene.cluster.put("pods", Some("shop"), "db", pod);
    let running = scene.run_to_the_cut("a");
    stand.member(1).change(|state| state.lag = std::time::Duration::from_secs(60));
    scene.cluster.go_on();
    scene.cluster.await_asked(&["/exec?", "command=after"]);
    stand.member(1).change(|state| state.lag = std::time::Duration::ZERO);
    assert_eq!(Backup::of(running.wait().expect_code(0)).hooks(), ("True", "Succeeded"));
    let log = scene.told("logs", "a");
    let at = |line: &str| log.find(line).unwrap_or_else(|| panic!("{line} is not in {log}"));
    assert!(at("running 1 post hooks") < at("waiting until the database of action `db` has caught up"));
}

fn interrupt(id: u32) {
    let sent = Command::new("sh").args(["-c", "kill -INT \"$0\"", &id.to_string()]).status();
    assert!(sent.expect("sh can be started").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_stopped_leaves_no_lock() {
    let stand = Stand::sharded(Peculiarities::default()).await;
    let scene = Scene::of(&stand);
    let running = scene.run_to_the_cut("a");
    interrupt(running.id());
    running.wait().expect_code(1);
    assert_eq!((stand.locks(), stand.deployment().balancer(|_| {}).mode), (0, "full"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_stopped_while_a_lock_is_taken_waits_for_it_and_releases_it() {
    let stand = Stand::sharded(Peculiarities::default()).await;
    let scene = Scene::of(&stand);
    // The lock of the config server: it is taken, and the answer is on its way.
    stand.deployment().stop_at(6);
    let running = scene.start("a");
    stand.deployment().stopped().await;
    interrupt(running.id());
    stand.deployment().go_on().await;
    running.wait().expect_code(1);
    assert_eq!((stand.locks(), stand.deployment().balancer(|_| {}).mode), (0, "full"));
}

/// A Secret that is rotated meanwhile: the open connection unlocks, and what is undone later reads
/// the Secret as it is by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_matters_only_to_what_connects_anew() {
    let login = Some(("ark".to_owned(), PASSWORD.to_owned()));
    let stand = Stand::standalone(Peculiarities { login, ..Default::default() }).await;
    let scene = Scene::of(&stand);
    scene.put_secret("user", &[("username", "ark"), ("password", PASSWORD)]);
    let connection = json!({"uriSecret": {"name": "mongo", "key": "uri"}, "credentialsSecret": "user"});
    scene.act(&json!({ "connection": &connection }));
    let running = scene.run_to_the_cut("a");
    scene.put_secret("user", &[("username", "ark"), ("password", "hunter3")]);
    scene.cluster.go_on();
    assert_eq!(Backup::of(running.wait().expect_code(0)).hooks(), ("True", "Succeeded"));

    // What is undone later reads the Secret anew.
    let cluster = scene.connect().await;
    let undone = async |stand: &Stand, connection: &Value| {
        let record =
            MongoUndo::Unlock { host: stand.member(0).address.clone(), comment: "ark a/1".to_owned() };
        let (action, namespace) = ("db".to_owned(), "shop".to_owned());
        let connection = serde_json::from_value(connection.clone()).expect("a connection");
        let left = Undo::Mongo { action, namespace, connection: Box::new(connection), record };
        assert!(!serde_json::to_string(&left).expect("a record").contains("hunter"));
        undo(&cluster, &left).await.map_err(|error| causes(&error))
    };
    let refused = undone(&stand, &connection).await.expect_err("the password is another");
    assert!(refused.contains("refuses the credentials") && !refused.contains("hunter"), "{refused}");
    scene.put_secret("user", &[("username", "ark"), ("password", PASSWORD)]);
    assert_eq!(undone(&stand, &connection).await, Ok(false), "there is nothing to undo");
    let open = Stand::standalone(Peculiarities::default()).await;
    open.member(0).change(|state| state.locks = 1);
    scene.put_secret("mongo", &[("uri", &open.uri())]);
    let connection = json!({"uriSecret": {"name": "mongo", "key": "uri"}});
    assert_eq!((undone(&open, &connection).await, open.locks()), (Ok(true), 0));
}
