//! Keys that sign claims: what they sign, what they read, what they refuse.

use super::*;

const ALL: [Algorithm; 2] = [Algorithm::EcdsaP256, Algorithm::Ed25519];

#[test]
fn verifies_what_it_signs_and_nothing_else() {
    let keys: Vec<_> = ALL.iter().map(|&algorithm| SigningKey::generate(algorithm).unwrap()).collect();
    for (at, key) in keys.iter().enumerate() {
        let signature = key.sign(b"text").unwrap();
        assert_eq!(signature, key.sign(b"text").unwrap(), "a signature is a function of key and message");
        assert_eq!(key.public().verify(b"text", &signature), Ok(()));
        assert_eq!(key.public().verify(b"texu", &signature), Err(BadSignature));
        assert_eq!(keys[1 - at].public().verify(b"text", &signature), Err(BadSignature));
        for byte in 0..signature.len() {
            let mut flipped = signature.clone();
            flipped[byte] ^= 1;
            assert_eq!(key.public().verify(b"text", &flipped), Err(BadSignature), "{} byte {byte}", key.public());
        }
        assert_eq!(key.public().verify(b"text", &signature[1..]), Err(BadSignature));
    }
}

#[test]
fn ecdsa_signs_as_rfc_6979_has_it() {
    // RFC 6979, A.2.5: P-256, SHA-256, "sample".
    let secret = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let secret: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&secret[at..at + 2], 16).unwrap()).collect();
    let sec1 = [
        &[0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20][..],
        &secret,
        &[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    ]
    .concat();
    let key = SigningKey::from_pem(&key::pem::encode("EC PRIVATE KEY", &sec1), None).unwrap();
    let signature = key.sign(b"sample").unwrap().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(signature.contains("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"), "{signature}");
    assert!(signature.contains("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"), "{signature}");
}

#[test]
fn a_key_survives_its_text() {
    for algorithm in ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let read = SigningKey::from_pem(&key.to_pem().unwrap(), None).unwrap();
        assert_eq!(read.public(), key.public());
        assert_eq!(VerifyingKey::from_pem(&key.public().to_pem()).unwrap(), *key.public());
        assert_eq!(key.public().algorithm(), algorithm);
        assert!(!format!("{key:?}").contains("Secret"));
    }
    let rsa = PrivateRsa::generate(2048).unwrap();
    let read = SigningKey::from_pem(&rsa.to_pem().unwrap(), None).unwrap();
    assert_eq!(read.public().to_pem(), rsa.public().unwrap().to_pem());
    assert_eq!(read.public().details(), "PKIX_RSA_PKCS1V15_2048_SHA256");
    assert_eq!(read.public().verify(b"x", &read.sign(b"x").unwrap()), Ok(()));
}

use crate::key::PrivateKey as PrivateRsa;

#[test]
fn opens_what_cosign_encrypted() {
    // `cosign generate-key-pair` of cosign 3.1.1, password `secret`.
    let (secret, public) = (include_str!("testdata/cosign.key"), include_str!("testdata/cosign.pub"));
    let key = SigningKey::from_pem(secret, Some(b"secret")).unwrap();
    assert_eq!(*key.public(), VerifyingKey::from_pem(public).unwrap());
    assert!(matches!(SigningKey::from_pem(secret, None), Err(SigningError::PasswordNeeded)));
    assert!(matches!(SigningKey::from_pem(secret, Some(b"Secret")), Err(SigningError::Password)));
}

#[test]
fn opens_what_it_encrypted_with_the_password_alone() {
    let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let seed = Seed { salt: [1; 32], nonce: [2; 24] };
    let text = encrypt(&key.to_pkcs8().unwrap(), b"p", &seed).unwrap();
    assert_eq!(SigningKey::from_pem(&text, Some(b"p")).unwrap().public(), key.public());
    assert!(matches!(decrypt(&text, b"q"), Err(SigningError::Password)));
    let (_, json) = key::pem::decode(&text, &["ENCRYPTED SIGSTORE PRIVATE KEY"], "").unwrap();
    let json = String::from_utf8(json).unwrap();
    let with = |from: &str, to: &str| {
        assert!(json.contains(from));
        decrypt(&key::pem::encode("ENCRYPTED SIGSTORE PRIVATE KEY", json.replace(from, to).as_bytes()), b"p").unwrap_err().to_string()
    };
    assert!(with("65536", "65537").contains("out of bounds"));
    assert!(with("65536", "4294967296").contains("out of bounds"), "4 TiB of memory");
    assert!(with("\"p\":1", "\"p\":1000").contains("out of bounds"));
    assert!(with("secretbox", "box").contains("not scrypt and nacl/secretbox"));
    assert!(with("\"nonce\":\"AgIC", "\"nonce\":\"AwIC").contains("does not open"));
}

#[test]
fn refuses_what_is_no_key() {
    let public = SigningKey::generate(Algorithm::EcdsaP256).unwrap().public().clone();
    let mut off = public.to_der().to_vec();
    *off.last_mut().unwrap() ^= 1;
    assert!(VerifyingKey::from_der(&off).unwrap_err().to_string().contains("not on the curve"));
    assert!(matches!(VerifyingKey::from_der(&public.to_der()[..90]), Err(SigningError::Unknown { .. })));
    assert!(matches!(SigningKey::from_pem(&public.to_pem(), None), Err(SigningError::Key(_))));
    assert!(matches!(SigningKey::from_pkcs8(b"\x30\x00"), Err(SigningError::Unknown { .. })));
    assert!(VerifyingKey::from_der(&[&ED25519_PREFIX[..], &[0; 31]].concat()).unwrap_err().to_string().contains("31 bytes"));
}

#[test]
fn a_key_counts_in_its_period_to_the_last_second() {
    let at = |second: i64| jiff::Timestamp::from_second(second).unwrap();
    let period = Period { from: Some(at(10)), until: Some(at(20)) };
    let counts: Vec<bool> = [9, 10, 20, 21].map(|second| period.contains(at(second))).to_vec();
    assert_eq!(counts, [false, true, true, false]);
    assert!(Period::default().contains(at(0)));
}
