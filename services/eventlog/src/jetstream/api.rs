//! Requests to JetStream's API, with errors that a caller can tell apart.

use async_nats::jetstream::context::RequestErrorKind;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::{Context, ErrorCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why JetStream did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Nobody serves JetStream's API here.
    #[error(
        "JetStream is off: the server's configuration needs a `jetstream` block, and the account must be allowed it"
    )]
    Disabled,
    /// The server is gone or slow, or does not permit the request (it then stays silent, too).
    #[error("no answer to {request}: the server is slow, or this user may not ask it")]
    NoAnswer {
        /// What was asked.
        request: String,
    },
    /// The server said no.
    #[error("the server refused {request}")]
    Refused {
        /// What was asked.
        request: String,
        /// Its answer.
        #[source]
        source: async_nats::jetstream::Error,
    },
    /// The request was not sent, or the answer is not understood.
    #[error("{request} failed")]
    Failed {
        /// What was asked.
        request: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ApiError {
    /// Whether the server said exactly this.
    pub(super) fn is(&self, code: ErrorCode) -> bool {
        matches!(self, Self::Refused { source, .. } if source.error_code() == code)
    }
}

/// Asks `$JS.API.<request>`.
pub(super) async fn ask<Q: Serialize, A: DeserializeOwned>(
    context: &Context,
    request: String,
    question: &Q,
) -> Result<A, ApiError> {
    match context.request(request.clone(), question).await {
        Ok(Response::Ok(answer)) => Ok(answer),
        Ok(Response::Err { error })
            if [ErrorCode::JETSTREAM_NOT_ENABLED, ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT]
                .contains(&error.error_code()) =>
        {
            Err(ApiError::Disabled)
        }
        Ok(Response::Err { error }) => Err(ApiError::Refused { request, source: error }),
        Err(error) => Err(match error.kind() {
            RequestErrorKind::NoResponders => ApiError::Disabled,
            RequestErrorKind::TimedOut => ApiError::NoAnswer { request },
            RequestErrorKind::InvalidSubject | RequestErrorKind::Other => {
                ApiError::Failed { request, source: error.into() }
            }
        }),
    }
}
