//! A deployment of MongoDB for one test: a front for each member, on a port of its own.

mod deployment;
mod ferretdb;
mod front;
mod member;
mod scram;
mod wire;

use std::sync::Arc;

use tokio::net::TcpListener;

pub use deployment::Deployment;
pub use ferretdb::FerretDb;
pub use member::{Fault, Member, Role};

/// A deployment that lasts as long as its test.
pub struct Stand {
    deployment: Arc<Deployment>,
}

/// What is peculiar to a stand; by default nothing is.
#[derive(Default)]
pub struct Peculiarities {
    /// User and password, without which nobody may ask anything.
    pub login: Option<(String, String)>,
    /// Where FerretDB listens.
    pub backend: Option<String>,
    /// Encrypts all connections.
    pub tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Stand {
    /// Starts a server without replication.
    pub async fn standalone(peculiarities: Peculiarities) -> Self {
        Self::start(&[(None, Role::Data)], peculiarities).await
    }

    /// Starts a replica set `rs0`, whose first member is its primary.
    pub async fn replica_set(members: &[Role], peculiarities: Peculiarities) -> Self {
        let members: Vec<_> = members.iter().map(|role| (Some("rs0"), *role)).collect();
        Self::start(&members, peculiarities).await
    }

    /// Starts a mongos, config servers and the shards `s0` and `s1`, each of three members.
    pub async fn sharded(peculiarities: Peculiarities) -> Self {
        let sets = ["config", "s0", "s1"].into_iter().flat_map(|set| [(Some(set), Role::Data); 3]);
        let members: Vec<_> = sets.chain([(None, Role::Mongos)]).collect();
        Self::start(&members, peculiarities).await
    }

    async fn start(members: &[(Option<&str>, Role)], peculiarities: Peculiarities) -> Self {
        let Peculiarities { login, backend, tls } = peculiarities;
        let mut deployment = Deployment::new(login, backend);
        let mut listeners = Vec::new();
        for (set, role) in members {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = format!("localhost:{}", listener.local_addr().expect("it is bound").port());
            let primary = set.is_some_and(|set| deployment.members_of(set).is_empty());
            deployment.members.push(Arc::new(Member::new(&address, *set, *role, primary)));
            listeners.push(listener);
        }
        let deployment = Arc::new(deployment);
        for (listener, member) in listeners.into_iter().zip(&deployment.members) {
            let member = Arc::clone(member);
            tokio::spawn(front::serve(listener, member, Arc::clone(&deployment), tls.clone()));
        }
        Self { deployment }
    }

    /// Returns the URI that a client is given, without credentials.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/", self.deployment.seeds().join(","))
    }

    /// Returns a member by its number, in the order of the start.
    pub fn member(&self, at: usize) -> &Member {
        &self.deployment.members[at]
    }

    /// Returns the members together.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Returns how many locks there are in all.
    pub fn locks(&self) -> u32 {
        self.deployment.members.iter().map(|member| member.state().locks).sum()
    }
}
