//! Restores into a cluster that is far away: Ark as it chooses beside Ark with a fixed number of requests in flight, each
//! through the same proxy into a new cluster. Bare clients of several widths tell how much the API server would take.

use std::time::Duration;

use crate::Outcome;
use crate::backup::Original;
use crate::client::{Client, WAYS};
use crate::lab::Lab;
use crate::program::Program;
use crate::proxy::Proxy;
use crate::report::{Report, median, say};
use crate::restore::{self, Bodies};
use crate::setting::Setting;

/// Each way; what is asked is answered twice this later.
const DELAY: Duration = Duration::from_millis(10);
/// Requests that bare clients have in flight.
const WIDTHS: [usize; 3] = [WAYS, 128, 256];

/// Fixed and free in turns; who begins alternates.
pub async fn measure(setting: &Setting, original: &Original, report: &mut Report) -> Outcome<()> {
    let bodies = restore::prepare(original).await?;
    let count = bodies.count() as f64;
    let distance = 2 * DELAY.as_millis();
    check().await?;
    let mut bare = Vec::new();
    for ways in WIDTHS {
        let rate = count / create(&bodies, ways).await?;
        say(&format!("{distance} ms away: {ways} bare clients create {rate:.0} a second"));
        bare.push(format!("{rate:.0}"));
    }
    report.note(
        format!(
            "{distance} ms away, creates a second: {} bare clients",
            WIDTHS.map(|ways| ways.to_string()).join(", ")
        ),
        bare.join(", "),
    );
    let fixed = WAYS.to_string();
    let mut pairs = Vec::new();
    for round in 0..setting.restores {
        let (fixed, free) = if round % 2 == 0 {
            let fixed = restore(original, &["--parallel", &fixed]).await?;
            (fixed, restore(original, &[]).await?)
        } else {
            let free = restore(original, &[]).await?;
            (restore(original, &["--parallel", &fixed]).await?, free)
        };
        say(&format!(
            "{distance} ms away: restore with {WAYS} in flight {fixed:.1} s, as Ark chooses {free:.1} s"
        ));
        pairs.push((fixed, free));
    }
    let rate = |times: Vec<f64>| format!("{:.0}", count / median(times));
    report.note(
        format!("{distance} ms away, creates a second: restore with {WAYS} in flight, as Ark chooses"),
        format!(
            "{}, {}",
            rate(pairs.iter().map(|pair| pair.0).collect()),
            rate(pairs.iter().map(|pair| pair.1).collect())
        ),
    );
    let ratio = median(pairs.iter().map(|(fixed, free)| fixed / free).collect());
    let what = format!("restore {distance} ms away, times the rate of {WAYS} fixed requests in flight");
    report.at_least(what, ratio, 3.0, "");
    Ok(())
}

/// The proxy does what it says.
async fn check() -> Outcome<()> {
    let lab = Lab::up("bench-b", false)?;
    let proxy = Proxy::start(&lab.kubeconfig()?, DELAY).await?;
    let near = Client::new(&lab.kubeconfig()?).await?.distance().await?;
    let far = Client::new(&proxy.kubeconfig()).await?.distance().await?;
    say(&format!("an answer of the API server comes after {near:.1?}, through the proxy after {far:.1?}"));
    if far >= 2 * DELAY && far <= near + 3 * DELAY {
        return Ok(());
    }
    Err(format!("the proxy does not add {:?} to an answer", 2 * DELAY))
}

/// Bare clients through the proxy, into a new cluster; the seconds that they took.
async fn create(bodies: &Bodies, ways: usize) -> Outcome<f64> {
    let lab = Lab::up("bench-b", false)?;
    let proxy = Proxy::start(&lab.kubeconfig()?, DELAY).await?;
    let client = Client::new(&proxy.kubeconfig()).await?;
    Ok(bodies.create(&client, ways).await?.as_secs_f64())
}

/// A restore through the proxy, into a new cluster; the seconds from start to exit.
async fn restore(original: &Original, more: &[&str]) -> Outcome<f64> {
    let lab = Lab::up("bench-b", false)?;
    let proxy = Proxy::start(&lab.kubeconfig()?, DELAY).await?;
    let program = Program::at(proxy.kubeconfig(), &original.place);
    let name = original.name.to_string();
    let arguments = [&["restore", "run", "--from-backup", &name, "-q"], more].concat();
    Ok(tokio::task::block_in_place(|| program.run(&arguments))?.time.as_secs_f64())
}
