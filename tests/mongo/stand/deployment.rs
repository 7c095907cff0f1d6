//! The members of a stand together: sets, balancer, shards, and the order of what was done.

use std::sync::{Arc, Mutex, PoisonError};

use mongodb::bson::{DateTime, Document, doc};
use tokio::sync::watch;

use super::member::{Member, Role};

/// A deployment.
#[derive(Default)]
pub struct Deployment {
    pub members: Vec<Arc<Member>>,
    /// User and password, if there is one.
    pub login: Option<(String, String)>,
    /// Where FerretDB listens, if data matter.
    pub backend: Option<String>,
    balancer: Mutex<Balancer>,
    events: Mutex<Vec<String>>,
    steps: watch::Sender<Steps>,
}

/// How far the clients of a deployment have come: a step before each command that changes
/// something, and one after it.
#[derive(Debug, Default)]
pub struct Steps {
    /// How many steps there were.
    done: u32,
    /// The step that waits for [`Deployment::go_on`].
    stop_at: u32,
    /// How many commands are under way.
    under_way: u32,
    /// How many connections are open.
    open: u32,
}

/// The balancer.
#[derive(Clone, Debug)]
pub struct Balancer {
    pub mode: &'static str,
    /// How often it is still asked until its round ends.
    pub round: u32,
}

impl Default for Balancer {
    fn default() -> Self {
        Self { mode: "full", round: 0 }
    }
}

impl Deployment {
    /// Returns a deployment without members.
    pub fn new(login: Option<(String, String)>, backend: Option<String>) -> Self {
        Self { login, backend, ..Self::default() }
    }

    /// Returns the members of a set.
    pub fn members_of(&self, set: &str) -> Vec<Arc<Member>> {
        self.members.iter().filter(|member| member.set.as_deref() == Some(set)).cloned().collect()
    }

    /// Notes what somebody did.
    pub fn note(&self, event: String) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// Returns what was done, in order.
    pub fn events(&self) -> Vec<String> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets this step wait, so that a client can be killed there; the first one is 1.
    pub fn stop_at(&self, step: u32) {
        self.steps.send_modify(|steps| steps.stop_at = step);
    }

    /// Waits until the step is reached that waits.
    pub async fn stopped(&self) {
        self.until(|steps| steps.done >= steps.stop_at).await;
    }

    /// Lets clients go on, and waits until what they have sent is done.
    pub async fn go_on(&self) {
        self.stop_at(0);
        self.until(|steps| steps.under_way == 0).await;
    }

    /// Does what a client has sent between two steps, whether it is still there or not.
    pub async fn between_steps<T>(&self, done: impl Future<Output = T>) -> T {
        self.steps.send_modify(|steps| steps.under_way += 1);
        self.step().await;
        let done = done.await;
        self.step().await;
        self.steps.send_modify(|steps| steps.under_way -= 1);
        done
    }

    /// Serves a connection, which counts as open meanwhile.
    pub async fn connected<T>(&self, served: impl Future<Output = T>) -> T {
        self.steps.send_modify(|steps| steps.open += 1);
        let served = served.await;
        self.steps.send_modify(|steps| steps.open -= 1);
        served
    }

    /// Waits until nobody is connected: all that the dead have sent is done.
    pub async fn deserted(&self) {
        self.until(|steps| steps.open == 0).await;
    }

    async fn step(&self) {
        self.steps.send_modify(|steps| steps.done += 1);
        self.until(|steps| steps.stop_at == 0 || steps.done < steps.stop_at).await;
    }

    async fn until(&self, is_so: impl FnMut(&Steps) -> bool) {
        self.steps.subscribe().wait_for(is_so).await.expect("the deployment is there");
    }

    /// Changes the balancer and returns it.
    pub fn balancer(&self, change: impl FnOnce(&mut Balancer)) -> Balancer {
        let mut balancer = self.balancer.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut balancer);
        balancer.clone()
    }

    /// Answers what a member is asked about its set.
    pub fn about_set(&self, set: &str, name: &str) -> Document {
        let members = self.members_of(set);
        let now = DateTime::now();
        let lines = members.iter().zip(0..).map(|(member, id)| member.described(id, now));
        let (status, config): (Vec<_>, Vec<_>) = lines.unzip();
        if name == "replSetGetStatus" {
            doc! { "set": set, "members": status, "ok": 1.0 }
        } else {
            doc! { "config": { "_id": set, "version": 1, "members": config }, "ok": 1.0 }
        }
    }

    /// Answers what a mongos is asked about its cluster; none if it does not know the command.
    pub fn about_cluster(&self, name: &str) -> Option<Document> {
        let mut sets: Vec<_> = self.members.iter().filter_map(|member| member.set.clone()).collect();
        sets.dedup();
        let place = |set: &str| {
            let members: Vec<_> = self.members_of(set).iter().map(|member| member.address.clone()).collect();
            format!("{set}/{}", members.join(","))
        };
        Some(match name {
            "balancerStatus" => {
                let balancer = self.balancer(|balancer| balancer.round = balancer.round.saturating_sub(1));
                doc! { "mode": balancer.mode, "inBalancerRound": balancer.round > 0, "numBalancerRounds": 7_i64, "ok": 1.0 }
            }
            "balancerStop" | "balancerStart" => {
                let mode = if name == "balancerStop" { "off" } else { "full" };
                self.balancer(|balancer| balancer.mode = mode);
                self.note(name.to_owned());
                doc! { "ok": 1.0 }
            }
            "listShards" => {
                let shards = sets.iter().filter(|set| *set != "config");
                let shards: Vec<_> =
                    shards.map(|set| doc! { "_id": set, "host": place(set), "state": 1 }).collect();
                doc! { "shards": shards, "ok": 1.0 }
            }
            "getShardMap" => {
                let map: Document = sets.iter().map(|set| (set.clone(), place(set).into())).collect();
                doc! { "map": map, "ok": 1.0 }
            }
            _ => return None,
        })
    }

    /// Writes the mark of a backup on the primary of the config servers.
    pub fn mark(&self) -> Document {
        let members = self.members_of("config");
        let number = members.iter().map(|member| member.state().mark.0).max().unwrap_or_default() + 1;
        for member in members {
            member.change(|state| state.mark.0 = number);
        }
        self.note("mark".to_owned());
        doc! { "value": { "_id": "BackupControlDocument", "counter": number }, "ok": 1.0 }
    }

    /// Reads the mark on a member, which may not have it yet.
    pub fn read_mark(member: &Member) -> Document {
        let (number, late) = member.state().mark;
        member.change(|state| state.mark.1 = late.saturating_sub(1));
        let batch = if late > 0 { Vec::new() } else { vec![doc! { "counter": number }] };
        doc! { "cursor": { "firstBatch": batch, "id": 0_i64, "ns": "config.BackupControl" }, "ok": 1.0 }
    }

    /// Returns a name for an event: the set of a member and its number there.
    pub fn name_of(&self, member: &Member) -> String {
        let Some(set) = &member.set else { return "standalone".to_owned() };
        let at = self.members_of(set).iter().position(|other| other.address == member.address);
        format!("{set}/{}", at.expect("a member of its set"))
    }

    /// Returns the addresses that a client is given.
    pub fn seeds(&self) -> Vec<String> {
        let mongos: Vec<_> = self.members.iter().filter(|member| member.role == Role::Mongos).collect();
        let all = if mongos.is_empty() { self.members.iter().collect() } else { mongos };
        all.into_iter().map(|member| member.address.clone()).collect()
    }
}
