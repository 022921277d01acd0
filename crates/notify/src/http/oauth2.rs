//! Tokens by the client credentials grant of OAuth 2.0 (RFC 6749, 4.4).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use tokio::sync::Mutex;

use super::client::Client;
use super::proxy::Proxy;
use super::settings::{HttpSettings, basic};
use super::tls::Tls;
use super::{Address, Answer, Call, Failure};
use crate::secret::{Secret, Source};
use crate::settings::Settings;

/// How long before its end a token is not used any more.
const EARLY: Duration = Duration::from_secs(10);

/// How long a token is used whose end nobody tells.
const LIFE: Duration = Duration::from_secs(3600);

/// Longest life that an answer can give a token.
const LIFE_MAX: Duration = Duration::from_secs(86_400);

/// How tokens are asked for.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    client: String,
    secret: Source,
    url: Address,
    /// Fields of the form beside the kind of grant.
    fields: Vec<(String, String)>,
    /// How the requests for tokens are made.
    pub(super) http: HttpSettings,
}

impl Grant {
    /// # Errors
    /// Keys that are missing, and what cannot be used.
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Option<Grant>, String> {
        settings.nested("oauth2", |grant| {
            let scopes: Vec<String> = grant.value("scopes")?;
            let further: BTreeMap<String, String> = grant.value("endpoint_params")?;
            let scope = Some(("scope".to_owned(), scopes.join(" "))).filter(|(_, scopes)| !scopes.is_empty());
            let url: String = grant.needed("token_url")?;
            Ok(Grant {
                client: grant.needed("client_id")?,
                secret: grant.secret("client_secret")?,
                url: Address::parse(&url).map_err(|why| format!("`token_url` is {why}"))?,
                fields: scope.into_iter().chain(further).collect(),
                http: HttpSettings::open(Proxy::read(grant)?, Tls::read(grant)?),
            })
        })
    }

    /// The client is known by its header or, where a server does not take that, by fields of the form (2.3.1).
    fn call(&self, secret: &Secret, is_by_header: bool) -> Result<Call, String> {
        let mut fields = vec![("grant_type", "client_credentials")];
        fields.extend(self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if is_by_header {
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let value = basic(&encoded(&self.client), &encoded(secret.reveal()));
            let call = Call::form(self.url.clone(), &fields).hiding(secret.clone());
            return call.secret_header(AUTHORIZATION, &value);
        }
        fields.extend([("client_id", self.client.as_str()), ("client_secret", secret.reveal())]);
        Ok(Call::form(self.url.clone(), &fields).hiding(secret.clone()))
    }
}

/// The token of a grant, asked for when it is needed.
#[derive(Debug)]
pub(super) struct Tokens {
    grant: Grant,
    client: Client,
    held: Mutex<Option<(Secret, Instant)>>,
}

impl Tokens {
    pub(super) fn new(grant: Grant, client: Client) -> Tokens {
        Tokens { grant, client, held: Mutex::new(None) }
    }

    /// A token that is good now; `refused` is one that is not.
    ///
    /// # Errors
    /// None is given.
    pub(super) async fn get(&self, refused: Option<&Secret>) -> Result<Secret, Failure> {
        let mut held = self.held.lock().await;
        if let Some((token, until)) = &*held
            && Instant::now() < *until
            && refused != Some(token)
        {
            return Ok(token.clone());
        }
        *held = None;
        let (token, life) = self.ask().await?;
        *held = Some((token.clone(), Instant::now() + life.saturating_sub(EARLY)));
        Ok(token)
    }

    async fn ask(&self) -> Result<(Secret, Duration), Failure> {
        let secret = self.grant.secret.read().map_err(Failure::NotMade)?;
        let mut answer = Answer::default();
        for is_by_header in [true, false] {
            let call = self.grant.call(&secret, is_by_header).map_err(Failure::NotMade)?;
            answer = self.client.exchange(call).await?;
            if !matches!(answer.status, 400 | 401) {
                break;
            }
        }
        let given = answer.json().filter(|_| answer.status == 200);
        let token =
            given.as_ref().and_then(|given| given["access_token"].as_str()).filter(|token| !token.is_empty());
        let (Some(given), Some(token)) = (&given, token) else {
            // An answer that is taken for success may hold a token.
            let told = if answer.status == 200 { "200, without a token".to_owned() } else { answer.told() };
            return Err(Failure::NotMade(format!("oauth2: {}: {told}", self.grant.url)));
        };
        let life = given["expires_in"].as_f64().and_then(|life| Duration::try_from_secs_f64(life).ok());
        Ok((Secret::new(token), life.unwrap_or(LIFE).min(LIFE_MAX)))
    }
}
