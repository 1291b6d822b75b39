//! Calls the examples for each case of a file; see ../../verify_test.go.

use base64ct::{Base64, Encoding};
use std::time::{Duration, UNIX_EPOCH};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    for line in std::fs::read_to_string(&args[1]).unwrap().lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let secret = String::from_utf8(Base64::decode_vec(fields[0]).unwrap()).unwrap();
        let body = Base64::decode_vec(fields[1]).unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(fields[2].parse().unwrap());
        let headers: Vec<(&str, Vec<u8>)> =
            fields[3..].chunks(2).map(|pair| (pair[0], Base64::decode_vec(pair[1]).unwrap())).collect();
        // As http::HeaderMap does: names in any case, no text where the value is not ASCII.
        let header = |name: &str| {
            let (_, value) = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(value).ok().filter(|v| v.is_ascii())
        };
        let accepted = match args[2].as_str() {
            "standard" => verify_standard::verify(&secret, header, &body, now),
            "chatzuri" => verify_chatzuri::verify(&secret, header, &body),
            "chatislav" => verify_chatislav::verify(&secret, header, &body),
            format => panic!("no example for {format}"),
        };
        println!("{accepted}");
    }
}
