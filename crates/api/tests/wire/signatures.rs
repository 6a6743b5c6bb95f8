//! Signatures: the vectors of others, then each way in which one can be wrong.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cantus_api::signature::standard::{self, Received};
use cantus_api::signature::{Invalid, InvalidKey, SigningKey, VerifyingKey, github};
use serde_json::Value;

const NOW: i64 = 1_700_000_000;
const BODY: &[u8] = b"{\"paid\":true}";

fn secret(byte: u8) -> String {
    format!("whsec_{}", STANDARD.encode([byte; 32]))
}

fn signing(secrets: &[&str]) -> Vec<SigningKey> {
    secrets.iter().map(|secret| SigningKey::parse(secret).expect("a key")).collect()
}

fn verifying(secrets: &[&str]) -> Vec<VerifyingKey> {
    secrets.iter().map(|secret| VerifyingKey::parse(secret).expect("a key")).collect()
}

fn check(secrets: &[&str], signature: &str) -> Result<(), Invalid> {
    let now = NOW.to_string();
    let received =
        Received { id: Some("msg_1"), timestamp: Some(&now), signature: Some(signature), body: BODY };
    standard::verify(&verifying(secrets), &received, NOW)
}

#[test]
fn every_vector_of_the_standard_is_judged_as_its_authors_judge_it() {
    let vectors = include_str!("../data/standard-webhooks.jsonl");
    let mut seen = 0;
    for line in vectors.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let header = |name: &str| vector["headers"][name].as_str();
        let received = Received {
            id: header(standard::ID),
            timestamp: header(standard::TIMESTAMP),
            signature: header(standard::SIGNATURE),
            body: vector["body"].as_str().unwrap().as_bytes(),
        };
        let keys = verifying(&[vector["secret"].as_str().unwrap()]);
        let judged = standard::verify(&keys, &received, vector["now"].as_i64().unwrap());
        assert_eq!(judged.is_ok(), vector["valid"].as_bool().unwrap(), "{}: {judged:?}", vector["case"]);
        seen += 1;
    }
    assert_eq!(seen, 18);
}

#[test]
fn what_is_signed_here_is_valid_here_with_each_of_two_secrets() {
    let (old, new) = (secret(1), secret(2));
    let both = standard::sign(&signing(&[&new, &old]), "msg_1", NOW, BODY);
    assert_eq!(both.split(' ').count(), 2);
    for known in [&old, &new] {
        assert_eq!(check(&[known], &both), Ok(()));
    }
    // Whoever checks may know two as well: the sender has one of them.
    let one = standard::sign(&signing(&[&old]), "msg_1", NOW, BODY);
    assert_eq!(check(&[&new, &old], &one), Ok(()));
    assert_eq!(check(&[&new], &one), Err(Invalid::NoMatch), "signed by a retired secret");
}

#[test]
fn a_pair_of_keys_signs_v1a_and_its_public_half_checks_it() {
    let private = format!("whsk_{}", STANDARD.encode([7; 32]));
    let public = SigningKey::parse(&private).unwrap().public().expect("a pair has a public half");
    let signature = standard::sign(&signing(&[&private]), "msg_1", NOW, BODY);
    assert!(signature.starts_with("v1a,"));
    assert_eq!(check(&[&public], &signature), Ok(()));
    assert_eq!(check(&[&private], &signature), Ok(()));
    // Somebody who takes the public key for a shared secret can sign nothing with it.
    let as_secret = public.replace("whpk_", "whsec_");
    let forged = standard::sign(&signing(&[&as_secret]), "msg_1", NOW, BODY);
    assert_eq!(check(&[&public], &forged), Err(Invalid::NoMatch));
    assert_eq!(check(&[&public], &forged.replace("v1,", "v1a,")), Err(Invalid::NoMatch));
}

#[test]
fn a_header_that_is_missing_is_named() {
    let signature = standard::sign(&signing(&[&secret(1)]), "msg_1", NOW, BODY);
    let now = NOW.to_string();
    let whole =
        Received { id: Some("msg_1"), timestamp: Some(&now), signature: Some(&signature), body: BODY };
    let without = [
        (Received { id: None, ..whole }, standard::ID),
        (Received { timestamp: None, ..whole }, standard::TIMESTAMP),
        (Received { signature: None, ..whole }, standard::SIGNATURE),
    ];
    for (received, name) in without {
        assert_eq!(standard::verify(&verifying(&[&secret(1)]), &received, NOW), Err(Invalid::Missing(name)));
    }
}

#[test]
fn a_webhook_is_of_now_or_is_refused() {
    for seconds in [-300, -1, 0, 300] {
        assert_eq!(standard::check_time(&(NOW + seconds).to_string(), NOW), Ok(()));
    }
    assert_eq!(standard::check_time(&(NOW - 301).to_string(), NOW), Err(Invalid::TooOld(301)));
    assert_eq!(standard::check_time(&(NOW + 301).to_string(), NOW), Err(Invalid::TooNew(301)));
    let milliseconds = (NOW * 1000).to_string();
    for wrong in
        [&*milliseconds, "1700000000.5", "-1", "+1700000000", "", " 1700000000", "9223372036854775808"]
    {
        assert_eq!(standard::check_time(wrong, NOW), Err(Invalid::Timestamp), "{wrong}");
    }
}

#[test]
fn an_id_that_leaves_open_where_it_ends_is_refused() {
    assert_eq!(standard::check_id("msg_1"), Ok("msg_1"));
    for wrong in ["", "a.b", "a b", "a%00", "é", &"x".repeat(257)] {
        assert_eq!(standard::check_id(wrong), Err(Invalid::Id), "{wrong}");
    }
}

#[test]
fn a_signature_in_any_other_form_is_refused() {
    let right = standard::sign(&signing(&[&secret(1)]), "msg_1", NOW, BODY);
    let digest = STANDARD.decode(&right[3..]).unwrap();
    let known = [secret(1)];
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for (wrong, why) in [
        (String::new(), Invalid::NoKnownVersion),
        ("v1,".to_owned(), Invalid::NoMatch),
        (right.replace("v1,", "v0,"), Invalid::NoKnownVersion),
        (right.replace("v1,", ""), Invalid::NoKnownVersion),
        (right.trim_end_matches('=').to_owned(), Invalid::NoMatch),
        (format!("v1,{}", URL_SAFE_NO_PAD.encode([0xfb; 32])), Invalid::NoMatch),
        (format!("v1,{}", STANDARD.encode(&digest[..16])), Invalid::NoMatch),
        (vec!["v1,AAAA"; 10_000].join(" "), Invalid::TooManySignatures),
    ] {
        assert_eq!(check(&known, &wrong), Err(why), "{}", &wrong[..wrong.len().min(40)]);
    }
}

#[test]
fn one_more_space_in_the_body_or_the_secret_of_another_is_seen() {
    let signature = standard::sign(&signing(&[&secret(1)]), "msg_1", NOW, b"{\"paid\": true}");
    assert_eq!(check(&[&secret(1)], &signature), Err(Invalid::NoMatch));
    let other = standard::sign(&signing(&[&secret(3)]), "msg_1", NOW, BODY);
    assert_eq!(check(&[&secret(1)], &other), Err(Invalid::NoMatch));
    let empty = standard::sign(&signing(&[&secret(1)]), "msg_1", NOW, b"");
    let now = NOW.to_string();
    let received = Received { id: Some("msg_1"), timestamp: Some(&now), signature: Some(&empty), body: b"" };
    assert_eq!(standard::verify(&verifying(&[&secret(1)]), &received, NOW), Ok(()));
}

#[test]
fn a_text_that_is_no_key_is_refused_without_being_repeated() {
    let short = format!("whsec_{}", STANDARD.encode([1; 23]));
    assert_eq!(SigningKey::parse(&short).unwrap_err(), InvalidKey::Length(23));
    let long = format!("whsec_{}", STANDARD.encode([1; 65]));
    assert_eq!(SigningKey::parse(&long).unwrap_err(), InvalidKey::Length(65));
    let public = format!("whpk_{}", STANDARD.encode([1; 32]));
    assert_eq!(SigningKey::parse(&public).unwrap_err(), InvalidKey::PublicSigns);
    for wrong in ["canary", "whsec_canary!", "whsk_AAAA", "whsec_"] {
        let error = SigningKey::parse(wrong).unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    assert!(!format!("{:?}", SigningKey::parse(&secret(1)).unwrap()).contains("AQEB"));
}

#[test]
fn the_signature_of_a_hub_is_that_of_its_documentation() {
    let (secret, body) = ("It's a Secret to Everybody", b"Hello, World!");
    let right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(github::sign(secret, body), right);
    assert_eq!(github::verify(&[secret], Some(right), body), Ok(()));
    assert_eq!(github::verify(&["new", secret], Some(right), body), Ok(()));
    assert_eq!(github::verify(&[secret], Some(right), b"Hello, World! "), Err(Invalid::HubNoMatch));
    assert_eq!(github::verify(&["other"], Some(right), body), Err(Invalid::HubNoMatch));
    assert_eq!(github::verify(&[secret], None, body), Err(Invalid::Missing(github::SIGNATURE)));
    for wrong in ["", "sha256=", &right.replace("sha256", "sha1"), &right[..70], &right.replace('7', "é")] {
        assert_eq!(github::verify(&[secret], Some(wrong), body), Err(Invalid::HubForm), "{wrong}");
    }
}
