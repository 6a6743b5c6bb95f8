//! Bytes that are no good text, and texts that are too much.

use crate::support::Folder;

#[test]
fn a_byte_order_mark_and_dos_line_ends_change_nothing() {
    let plain = "version: 1\nname: a\ntopics:\n  t: { description: x }\n";
    let dos = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
    assert_eq!(Folder::with(dos).loaded().definitions, Folder::with(plain).loaded().definitions);
}

#[test]
fn places_are_right_behind_a_mark_and_dos_line_ends() {
    let said = Folder::with("\u{feff}version: 1\r\ntopics:\r\n  t: { retian: 5d }\r\n").said();
    assert!(said.contains("cantus.yaml:3:8"), "{said}");
    assert!(said.contains("3 |   t: { retian: 5d }"), "{said}");
}

#[test]
fn what_is_no_utf_8_is_told_with_its_place() {
    let said = Folder::with(b"version: 1\nname: caf\xe9\n").said();
    assert!(said.contains("this is no UTF-8"), "{said}");
    assert!(said.contains("cantus.yaml:2:10"), "{said}");
    let utf16: Vec<u8> = "version: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(Folder::with([b"\xff\xfe".as_slice(), &utf16].concat()).said().contains("no UTF-8"));
}

#[test]
fn a_nul_does_not_end_the_file_in_silence() {
    let said = Folder::with("version: 1\nname: a\0b\nnonsense: 1\n").said();
    assert!(said.contains("a NUL character stands here"), "{said}");
    assert!(said.contains("cantus.yaml:2:8"), "{said}");
}

#[test]
fn a_file_of_more_than_one_mebibyte_is_refused_whole() {
    let mut text = "version: 1\n# ".to_owned();
    text.push_str(&"x".repeat((1 << 20) - text.len()));
    assert!(Folder::with(&text).load().is_ok(), "exactly 1 MiB is read");
    text.push('x');
    let said = Folder::with(&text).said();
    assert!(said.contains("can not be read: it is larger than 1048576 bytes"), "{said}");
}

#[test]
fn an_alias_bomb_ends_in_one_fault() {
    let mut bomb = "version: 1\nname: x\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{}", level - 1); 10].join(", ")
        ));
    }
    let rejected = Folder::with(&bomb).load().unwrap_err();
    assert_eq!(rejected.errors(), 1, "{rejected}");
    assert!(rejected.to_string().contains("grows beyond 100000 values"), "{rejected}");
}

#[test]
fn depth_is_bounded_in_every_way_of_writing() {
    let aliases: String = (0..200).map(|n| format!("  - &a{} [*a{n}]\n", n + 1)).collect();
    for text in [
        format!("version: 1\nname: {}\n", "[".repeat(100_000)),
        format!("version: 1\nname: {}\n", "{a: ".repeat(20_000)),
        format!("version: 1\nname:\n  {}x\n", "- ".repeat(2_000)),
        format!("version: 1\nname:\n  - &a0 x\n{aliases}"),
    ] {
        let said = Folder::with(&text).said();
        assert!(said.contains("nested more than 64 levels"), "{said}");
    }
}

#[test]
fn thousands_of_faults_are_told_in_bounds() {
    let keys: String = (0..5_000).map(|n| format!("wrong{n}: 1\n")).collect();
    let rejected = Folder::with(format!("version: 1\n{keys}")).load().unwrap_err();
    assert!(rejected.diagnostics.len() <= 201, "{}", rejected.diagnostics.len());
    let twice: String = (0..5_000).map(|_| "name: x\n").collect();
    assert!(Folder::with(format!("version: 1\n{twice}")).load().unwrap_err().diagnostics.len() <= 201);
}

#[test]
fn what_a_terminal_would_act_on_is_not_passed_through() {
    let said = Folder::with("version: 1\n\"a\\e[31mred\\u202e\": 1\n").said();
    assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{said:?}");
}

#[test]
fn a_folder_and_a_missing_file_are_told_as_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let loader = cantus_file::Loader::with_environment(cantus_file::Environment::default());
    let said = |path: &std::path::Path| loader.load(path).unwrap_err().to_string();
    assert!(said(folder.path()).contains("it is no regular file"));
    assert!(said(&folder.path().join("none.yaml")).contains("there is no file"));
}

#[test]
fn colours_come_only_when_asked_for() {
    let rejected = Folder::with("nonsense: 1\n").load().unwrap_err();
    assert!(!rejected.diagnostics[0].render(false).contains('\u{1b}'));
    assert!(rejected.diagnostics[0].render(true).contains('\u{1b}'));
}

#[test]
fn a_diagnostic_is_data_too() {
    let rejected = Folder::with("version: 1\ntopcis: {}\n").load().unwrap_err();
    let mut json = serde_json::to_value(&rejected.diagnostics[0]).unwrap();
    json["file"] = "cantus.yaml".into();
    assert_eq!(
        json,
        serde_json::json!({
            "severity": "error", "message": "`topcis` is no key of a cantus file", "file": "cantus.yaml",
            "line": 2, "column": 1, "length": 6, "excerpt": "topcis: {}", "hint": "did you mean `topics`?",
        })
    );
}

#[test]
fn a_message_about_a_huge_word_stays_short() {
    let said = Folder::with(format!("version: 1\n? {}\n: 1\n", "x".repeat(500_000))).said();
    assert!(said.contains("is no key of a cantus file") || said.contains('…'), "{}", &said[..200]);
    assert!(said.len() < 5_000, "{}", said.len());
}
