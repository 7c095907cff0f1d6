//! The fields of a request, and of the answer that it waits for. Pure.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Duration;

/// A request, and the answer that it waits for. In `path`, `body` and `poll.path`, `{backup}` is
/// the name of the backup. Redirects are not followed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.service) != has(self.url)", "exactly one of service and url says whom to ask"),
    validation = ("!(has(self.body) && has(self.bodyFrom))", "body and bodyFrom exclude each other"),
    validation = ("!(has(self.basicAuth) && has(self.bearerToken))", "basicAuth and bearerToken exclude each other"),
    validation = ("!(has(self.caCert) && has(self.caCertFrom))", "caCert and caCertFrom exclude each other")
)]
pub struct HttpAction {
    /// Service to ask, in the action's namespace; never through a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<HttpService>,
    /// Server to ask: scheme, host and port, without a path, for example
    /// `https://search.example.com:9200`; through the proxy that HTTPS_PROXY or HTTP_PROXY names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub url: Option<String>,
    /// Method; default: GET. GET, PUT and DELETE are sent again after 429, 502, 503, 504 and a
    /// connection that broke, POST and PATCH only where no connection came about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<HttpMethod>,
    /// Path and query, for example `/_snapshot/nightly/{backup}?wait_for_completion=false`.
    #[schemars(length(min = 1, max = 2048))]
    pub path: String,
    /// Headers; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub headers: Vec<HttpHeader>,
    /// Body. With a `Content-Type` among the headers it is of that type, else JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub body: Option<String>,
    /// Body from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_from: Option<SecretValue>,
    /// User and password from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// Token from a Secret, sent as `Authorization: Bearer …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<SecretValue>,
    /// Certificates (PEM) of the authorities that sign the server's certificate; default: those
    /// that the machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub ca_cert: Option<String>,
    /// The same from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_cert_from: Option<SecretValue>,
    /// The answer to the request that is a success; default: a status from 200 to 299.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<HttpExpectation>,
    /// Asks again and again after the request until what it began is done; default: the action is
    /// done with the answer to the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<HttpPoll>,
}

/// A Service and its port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpService {
    /// Name of the Service.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Port of the Service, as a number.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Protocol; default: http.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<HttpScheme>,
}

/// Protocol of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HttpScheme {
    /// Without TLS.
    #[default]
    Http,
    /// With TLS.
    Https,
}

/// Method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// GET.
    #[default]
    Get,
    /// PUT.
    Put,
    /// POST.
    Post,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

/// A header, with its value or with a key of a Secret that has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.value) != has(self.valueFrom)", "a header has either value or valueFrom"))]
pub struct HttpHeader {
    /// Name, for example `Content-Type`.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Value; credentials belong into a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// Value from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<SecretValue>,
}

/// A key of a Secret in the action's namespace. Its value is shown nowhere; a line break at its end
/// is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretValue {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// User and password in a Secret of the action's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key of the user; default: `username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub username_key: Option<String>,
    /// User, where the Secret does not have it, for example `elastic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub username: Option<String>,
    /// Key of the password; default: `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub password_key: Option<String>,
}

/// The answer to the request that is a success; what is said of status and body must both hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpExpectation {
    /// Status codes that are a success, for example `[200, 409]`; default: 200 to 299.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(range(min = 100, max = 599)))]
    pub status: Vec<u16>,
    /// A value in the body that says how it went; default: the body says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<HttpVerdict>,
}

/// A value in a JSON body, and what it means. A number, true, false and null are written as in
/// JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpVerdict {
    /// Where the value is, as a JSON pointer (RFC 6901): `/snapshots/0/state` is what kubectl
    /// writes as `{.snapshots[0].state}`.
    #[schemars(length(min = 1, max = 512))]
    pub pointer: String,
    /// Values that mean success.
    #[schemars(length(min = 1, max = 32), inner(length(max = 256)))]
    pub done: Vec<String>,
    /// Values that mean failure; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 256)))]
    pub failed: Vec<String>,
}

/// Requests to the same server, with the same headers and credentials, until the value in the body
/// means success or failure. The action's timeout bounds all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpPoll {
    /// Path and query, for example `/_snapshot/nightly/{backup}`.
    #[schemars(length(min = 1, max = 2048))]
    pub path: String,
    /// Method; default: GET. Whatever it is, the request is sent again and again, without the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<HttpMethod>,
    /// Time between two requests, for example `10s`; default: 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// The value that is waited for. While it is another one, or is not there, it is asked for
    /// again; a status other than 200 to 299 is a failure, unless it is one after which a GET is
    /// sent again.
    pub json: HttpVerdict,
}
