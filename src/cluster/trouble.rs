//! The trouble behind a failed call, found once, when the answer is read ([`super::failure`]), and
//! asked three questions. May the same call be repeated at once ([`super::policy`])? Does the
//! trouble pass by itself within minutes ([`Trouble::passes`])? May the refused object exist
//! already ([`Trouble::is_refusal`])? Pure.

/// The trouble behind a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No API server answered: the connection failed, or something in front of the server
    /// answered.
    Away,
    /// The connection broke each time, while the server answered others.
    Broken,
    /// The credentials are not accepted.
    Credentials,
    /// The server does not know the revision yet, or never will, because it has revisions of its
    /// own.
    Ahead,
    /// The server is overloaded.
    Load,
    /// The API server's own store failed, or the server says itself when to come back. Another try
    /// soon meets a new etcd leader.
    Store,
    /// The API server, or an admission plug-in, failed internally.
    Inside,
    /// A webhook did not answer; its pods may be up in a minute.
    Webhook,
    /// The kind is not served, by this API server or not yet.
    Kind,
    /// The namespace does not exist.
    Namespace,
    /// Another object does not exist.
    Missing,
    /// An object of this name exists.
    Exists,
    /// Somebody else changed the object, or a quota, in between.
    Race,
    /// Something that a controller is about to create or to delete does not exist yet, or still
    /// exists.
    NotYet,
    /// The object is too large to be stored.
    TooLarge,
    /// The object is refused, for its form, by a rule, or for lack of permission.
    Refused,
    /// A status code of the 5xx that API servers do not use.
    Strange,
    /// Anything else.
    #[default]
    Other,
}

impl Trouble {
    /// Returns true if the trouble passes without anybody acting, though maybe only in minutes.
    pub fn passes(self) -> bool {
        match self {
            Self::Away | Self::Broken | Self::Ahead | Self::Load | Self::Store | Self::Inside => true,
            Self::Webhook | Self::Kind | Self::Namespace | Self::Race | Self::NotYet | Self::Strange => true,
            Self::Credentials | Self::Missing | Self::Exists | Self::TooLarge => false,
            Self::Refused | Self::Other => false,
        }
    }

    /// Returns true if the API server examined the object and did not accept it, so that the
    /// object may exist already.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::Exists | Self::Race | Self::NotYet | Self::Refused => true,
            Self::Store | Self::Inside | Self::Webhook => true,
            Self::Away | Self::Broken | Self::Credentials | Self::Ahead | Self::Load | Self::Kind => false,
            Self::Namespace | Self::Missing | Self::TooLarge | Self::Strange | Self::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, StatusCode};

    use super::*;
    use crate::cluster::failure::read_failure;
    use crate::cluster::policy::{Blame, Patience, blame};
    use crate::cluster::{ClusterError, script};

    fn failed(code: u16, reason: &str, message: &str, more: &str) -> ClusterError {
        let answer = script::failure(code, reason, message, more);
        let code = StatusCode::from_u16(code).unwrap();
        Box::new(read_failure("create pods".into(), code, &HeaderMap::new(), answer.body.as_bytes())).into()
    }

    /// The answers: methods that are repeated at once, whether the trouble passes, whether the
    /// object may exist.
    #[test]
    fn each_failure_is_one_trouble_and_has_three_answers() {
        use Trouble::*;
        let named = r#""details":{"name":"web"}"#;
        let ending = r#""details":{"causes":[{"reason":"NamespaceTerminating"}]}"#;
        let ahead = r#""details":{"causes":[{"reason":"ResourceVersionTooLarge"}]}"#;
        let soon = r#""details":{"retryAfterSeconds":1}"#;
        let (revision, webhook) = ("required revision is a future revision", "failed calling webhook");
        for (code, reason, message, more, trouble, answers) in [
            (504, "Timeout", "Too large resource version", ahead, Ahead, "GET POST passes"),
            (500, "", revision, "", Ahead, "GET POST passes"),
            (429, "TooManyRequests", "slow down", "", Load, "GET POST passes"),
            (503, "ServiceUnavailable", "no endpoints", "", Load, "GET POST passes"),
            (504, "Timeout", "request did not complete", "", Load, "GET POST passes"),
            (500, "InternalError", "etcdserver: leader changed", "", Store, "GET POST passes there"),
            (500, "InternalError", webhook, soon, Store, "GET POST passes there"),
            (500, "InternalError", webhook, "", Webhook, "GET passes there"),
            (500, "", "conversion webhook for x failed", "", Webhook, "GET passes"),
            (500, "InternalError", "panic", "", Inside, "GET passes there"),
            (500, "", "etcdserver: request is too large", "", TooLarge, ""),
            (413, "RequestEntityTooLarge", "too large", "", TooLarge, ""),
            (404, "NotFound", "could not find the requested resource", "", Kind, "POST passes"),
            (404, "NotFound", r#"namespaces \"shop\" not found"#, named, Namespace, "passes"),
            (404, "NotFound", r#"pods \"web\" not found"#, named, Missing, ""),
            (409, "AlreadyExists", "it exists", named, Exists, "there"),
            (409, "Conflict", "the object has been modified", "", Race, "POST passes there"),
            (403, "Forbidden", "status unknown for quota: small", "", NotYet, "passes there"),
            (403, "Forbidden", "no", ending, NotYet, "passes there"),
            (403, "Forbidden", "exceeded quota: small", "", Refused, "there"),
            (422, "Invalid", "port is taken", "", Refused, "there"),
            (403, "", "<html>", "", Refused, ""),
            (521, "", "", "", Strange, "passes"),
            (405, "MethodNotAllowed", "no", "", Other, ""),
        ] {
            let error = failed(code, reason, message, more);
            assert_eq!(error.trouble(), trouble, "{code} {message}");
            let again = |method| blame(error.trouble(), &method, Patience::PATIENT) != Blame::Final;
            let told = [
                ("GET", again(Method::GET)),
                ("POST", again(Method::POST)),
                ("passes", error.passes()),
                ("there", error.may_be_there()),
            ];
            let told: Vec<&str> = told.iter().filter(|(_, yes)| *yes).map(|(word, _)| *word).collect();
            assert_eq!(told.join(" "), answers, "{code} {message}");
        }
    }

    #[test]
    fn what_a_proxy_says_in_place_of_the_server_is_that_it_is_away() {
        let page = |code: u16| {
            let code = StatusCode::from_u16(code).unwrap();
            read_failure("get pods".into(), code, &HeaderMap::new(), b"<html>bad gateway").trouble
        };
        assert_eq!([502, 503, 504].map(page), [Trouble::Away; 3]);
        assert_eq!(page(500), Trouble::Inside);
        assert!(Trouble::Away.passes() && !Trouble::Away.is_refusal());
    }
}
