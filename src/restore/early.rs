//! Services that begin before their turn.
//!
//! The API server allots addresses to Services one after the other, however many are asked of it at once, and has room for
//! other items meanwhile. So a few of them at a time go beside the classes before theirs; the rest come in their own turn. Only
//! those go ahead of which nobody but the API server makes something: an operator that finds a Service first may make the Secret
//! that the backup holds, too.

use std::collections::HashSet;

use futures::stream::{BoxStream, StreamExt as _};

use super::apply::{Applied, Turn};
use super::error::RestoreError;
use super::inventory::EntryId;
use super::plan::Step;
use super::source::{Body, Source};

/// So many are under way at once. More would only wait in the API server.
const AT_ONCE: usize = 4;

/// Who wants fewer requests at once than this wants them in order.
const FEW: usize = 4 * AT_ONCE;

/// What begins early.
#[derive(Default)]
pub struct Early<'a> {
    source: Option<&'a Source>,
    bodies: Option<BoxStream<'a, Result<Body, RestoreError>>>,
    turn: Turn,
    running: HashSet<EntryId>,
    /// Put off until those before them are there.
    put_off: Vec<EntryId>,
    /// One that asks for a port or an address has to wait for its own turn, and so have all that take any.
    closed: bool,
    begun: HashSet<EntryId>,
}

impl<'a> Early<'a> {
    /// Of these steps; `parallel`: items that may be under way in all.
    pub fn of(source: &'a Source, steps: &[Step], parallel: usize) -> Result<Self, RestoreError> {
        let step = steps.iter().find(|step| step.early && parallel > FEW);
        let is_service =
            |id: &EntryId| source.inventory.kind(source.inventory.entry(*id)).as_str() == "services";
        let services = |step: &Step| step.entries.iter().copied().filter(is_service).collect::<Vec<_>>();
        Ok(Self {
            source: Some(source),
            bodies: step.map(|step| source.bodies(&services(step))).transpose()?,
            turn: Turn { ahead: true, put_off: false },
            ..Self::default()
        })
    }

    /// The items of a step that have not begun. What begins early ends with its own turn.
    pub fn left_of(&mut self, step: &Step) -> Vec<EntryId> {
        if step.early {
            self.bodies = None;
        }
        step.entries.iter().copied().filter(|id| !self.begun.contains(id)).collect()
    }

    /// Whether another one may begin now.
    pub fn has_room(&self) -> bool {
        self.bodies.is_some() && self.running.len() < AT_ONCE
    }

    /// The next item, its body and its turn; None when there is none now.
    pub async fn next(&mut self) -> Option<Result<(Body, Turn), RestoreError>> {
        loop {
            match self.bodies.as_mut()?.next().await {
                Some(Ok(body)) => {
                    self.running.insert(body.0);
                    self.begun.insert(body.0);
                    return Some(Ok((body, self.turn)));
                }
                Some(Err(error)) => return Some(Err(error)),
                None if !self.running.is_empty() => return None,
                None => match self.begin_again() {
                    Ok(bodies) => self.bodies = bodies,
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }

    /// Those that were put off, once: what asks for a port or an address is there.
    fn begin_again(&mut self) -> Result<Option<BoxStream<'a, Result<Body, RestoreError>>>, RestoreError> {
        let mut entries = std::mem::take(&mut self.put_off);
        entries.sort_unstable();
        let over = self.closed || entries.is_empty() || std::mem::replace(&mut self.turn.put_off, true);
        self.source.filter(|_| !over).map(|source| source.bodies(&entries)).transpose()
    }

    /// Takes what an item came to, and gives it back unless the item is only put off: its turn comes again here or in its step.
    pub fn sift(&mut self, id: EntryId, applied: Applied) -> Option<Applied> {
        match applied {
            Applied::Later { asks } if self.running.remove(&id) => {
                self.closed |= asks;
                self.begun.remove(&id);
                self.put_off.push(id);
                None
            }
            applied => {
                self.running.remove(&id);
                Some(applied)
            }
        }
    }
}
