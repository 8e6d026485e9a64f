//! Tokens: what a client shows in place of a password, for some minutes and some repositories (distribution's token specification).
//!
//! A token is a JWT, signed with ES256 and no other way: what its header asks for is not believed.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// The longest token that is looked at: one for a hundred repositories has some kilobytes.
const MAX_TOKEN: usize = 32 << 10;
/// By how much clocks of servers that share a key may differ.
const SKEW: u64 = 30;

/// Makes and checks tokens.
pub struct Tokens {
    key: EcdsaKeyPair,
    service: String,
    lifetime: Duration,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// For whom; nothing for nobody in particular.
    pub sub: String,
    /// For which registry.
    pub aud: String,
    /// Until when, in seconds since 1970.
    pub exp: u64,
    /// From when.
    pub nbf: u64,
    /// When it was made.
    pub iat: u64,
    /// Its own name.
    pub jti: String,
    /// What it is good for.
    pub access: Vec<Grant>,
}

/// What a token allows in one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// `repository`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `pull`, `push`, `delete`.
    pub actions: Vec<String>,
}

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token of ours.
    #[error("it is no token")]
    Form,
    /// It asks to be checked in another way than by ES256.
    #[error("it is not signed with ES256")]
    Algorithm,
    /// Its signature is not ours.
    #[error("its signature is wrong")]
    Signature,
    /// It is for another registry.
    #[error("it is for `{0}`")]
    Audience(String),
    /// It is too old.
    #[error("it has expired")]
    Expired,
    /// It is from the future.
    #[error("it does not count yet")]
    Early,
}

/// The key can not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not what it should be.
    #[error(
        "the key for tokens is no ECDSA P-256 key in PKCS#8 PEM; `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one"
    )]
    Form,
    /// It can not be made.
    #[error("a key for tokens can not be made: there is no randomness")]
    Random,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("service", &self.service).field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

const HEADER: &str = r#"{"alg":"ES256","typ":"JWT"}"#;

impl Tokens {
    /// Uses a key that several servers share, as PEM.
    pub fn from_pem(pem: &str, service: &str, lifetime: Duration) -> Result<Self, KeyError> {
        let body: String = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(body).map_err(|_| KeyError::Form)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map_err(|_| KeyError::Form)?;
        Ok(Self { key, service: service.to_owned(), lifetime })
    }

    /// Makes a key that ends with this process, and with it all tokens.
    pub fn with_own_key(service: &str, lifetime: Duration) -> Result<Self, KeyError> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeyError::Random)?;
        Ok(Self { key, service: service.to_owned(), lifetime })
    }

    /// Returns for which registry tokens are.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Returns how long a token counts.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Makes a token for `who`, good for `access` from `now` on (seconds since 1970).
    pub fn issue(&self, who: Option<&str>, access: Vec<Grant>, now: u64) -> Result<String, KeyError> {
        let random = SystemRandom::new();
        let mut id = [0; 16];
        aws_lc_rs::rand::SecureRandom::fill(&random, &mut id).map_err(|_| KeyError::Random)?;
        let claims = Claims {
            iss: self.service.clone(),
            sub: who.unwrap_or_default().to_owned(),
            aud: self.service.clone(),
            exp: now + self.lifetime.as_secs(),
            nbf: now.saturating_sub(SKEW),
            iat: now,
            jti: URL_SAFE_NO_PAD.encode(id),
            access,
        };
        self.sign(HEADER, &claims).map_err(|()| KeyError::Random)
    }

    fn sign(&self, header: &str, claims: &Claims) -> Result<String, ()> {
        let body = serde_json::to_vec(claims).map_err(|_| ())?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(body));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| ())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }

    /// Checks a token at `now`.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        #[derive(Deserialize)]
        struct Header {
            alg: String,
        }
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Form);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Form)?;
        let (header, body) = signed.split_once('.').ok_or(TokenError::Form)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Form);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Form)?;
        if header.alg != "ES256" {
            return Err(TokenError::Algorithm);
        }
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref());
        key.verify(signed.as_bytes(), &decode(signature)?).map_err(|_| TokenError::Signature)?;
        let claims: Claims = serde_json::from_slice(&decode(body)?).map_err(|_| TokenError::Form)?;
        if claims.aud != self.service {
            return Err(TokenError::Audience(claims.aud));
        }
        if now >= claims.exp {
            return Err(TokenError::Expired);
        }
        if now + SKEW < claims.nbf {
            return Err(TokenError::Early);
        }
        Ok(claims)
    }
}

impl Claims {
    /// Whether the token is good for `action` in the repository `name`.
    #[must_use]
    pub fn grants(&self, name: &str, action: &str) -> bool {
        let fits = |grant: &Grant| grant.kind == "repository" && grant.name == name && grant.actions.iter().any(|one| one == action);
        self.access.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn tokens() -> Tokens {
        Tokens::with_own_key("here", Duration::from_secs(300)).unwrap()
    }

    fn grant() -> Vec<Grant> {
        vec![Grant { kind: "repository".into(), name: "team/app".into(), actions: vec!["pull".into()] }]
    }

    #[test]
    fn a_token_is_good_for_what_it_says_and_no_more() {
        let tokens = tokens();
        let claims = tokens.verify(&tokens.issue(Some("alice"), grant(), NOW).unwrap(), NOW + 1).unwrap();
        assert_eq!(claims.sub, "alice");
        assert!(claims.grants("team/app", "pull"));
        assert!(!claims.grants("team/app", "push") && !claims.grants("team/app2", "pull") && !claims.grants("team", "pull"));
    }

    #[test]
    fn a_token_counts_in_its_time_alone() {
        let tokens = tokens();
        let token = tokens.issue(None, grant(), NOW).unwrap();
        assert!(tokens.verify(&token, NOW + 299).is_ok());
        assert_eq!(tokens.verify(&token, NOW + 300), Err(TokenError::Expired));
        assert!(tokens.verify(&token, NOW - 59).is_ok(), "clocks may differ a little");
        assert_eq!(tokens.verify(&token, NOW - 100), Err(TokenError::Early));
    }

    #[test]
    fn forged_tokens_are_refused() {
        let tokens = tokens();
        let token = tokens.issue(Some("alice"), grant(), NOW).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let claims = tokens.verify(&token, NOW).unwrap();
        let richer = Claims { access: vec![Grant { actions: vec!["push".into()], ..grant().remove(0) }], ..claims.clone() };
        let richer = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&richer).unwrap());
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let hs256 = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
        let table = [
            (format!("{}.{richer}.{}", parts[0], parts[2]), TokenError::Signature),
            (format!("{none}.{}.", parts[1]), TokenError::Algorithm),
            (format!("{hs256}.{}.{}", parts[1], parts[2]), TokenError::Algorithm),
            (format!("{}.{}.", parts[0], parts[1]), TokenError::Signature),
            (format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([0; 64])), TokenError::Signature),
            (format!("{}.{}", parts[0], parts[1]), TokenError::Form),
            (String::new(), TokenError::Form),
            ("a.b.c".into(), TokenError::Form),
            (format!("{token}{}", "A".repeat(40_000)), TokenError::Form),
        ];
        for (forged, why) in table {
            assert_eq!(tokens.verify(&forged, NOW), Err(why), "{forged:.80}");
        }
        let other = Tokens::with_own_key("here", Duration::from_secs(300)).unwrap();
        assert_eq!(other.verify(&token, NOW), Err(TokenError::Signature), "another key");
        // The guard off: with our key, the richer token is one.
        let ours = tokens.sign(HEADER, &Claims { access: vec![], ..claims.clone() }).unwrap();
        assert!(tokens.verify(&ours, NOW).is_ok());
        let elsewhere = tokens.sign(HEADER, &Claims { aud: "there".into(), ..claims }).unwrap();
        assert_eq!(tokens.verify(&elsewhere, NOW), Err(TokenError::Audience("there".into())));
    }

    #[test]
    fn servers_that_share_a_key_take_each_others_tokens() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\nOF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n-----END PRIVATE KEY-----\n";
        let lifetime = Duration::from_secs(60);
        let (one, two) = (Tokens::from_pem(pem, "here", lifetime).unwrap(), Tokens::from_pem(pem, "here", lifetime).unwrap());
        assert!(two.verify(&one.issue(None, grant(), NOW).unwrap(), NOW).is_ok());
        assert_eq!(Tokens::from_pem("nonsense", "here", lifetime).unwrap_err(), KeyError::Form);
    }
}
