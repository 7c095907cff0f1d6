//! Writes an error and its causes as one sentence, for people. Pure.
//!
//! The sentence keeps the order of all messages: what was being done, on what, why it failed, what
//! to do. An error therefore writes its advice behind a semicolon, and its causes come before it.

use std::error::Error;

/// The underlying cause of an error.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The name that a service gave to a request, for whoever asks the people who run the service.
/// Each try has another.
#[derive(Clone, Debug, thiserror::Error)]
#[error("request {0}")]
pub struct RequestId(pub String);

/// The innermost cause of an error of a client library, whose own errors repeat each other and nest
/// too deeply for a person.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct RootCause(pub String);

impl RootCause {
    /// Returns the innermost cause of an error, or the error itself if it has none.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        Self(chain(error).last().map(ToString::to_string).unwrap_or_default())
    }
}

/// Returns an error and its causes, the outermost first.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Returns an error and its causes in one sentence: `reading x: permission denied; ask for the
/// right to read it`.
pub fn causes(error: &dyn Error) -> String {
    sentence(error, |_| true)
}

/// Returns the same without what is new at each try, for a status: a status that changes wakes
/// whoever watches it.
pub fn lasting(error: &dyn Error) -> String {
    sentence(error, |cause| !cause.is::<RequestId>())
}

fn sentence(error: &dyn Error, is_told: impl Fn(&(dyn Error + 'static)) -> bool) -> String {
    let text = error.to_string();
    let (fault, advice) = split(&text);
    let (mut faults, mut advices) = (fault.to_owned(), advice.to_owned());
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        let (fault, advice) = split(&text);
        // Transparent wrappers, and libraries that repeat their cause, would say the same twice.
        if is_told(cause) && !faults.contains(fault) {
            faults = format!("{faults}: {fault}");
            advices.insert_str(0, advice);
        }
        source = cause.source();
    }
    faults + &advices
}

/// Splits the text of an error before its advice, which keeps its semicolon.
fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find("; ").unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the service answered 403")]
    struct Answer(#[source] RequestId);

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Cause>,
    }

    fn link(text: &'static str, source: Option<Cause>) -> Link {
        Link { text, source }
    }

    #[test]
    fn what_lasts_of_an_error_is_the_same_at_each_try() {
        let answer = |id: &str| Answer(RequestId(id.to_owned()));
        assert_eq!(causes(&answer("AB12")), "the service answered 403: request AB12");
        assert_eq!(lasting(&answer("AB12")), lasting(&answer("CD34")));
        assert_eq!(lasting(&answer("AB12")), "the service answered 403");
    }

    #[test]
    fn causes_come_before_what_to_do_the_nearest_advice_first() {
        let refused = link("connection refused", None);
        let unreachable = link("cannot reach b; check the network", Some(refused.into()));
        let error = link("cannot read a; try again", Some(unreachable.into()));
        assert_eq!(
            causes(&error),
            "cannot read a: cannot reach b: connection refused; check the network; try again"
        );
    }

    #[test]
    fn a_cause_that_is_repeated_is_told_once() {
        let broken = |text| link(text, Some(link("line 3; column 4", None).into()));
        assert_eq!(causes(&broken("no YAML: line 3; column 4")), "no YAML: line 3; column 4");
        assert_eq!(causes(&broken("no YAML")), "no YAML: line 3; column 4");
    }

    #[test]
    fn the_root_cause_is_the_innermost() {
        let error = link("client error", Some(link("connection refused", None).into()));
        assert_eq!(RootCause::of(&error).to_string(), "connection refused");
        assert_eq!(RootCause::of(&link("alone", None)).to_string(), "alone");
    }
}
