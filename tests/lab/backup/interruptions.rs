//! Runs that are stopped, killed, or cut off from cluster or bucket on their way: what is left, and
//! what is said.

use std::process::Command;
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{back_up, files_in};
use crate::process::{Run, Running, run};
use crate::support::{
    Act, Cluster, Interceptor, Lab, Proxy, TestNamespace, eventually, fact, interrupt, kill,
};

/// For every 16 KiB: the first part of an upload takes most of a minute, in which it is seen.
const SLOW: Duration = Duration::from_millis(100);
/// For every 16 KiB: no more of them arrives while a test lasts.
const HALTED: Duration = Duration::from_secs(3600);

/// More than one part of a multipart upload, as secrets of a megabyte that does not compress.
pub async fn fill(cluster: &Cluster, namespace: &str) {
    let mut state = 88_172_645_463_325_252_u64;
    for number in 0..16 {
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let noise: Vec<u8> = (0..90_000).flat_map(|_| next()).collect();
        let object = json!({"metadata": {"name": format!("noise-{number:02}")}, "data": {"noise": k8s_openapi::ByteString(noise)}});
        cluster.create(&format!("/api/v1/namespaces/{namespace}/secrets"), &object).await;
    }
}

/// The S3 server of the lab as a test asks it, past Ark.
pub struct S3 {
    client: aws_sdk_s3::Client,
    bucket: String,
}

impl S3 {
    /// The server, and this bucket in it.
    pub fn new(lab: &Lab, bucket: &str) -> Self {
        let credentials =
            Credentials::new(fact("AWS_ACCESS_KEY_ID"), fact("AWS_SECRET_ACCESS_KEY"), None, None, "lab");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&lab.s3)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(credentials)
            .force_path_style(true)
            .build();
        let bucket = bucket.trim_start_matches("s3://").split('?').next().expect("a name").to_owned();
        Self { client: aws_sdk_s3::Client::from_conf(config), bucket }
    }

    /// Multipart uploads of a key that are neither complete nor aborted.
    pub async fn uploads(&self, key: &str) -> usize {
        let listed = self.client.list_multipart_uploads().bucket(&self.bucket).prefix(key).send().await;
        listed.expect("listable").uploads().len()
    }

    /// The key under which the run that has claimed a name uploads its tarball.
    pub async fn tarball(&self, name: &str) -> Option<String> {
        let key = format!("backups/{name}/claim.json");
        let claim = self.client.get_object().bucket(&self.bucket).key(key).send().await.ok()?;
        let claim = claim.body.collect().await.ok()?.to_vec();
        let claim: serde_json::Value = serde_json::from_slice(&claim).ok()?;
        Some(format!("backups/{name}/{}/{name}.tar.zst", claim["parts"].as_str()?))
    }

    async fn keys(&self, prefix: &str) -> Vec<String> {
        let listed = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).send().await;
        let listed = listed.expect("listable");
        listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
    }
}

/// A run whose tarball is on its way to S3 through a network that is so slow that the upload does
/// not end by itself meanwhile.
struct Uploading {
    proxy: Proxy,
    s3: S3,
    bucket: String,
    running: Running,
    tarball: String,
    _namespace: TestNamespace,
}

impl Uploading {
    async fn start(lab: &Lab) -> Self {
        let namespace = TestNamespace::create(&lab.a, "uploading").await;
        fill(&lab.a, &namespace.name).await;
        let bucket = lab.bucket();
        run(&mut lab.a.ark(["bucket", "list", "--location", &bucket])).expect_code(0);
        let proxy = Proxy::to(lab.s3.trim_start_matches("http://")).await;
        proxy.slow_down(SLOW);
        let through = bucket.replace(&lab.s3, &format!("http://{}", proxy.address()));
        let arguments =
            ["backup", "run", "nightly", "--location", &through, "--include-namespaces", &namespace.name];
        let running = Running::start(&mut lab.a.ark(arguments));
        let s3 = S3::new(lab, &bucket);
        let tarball = eventually("a multipart upload", async || {
            let tarball = s3.tarball("nightly").await?;
            (s3.uploads(&tarball).await > 0).then_some(tarball)
        })
        .await;
        Self { proxy, s3, bucket, running, tarball, _namespace: namespace }
    }
}

async fn ended(running: Running) -> Run {
    tokio::task::spawn_blocking(|| running.wait()).await.expect("it ends")
}

/// SIGINT in a multipart upload: the upload is aborted, and the bucket has no key of the run.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn ctrl_c_leaves_no_upload_on_s3_that_someone_pays_for() {
    let lab = Lab::get().await;
    let uploading = Uploading::start(&lab).await;
    interrupt(&uploading.running);
    let stopped = ended(uploading.running).await.expect_code(1);
    assert!(stopped.stderr.contains("was stopped before it was complete"), "{}", stopped.stderr);
    assert!(!stopped.stderr.contains("could not be removed"), "{}", stopped.stderr);
    assert_eq!(uploading.s3.uploads(&uploading.tarball).await, 0);
    assert_eq!(uploading.s3.keys("backups/").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_bucket_that_is_cut_off_mid_upload_is_code_6_and_shows_no_backup() {
    let lab = Lab::get().await;
    let uploading = Uploading::start(&lab).await;
    uploading.proxy.cut();
    let failed = ended(uploading.running).await.expect_code(6);
    assert!(failed.stderr.contains("/backups/nightly/"), "{}", failed.stderr);
    assert!(failed.stderr.contains(": cannot reach"), "{}", failed.stderr);
    assert!(failed.stderr.contains("could not be removed"), "{}", failed.stderr);
    assert!(failed.stderr.contains("Unfinished in `ark bucket list`"), "{}", failed.stderr);
    let keys = uploading.s3.keys("backups/").await;
    assert!(keys.contains(&"backups/nightly/claim.json".to_owned()), "{keys:?}");
    assert!(
        !keys.iter().any(|key| *key == uploading.tarball || key.ends_with("ark-backup.json")),
        "{keys:?}"
    );
    let bucket = &uploading.bucket;
    let listed = run(&mut lab.a.ark(["bucket", "list", "--location", bucket])).expect_code(0);
    assert!(listed.stdout.contains("Unfinished"), "{}", listed.stdout);
    run(&mut lab.a.ark(["backup", "verify", "nightly", "--location", bucket])).expect_code(1);
    // Its process has ended, here, so that nobody waits a day for the name.
    back_up(&lab.a, bucket, "nightly", &["--include-namespaces", "kube-public"], 0);
    run(&mut lab.a.ark(["backup", "verify", "nightly", "--location", bucket])).expect_code(0);
}

/// All connections to S3 break in the middle of an upload, and new ones are let through.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_bucket_that_is_away_for_a_moment_does_not_end_the_backup() {
    let lab = Lab::get().await;
    let uploading = Uploading::start(&lab).await;
    uploading.proxy.cut();
    uploading.proxy.slow_down(Duration::ZERO);
    uploading.proxy.mend();
    ended(uploading.running).await.expect_code(0);
    run(&mut lab.a.ark(["backup", "verify", "nightly", "--location", &uploading.bucket])).expect_code(0);
    assert_eq!(uploading.s3.uploads(&uploading.tarball).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn an_api_server_that_dies_on_the_way_is_code_5_and_leaves_nothing() {
    let lab = Lab::get().await;
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = format!("file://{}", folder.path().display());
    let made = folder.path().join("backups/nightly");
    // One list is not answered, so that the run cannot be complete before the server dies.
    let (api, never) = (Interceptor::of_cluster(&lab.a).await, CancellationToken::new());
    api.set(
        move |asked| {
            if asked.path.ends_with("/configmaps") { Act::Held(never.clone()) } else { Act::Pass }
        },
    );
    let proxy = Proxy::to(api.url().trim_start_matches("http://")).await;
    let kubeconfig = api.kubeconfig();
    let text = std::fs::read_to_string(kubeconfig.path()).expect("readable");
    let through = text.replace(&api.url(), &format!("http://{}", proxy.address()));
    std::fs::write(kubeconfig.path(), through).expect("writable");
    let kubeconfig = kubeconfig.path().to_str().expect("text");
    let arguments = ["backup", "run", "nightly", "--location", &bucket, "--kubeconfig", kubeconfig];
    // It is waited for as long as somebody says; five minutes would be long for a test.
    let running = Running::start(&mut lab.a.ark(arguments.into_iter().chain(["--patience", "15s"])));
    eventually("the claim", async || made.join("claim.json").exists().then_some(())).await;
    proxy.cut();
    let failed = ended(running).await.expect_code(5);
    assert!(failed.stderr.contains("cannot reach the API server"), "{}", failed.stderr);
    assert!(failed.stderr.contains("waiting for the API server"), "{}", failed.stderr);
    assert_eq!(files_in(&made), Vec::<String>::new());
}

/// The claim names host and process: while the process lives, another run is refused; once it was
/// killed, another run takes the name over.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn the_name_of_a_run_that_was_killed_is_free_at_once_on_the_same_machine() {
    let lab = Lab::get().await;
    let uploading = Uploading::start(&lab).await;
    // It is still on its way when the other one has been refused.
    uploading.proxy.slow_down(HALTED);
    let bucket = &uploading.bucket;
    let flags = ["--include-namespaces", "kube-public"];
    let refused = back_up(&lab.a, bucket, "nightly", &flags, 1);
    let pid = format!("/{})", uploading.running.id());
    assert!(refused.stderr.contains(&pid), "while it lives, it has the name: {}", refused.stderr);
    kill(&uploading.running);
    assert_eq!(ended(uploading.running).await.code, None);
    let left = uploading.s3.keys("backups/").await;
    assert!(left.iter().any(|key| key.ends_with("/claim.json")), "{left:?}");
    assert!(!left.iter().any(|key| key.ends_with("/ark-backup.json")), "{left:?}");
    back_up(&lab.a, bucket, "nightly", &flags, 0);
    run(&mut lab.a.ark(["backup", "verify", "nightly", "--location", bucket])).expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_bucket_that_does_not_exist_is_code_6_and_says_how_to_make_it() {
    let lab = Lab::get().await;
    let bucket = lab.bucket().replace("&createBucket=true", "");
    let failed = back_up(&lab.a, &bucket, "nightly", &[], 6);
    assert!(failed.stderr.contains("does not exist; create it"), "{}", failed.stderr);
}

/// The location is a file system of 1 MiB, and then one that is mounted read-only.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: run hack/test.sh"]
async fn a_folder_that_is_full_or_read_only_is_code_6_and_keeps_nothing() {
    let lab = Lab::get().await;
    let namespace = TestNamespace::create(&lab.a, "full").await;
    fill(&lab.a, &namespace.name).await;
    for (options, said) in [("size=1m", "the store is full"), ("ro", "the store is read-only")] {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = format!("file://{}", folder.path().display());
        let arguments =
            ["backup", "run", "nightly", "--location", &bucket, "--include-namespaces", &namespace.name];
        let ark = lab.a.ark(arguments);
        // A file system of its own, which goes with the process; what is left on it is printed.
        let script = r#"mount -t tmpfs -o "$1" none "$0" || exit 99; folder=$0; shift; "$@"; code=$?; find "$folder" -type f; exit $code"#;
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script]);
        command.arg(folder.path()).arg(options).arg(ark.get_program()).args(ark.get_args());
        for (name, value) in ark.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let failed = run(&mut command).expect_code(6);
        assert!(failed.stderr.contains(said), "{}", failed.stderr);
        assert!(!failed.stdout.contains("/backups/"), "{}", failed.stdout);
    }
}
