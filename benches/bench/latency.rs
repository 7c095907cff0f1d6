//! Restores into a cluster that is far away: Ark as it chooses beside Ark with a fixed number of
//! requests in flight, each through the same proxy into a new cluster. Bare clients of several
//! widths tell how much the API server would take.

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

/// Requests that bare clients have in flight.
const WIDTHS: [usize; 3] = [WAYS, 128, 256];

/// Fixed and free in turns; who begins alternates.
pub async fn measure(setting: &Setting, original: &Original, report: &mut Report) -> Outcome<()> {
    let bodies = restore::prepare(original).await?;
    let count = bodies.count() as f64;
    // Half of it each way.
    let (delay, distance) = (setting.distance / 2, setting.distance.as_millis());
    check(delay).await?;
    let rates = ceiling(&bodies, delay).await?;
    let what = format!("{distance} ms away, creates a second: {WIDTHS:?} bare clients");
    report.note(what, format!("{rates:.0?}"));
    let parallel = ["--parallel", &WAYS.to_string()];
    let mut pairs = Vec::new();
    for round in 0..setting.restores {
        let (fixed, free) = if round % 2 == 0 {
            let fixed = restore(original, delay, &parallel).await?;
            (fixed, restore(original, delay, &[]).await?)
        } else {
            let free = restore(original, delay, &[]).await?;
            (restore(original, delay, &parallel).await?, free)
        };
        say(&format!(
            "{distance} ms away: restore with {WAYS} in flight {fixed:.1} s, as Ark chooses {free:.1} s"
        ));
        pairs.push((fixed, free));
    }
    let (fixed, free): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let what = format!("{distance} ms away, creates a second: restore with {WAYS} in flight, as Ark chooses");
    report.note(what, format!("{:.0}, {:.0}", count / median(fixed), count / median(free)));
    let ratio = median(pairs.iter().map(|(fixed, free)| fixed / free).collect());
    let what = format!("restore {distance} ms away, times the rate of {WAYS} fixed requests in flight");
    report.at_least(what, ratio, 3.0, "");
    Ok(())
}

/// What bare clients reach, for each width of theirs.
async fn ceiling(bodies: &Bodies, delay: Duration) -> Outcome<Vec<f64>> {
    let mut rates = Vec::new();
    for ways in WIDTHS {
        let rate = bodies.count() as f64 / create(bodies, ways, delay).await?;
        say(&format!("{} ms away: {ways} bare clients create {rate:.0} a second", 2 * delay.as_millis()));
        rates.push(rate);
    }
    Ok(rates)
}

/// The proxy does what it says.
async fn check(delay: Duration) -> Outcome<()> {
    let lab = Lab::up("bench-b", false)?;
    let proxy = Proxy::start(&lab.kubeconfig()?, delay).await?;
    let near = Client::new(&lab.kubeconfig()?).await?.distance().await?;
    let far = Client::new(&proxy.kubeconfig()).await?.distance().await?;
    say(&format!("an answer of the API server comes after {near:.1?}, through the proxy after {far:.1?}"));
    if far >= 2 * delay && far <= near + 3 * delay {
        return Ok(());
    }
    Err(format!("the proxy does not add {:?} to an answer", 2 * delay))
}

/// Bare clients through the proxy, into a new cluster; the seconds that they took.
async fn create(bodies: &Bodies, ways: usize, delay: Duration) -> Outcome<f64> {
    let lab = Lab::up("bench-b", false)?;
    let proxy = Proxy::start(&lab.kubeconfig()?, delay).await?;
    let client = Client::new(&proxy.kubeconfig()).await?;
    Ok(bodies.create(&client, ways).await?.as_secs_f64())
}

/// A restore through the proxy, into a new cluster; the seconds from start to exit.
async fn restore(original: &Original, delay: Duration, more: &[&str]) -> Outcome<f64> {
    let lab = Lab::up("bench-b", false)?;
    let proxy = Proxy::start(&lab.kubeconfig()?, delay).await?;
    let program = Program::at(proxy.kubeconfig(), &original.place);
    let name = original.name.to_string();
    let arguments = [&["restore", "run", "--from-backup", &name, "-q"], more].concat();
    Ok(tokio::task::block_in_place(|| program.run(&arguments))?.time.as_secs_f64())
}
