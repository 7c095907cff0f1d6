//! For how long a backup keeps a database locked: fronts that play MongoDB lock at once, so that
//! what is measured is Ark's own part.

use std::io::Write as _;
use std::time::Duration;

use serde_json::json;

use crate::Outcome;
use crate::backup::{Backups, open};
use crate::client::Creation;
use crate::report::{Report, median, median_time};
use crate::stand::{Peculiarities, Role, Stand};

/// The longest that a lock may last, in seconds, beside the snapshot's own time.
const LONGEST: f64 = 1.0;
/// Backups of each topology.
const ROUNDS: usize = 5;

/// Time of locks, and of the whole backups, in the cluster as it is.
pub async fn measure(backups: &Backups<'_>, report: &mut Report) -> Outcome<()> {
    let plain = Peculiarities::default;
    for (topology, stand) in [
        ("standalone", Stand::standalone(plain()).await),
        ("replica set", Stand::replica_set(&[Role::Data; 3], plain()).await),
        ("sharded", Stand::sharded(plain()).await),
    ] {
        let name = format!("bench-mongo-{}", topology.replace(' ', "-"));
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"uri": stand.uri()},
        });
        let path = "/api/v1/namespaces/default/secrets".to_owned();
        backups.create(Creation { path, body: secret.to_string().into() }).await?;
        let connection = json!({"uriSecret": {"name": name, "key": "uri"}});
        let action = json!({"name": "db", "namespace": "default", "mongo": {"connection": connection}});
        let mut hooks = tempfile::NamedTempFile::new().map_err(crate::text)?;
        hooks.write_all(json!({"actions": [action]}).to_string().as_bytes()).map_err(crate::text)?;
        let (held, whole) = rounds(backups, &hooks.path().to_string_lossy()).await?;
        report.at_most(format!("lock of a {topology}, held during a backup"), median(held), LONGEST, " s");
        report.note(
            format!("the whole backup that locks a {topology}"),
            format!("{:.2} s", median_time(whole)),
        );
    }
    Ok(())
}

/// Returns for how many seconds each backup held its lock, and how long each took.
async fn rounds(backups: &Backups<'_>, hooks: &str) -> Outcome<(Vec<f64>, Vec<Duration>)> {
    let (mut held, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (name, ran) = backups.make_with("locked", &["--hooks", hooks]).await?;
        let status = open(backups.place(), &name).await?.into_document().status.unwrap_or_default();
        let locks = status.hooks.unwrap_or_default().locks;
        let lock = locks.first().ok_or("the backup has locked nothing")?;
        held.push(Duration::from_millis(lock.held_milliseconds).as_secs_f64());
        whole.push(ran.time);
    }
    Ok((held, whole))
}
