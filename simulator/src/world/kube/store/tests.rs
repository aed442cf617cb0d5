//! Tests of the store alone.

use super::*;

fn pods() -> GroupResource {
    GroupResource {
        group: String::new(),
        plural: "pods".into(),
    }
}

fn put(store: &mut Store, name: &str, text: &str) -> u64 {
    let text = text.to_owned();
    store
        .put(&pods(), Key::new("a", name), move |_| Bytes::from(text))
        .revision
}

#[test]
fn revisions_rise_and_lists_are_ordered() {
    let mut store = Store::default();
    let (second, first) = (put(&mut store, "y", "1"), put(&mut store, "x", "2"));
    assert!(first > second);
    let names: Vec<&str> = store.list(&pods(), None, None).map(|(key, _)| &*key.name).collect();
    assert_eq!(names, ["x", "y"]);
    let after: Vec<&str> = store
        .list(&pods(), Some("a"), Some(&Key::new("a", "x")))
        .map(|(key, _)| &*key.name)
        .collect();
    assert_eq!(after, ["y"]);
    assert_eq!(store.list(&pods(), Some("b"), None).count(), 0);
}

#[test]
fn snapshots_undo_what_came_later() {
    let mut store = Store::default();
    put(&mut store, "x", "1");
    let then = put(&mut store, "y", "1");
    put(&mut store, "x", "2");
    put(&mut store, "z", "1");
    store.remove(&pods(), &Key::new("a", "y"), |old, _| old.clone());
    let snapshot = store.snapshot(&pods(), then).unwrap();
    let texts: Vec<(&str, &[u8])> = snapshot.iter().map(|(key, json)| (&*key.name, &json[..])).collect();
    assert_eq!(texts, [("x", &b"1"[..]), ("y", &b"1"[..])]);
}

#[test]
fn history_is_bounded_and_says_so() {
    let mut store = Store::new(2);
    let first = put(&mut store, "x", "1");
    for text in ["2", "3", "4"] {
        put(&mut store, "x", text);
    }
    assert_eq!(
        store.changes(&pods(), first).unwrap_err(),
        Compacted { oldest: first + 1 }
    );
    assert_eq!(store.changes(&pods(), first + 1).unwrap().len(), 2);
    store.compact(&pods());
    assert!(store.changes(&pods(), first + 1).is_err());
    assert!(store.changes(&pods(), store.revision()).unwrap().is_empty());
}
