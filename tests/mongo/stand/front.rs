//! The front of a member: connections, logins, and the answer to each command.

use std::io::Result;
use std::sync::Arc;

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::deployment::Deployment;
use super::member::{Fault, Member, Role};
use super::scram::Scram;
use super::wire::Message;

/// What changes data.
const WRITES: [&str; 9] = [
    "insert",
    "update",
    "delete",
    "findAndModify",
    "create",
    "createIndexes",
    "drop",
    "dropDatabase",
    "renameCollection",
];
/// What changes a lock, the balancer or the mark.
const CHANGES: [&str; 5] = ["fsync", "fsyncUnlock", "balancerStop", "balancerStart", "findAndModify"];
/// What may be asked without a login.
const OPEN: [&str; 6] = ["hello", "isMaster", "ismaster", "saslStart", "saslContinue", "ping"];

/// Serves a member for as long as the test runs.
pub async fn serve(
    listener: TcpListener,
    member: Arc<Member>,
    deployment: Arc<Deployment>,
    tls: Option<tokio_rustls::TlsAcceptor>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (member, deployment, tls) = (Arc::clone(&member), Arc::clone(&deployment), tls.clone());
        tokio::spawn(async move {
            let state = member.state();
            if state.down {
                return member.change(|state| state.turned_away += 1);
            }
            let talk = async {
                match tls {
                    Some(tls) => talk(tls.accept(stream).await?, &member, &deployment).await,
                    None => talk(stream, &member, &deployment).await,
                }
            };
            let served = async {
                tokio::select! {
                    _ = talk => {}
                    () = member.until(|now| now.time != state.time || now.down) => {}
                }
            };
            deployment.connected(served).await;
        });
    }
}

/// What becomes of a command.
enum Answer {
    Reply(Document),
    Forward,
    Cut,
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    member: &Arc<Member>,
    deployment: &Deployment,
) -> Result<()> {
    let mut session = Session { scram: None, known: deployment.login.is_none() };
    let mut backend = None;
    loop {
        let message = Message::read(&mut stream).await?;
        let command = message.command();
        let changes = command.keys().next().is_some_and(|name| CHANGES.contains(&&**name));
        let answer = session.answer(command, member, deployment);
        let answer = if changes { deployment.between_steps(answer).await } else { answer.await };
        match answer {
            Answer::Reply(reply) => message.answer(&reply).write(&mut stream).await?,
            Answer::Cut => return Ok(()),
            Answer::Forward => {
                if backend.is_none() {
                    let address = deployment.backend.as_deref().expect("the test needs FerretDB");
                    backend = Some(TcpStream::connect(address).await?);
                }
                let backend = backend.as_mut().expect("it is connected");
                message.write(backend).await?;
                Message::read(backend).await?.write(&mut stream).await?;
            }
        }
    }
}

/// A connection of a client.
struct Session {
    scram: Option<Scram>,
    known: bool,
}

impl Session {
    async fn answer(&mut self, command: Document, member: &Arc<Member>, deployment: &Deployment) -> Answer {
        let name = command.keys().next().cloned().unwrap_or_default();
        if !self.known && !OPEN.contains(&&*name) {
            return refuse(13, &format!("command {name} requires authentication"));
        }
        if member.role == Role::Mongos
            && let Some(answer) = deployment.about_cluster(&name)
        {
            return Answer::Reply(answer);
        }
        Answer::Reply(match &*name {
            "hello" | "isMaster" | "ismaster" => member.hello(deployment),
            "saslStart" | "saslContinue" => return self.log_in(&name, &command, member, deployment).await,
            "ping" | "endSessions" => doc! { "ok": 1.0 },
            "currentOp" => operations(member),
            "fsync" => return lock(&command, member, deployment).await,
            "fsyncUnlock" => return unlock(member, deployment).await,
            "replSetGetStatus" | "replSetGetConfig" => match &member.set {
                Some(set) => deployment.about_set(set, &name),
                None => return refuse(76, "not running with --replSet"),
            },
            "findAndModify" if is_mark(&command, &name) && !member.state().primary => {
                return refuse(10107, "not primary");
            }
            "findAndModify" if is_mark(&command, &name) => deployment.mark(),
            "find" if is_mark(&command, &name) => Deployment::read_mark(member),
            _ if WRITES.contains(&&*name) => {
                member.change(|state| state.stalled += u32::from(state.locks > 0));
                member.until(|state| state.locks == 0).await;
                if deployment.backend.is_some() {
                    return Answer::Forward;
                }
                // Where data do not matter, they are acknowledged and forgotten.
                doc! { "n": 1, "ok": 1.0 }
            }
            _ if deployment.backend.is_some() => return Answer::Forward,
            _ => return refuse(59, &format!("no such command: '{name}'")),
        })
    }

    /// A locked member cannot always log anybody in; here it never does.
    async fn log_in(
        &mut self,
        name: &str,
        command: &Document,
        member: &Member,
        deployment: &Deployment,
    ) -> Answer {
        let Some((user, password)) = &deployment.login else { return refuse(18, "Authentication failed.") };
        if member.state().locks > 0 {
            member.change(|state| state.late_logins += 1);
            member.until(|state| state.locks == 0).await;
        }
        let payload = command.get_binary_generic("payload").expect("a payload");
        let said = String::from_utf8(payload.clone()).expect("text");
        let answer = if name == "saslStart" {
            let (scram, answer) = Scram::begin(password, &said);
            self.scram = said.contains(&format!("n={user},")).then_some(scram);
            Some(answer)
        } else if said.is_empty() {
            Some(String::new())
        } else {
            self.scram.as_ref().and_then(|scram| scram.end(&said))
        };
        let Some(answer) = answer else { return refuse(18, "Authentication failed.") };
        self.known = name == "saslContinue";
        let payload = Binary { subtype: BinarySubtype::Generic, bytes: answer.into_bytes() };
        Answer::Reply(doc! { "conversationId": 1, "done": self.known, "payload": payload, "ok": 1.0 })
    }
}

fn is_mark(command: &Document, name: &str) -> bool {
    command.get_str(name).is_ok_and(|collection| collection == "BackupControl")
}

fn operations(member: &Member) -> Document {
    member.change(|state| state.looks_while_waiting += u32::from(!state.waiting.is_empty()));
    let state = member.state();
    let waiting = |comment: &String| doc! { "command": { "fsync": 1, "lock": true, "comment": comment } };
    let mut answer = doc! { "inprog": state.waiting.iter().map(waiting).collect::<Vec<_>>(), "ok": 1.0 };
    if state.locks > 0 {
        answer.insert("fsyncLock", true);
    }
    answer
}

async fn lock(command: &Document, member: &Arc<Member>, deployment: &Deployment) -> Answer {
    if member.suffers(Fault::RefuseLock) {
        return refuse(72, "the storage engine does not support it");
    }
    if command.contains_key("fsyncLockAcquisitionTimeoutMillis") && member.suffers(Fault::UnknownField) {
        return refuse(40415, "BSON field 'fsync.fsyncLockAcquisitionTimeoutMillis' is an unknown field.");
    }
    member.change(|state| state.asked.0 += 1);
    if member.suffers(Fault::CutBeforeLock) {
        return Answer::Cut;
    }
    if member.suffers(Fault::OtherIsQuicker) {
        member.change(|state| state.locks += 1);
    }
    let comment = command.get_str("comment").unwrap_or_default().to_owned();
    // A lock that waits is taken whether its client waits or not.
    let locking = Arc::clone(member);
    let count = tokio::spawn(async move { locking.lock(comment).await }).await.expect("it is locked");
    deployment.note(format!("lock {}", deployment.name_of(member)));
    if member.suffers(Fault::CutAfterLock) {
        return Answer::Cut;
    }
    let info = "now locked against writes, use db.fsyncUnlock() to unlock";
    Answer::Reply(doc! { "info": info, "lockCount": i64::from(count), "ok": 1.0 })
}

async fn unlock(member: &Member, deployment: &Deployment) -> Answer {
    member.change(|state| state.asked.1 += 1);
    // It waits for a lock that waits, as mongod does.
    member.until(|state| state.waiting.is_empty()).await;
    let Some(left) = member.state().locks.checked_sub(1) else {
        return refuse(20, "fsyncUnlock called when not locked");
    };
    member.change(|state| state.locks = left);
    deployment.note(format!("unlock {}", deployment.name_of(member)));
    if member.suffers(Fault::CutAfterUnlock) {
        return Answer::Cut;
    }
    Answer::Reply(doc! { "info": "fsyncUnlock completed", "lockCount": i64::from(left), "ok": 1.0 })
}

fn refuse(code: i32, why: &str) -> Answer {
    Answer::Reply(doc! { "ok": 0.0, "errmsg": why, "code": code, "codeName": "Refused" })
}
