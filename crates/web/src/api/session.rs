//! Signing in and out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, FromRequest, Request, State};
use axum::response::IntoResponse;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use crate::auth::Caller;
use crate::body::{Auth, Login, Status};
use crate::error::ApiError;
use crate::gate::Peer;
use crate::router::Site;

/// Time allowed for the body of a request.
const BODY_TIME: Duration = Duration::from_secs(10);

/// `GET /api/v1/status`: for everybody, so that the dashboard knows whether to ask for the token.
pub(crate) async fn status(
    State(site): State<Arc<Site>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
) -> Json<Status> {
    let about = &site.asker.ports().about;
    let auth = Auth {
        required: site.authority.is_required(),
        authenticated: site.caller(peer.ip(), &headers, Instant::now()).is_known(),
    };
    Json(Status { version: about.version.clone(), started_at: about.started_at, auth })
}

/// `POST /api/v1/login`: the token for a session cookie.
pub(crate) async fn login(
    State(site): State<Arc<Site>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    request: Request,
) -> Result<impl IntoResponse, ApiError> {
    if !site.authority.is_required() {
        let message = "no token is configured, so there is nothing to sign in to";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "no_token", message)
            .hint("every request from this machine is answered as it is"));
    }
    let login = body(request).await?;
    let now = Instant::now();
    match site.authority.check(peer.ip(), &login.token, now) {
        Caller::Guesser(wait) => Err(ApiError::too_many_attempts(wait)),
        Caller::Stranger => Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_token", "the token is wrong")
            .hint("it is the content of the file that `admin.token_file` names")),
        Caller::Anybody | Caller::Token | Caller::Session => {
            let cookie = site
                .authority
                .sign_in(&headers, now)
                .map_err(|_| ApiError::internal("the system gives no random numbers for a session"))?;
            Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]))
        }
    }
}

/// `POST /api/v1/logout`: ends the session of the cookie.
pub(crate) async fn logout(State(site): State<Arc<Site>>, headers: HeaderMap) -> impl IntoResponse {
    (StatusCode::NO_CONTENT, [(SET_COOKIE, site.authority.sign_out(&headers))])
}

async fn body(request: Request) -> Result<Login, ApiError> {
    let read = tokio::time::timeout(BODY_TIME, Json::<Login>::from_request(request, &())).await;
    let slow = |_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not come in time");
    let Json(login) = read.map_err(slow)?.map_err(|rejection: JsonRejection| {
        let code = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { "too_large" } else { "bad_body" };
        ApiError::new(rejection.status(), code, "the body is not the JSON that is expected here")
            .hint("send `Content-Type: application/json` and `{\"token\": \"…\"}`, at most 64 KiB")
    })?;
    Ok(login)
}
