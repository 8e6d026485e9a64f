//! `/token`: the token service, as clients find it by our challenges (distribution's token specification).

use http::{Method, StatusCode};

use crate::access::{Caller, Issued};
use crate::error::Refusal;
use crate::registry::{Answer, Registry, json};
use crate::route::RouteError;

impl Registry {
    /// Answers a request for a token.
    pub(crate) async fn give_token(&self, method: &Method, caller: &Caller<'_>, query: Option<&str>) -> Answer {
        if *method != Method::GET {
            return Err(Refusal::Method(method.clone()));
        }
        match self.settings().access.token(caller, query).await {
            Issued::Unknown => Err(RouteError::Nothing.into()),
            Issued::Refused(challenge) => Err(Refusal::Unauthorized { challenge }),
            Issued::Given { token, seconds } => {
                let body = serde_json::json!({ "token": token, "access_token": token, "expires_in": seconds });
                let mut response = json(StatusCode::OK, "application/json", body.to_string());
                response.headers_mut().insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
                Ok(response)
            }
        }
    }
}
