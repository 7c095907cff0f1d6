//! Writes an error and its causes as one sentence, for people. Pure.

use std::error::Error;

/// The name that a service gave to a request, for whoever asks the people who run the service.
/// Each try has another.
#[derive(Clone, Debug, thiserror::Error)]
#[error("request {0}")]
pub struct RequestId(pub String);

/// Returns an error and its causes in one sentence: `reading x: permission denied`.
pub fn causes(error: &dyn Error) -> String {
    sentence(error, |_| true)
}

/// Returns the same without what is new at each try, for a status: a status that changes wakes
/// whoever watches it.
pub fn lasting(error: &dyn Error) -> String {
    sentence(error, |cause| !cause.is::<RequestId>())
}

fn sentence(error: &dyn Error, is_told: impl Fn(&(dyn Error + 'static)) -> bool) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Transparent wrappers, and libraries that repeat their cause, would say the same twice.
        if is_told(cause) && !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the service answered 403")]
    struct Answer(#[source] RequestId);

    #[test]
    fn what_lasts_of_an_error_is_the_same_at_each_try() {
        let answer = |id: &str| Answer(RequestId(id.to_owned()));
        assert_eq!(causes(&answer("AB12")), "the service answered 403: request AB12");
        assert_eq!(lasting(&answer("AB12")), lasting(&answer("CD34")));
        assert_eq!(lasting(&answer("AB12")), "the service answered 403");
    }
}
