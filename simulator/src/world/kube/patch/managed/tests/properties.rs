//! What must hold for any writes: applying twice is applying once, force moves ownership, nothing panics.

use proptest::prelude::*;

use super::*;
use crate::world::kube::patch::managed::set::Set;
use crate::world::kube::patch::managed::{entries, fields};

/// A custom resource with every way to merge.
fn thing() -> TypeSchema {
    let item = json!({
        "type": "object",
        "properties": {
            "a": {"type": "string"}, "b": {"type": "integer", "default": 7}, "v": {"type": "string"},
            "inner": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "string"}}},
            },
        },
    });
    TypeSchema::from_openapi(&json!({
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {
            "n": {"type": "integer"},
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "list": {"type": "array", "items": {"type": "string"}},
            "maps": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"],
                "items": item,
            },
            "atomic": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }}},
    }))
}

fn thing_stamp(manager: &str) -> Stamp<'_> {
    Stamp {
        manager,
        subresource: "",
        api_version: "x/v1",
        kind: "Thing",
        time: NOW,
    }
}

fn words() -> impl Strategy<Value = String> {
    "[a-c]"
}

fn items() -> impl Strategy<Value = Value> {
    let inner = prop::collection::btree_map(words(), prop::option::of(words()), 1..3).prop_map(|map| {
        let item = |(k, v): (String, Option<String>)| v.map_or(json!({"k": k}), |v| json!({"k": k, "v": v}));
        map.into_iter().map(item).collect::<Value>()
    });
    let key = (words(), 6_i32..9);
    prop::collection::btree_map(key, (prop::option::of(words()), prop::option::of(inner)), 1..4).prop_map(|map| {
        let items = map.into_iter().map(|((a, b), (v, inner))| {
            let mut item = json!({"a": a, "b": b});
            if let Some(v) = v {
                item["v"] = v.into();
            }
            if let Some(inner) = inner {
                item["inner"] = inner;
            }
            item
        });
        items.collect()
    })
}

prop_compose! {
    /// Lists and maps are never empty: the real server turns one that pruning empties into null, and then refuses it.
    fn config()(
        n in 0..3, set in prop::option::of(prop::collection::btree_set(words(), 1..4)),
        list in prop::option::of(prop::collection::vec(words(), 1..3)), maps in prop::option::of(items()),
        atomic in prop::option::of(prop::collection::btree_map(words(), words(), 1..3)),
        map in prop::option::of(prop::collection::btree_map(words(), words(), 1..3)),
        open in prop::option::of(prop::collection::btree_map(words(), prop::collection::vec(words(), 1..3), 1..3)),
    ) -> Value {
        let mut spec = json!({
            "n": n, "set": set, "list": list, "maps": maps, "atomic": atomic, "map": map, "open": open,
        });
        if let Some(spec) = spec.as_object_mut() {
            spec.retain(|_, value| !value.is_null());
        }
        json!({"apiVersion": "x/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec})
    }
}

fn any_json(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                "[a-c]|spec|metadata|set|maps|managedFields|f:a|k:\\{\\}|\\$patch",
                inner,
                0..4
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn apply_is_idempotent(first in config(), second in config(), third in config()) {
        let schema = thing();
        let (one, two) = (thing_stamp("one"), thing_stamp("two"));
        let live = apply(&schema, None, &first, &one, false).expect("create");
        let live = apply(&schema, Some(&live), &second, &two, true).expect("forced");
        let after = apply(&schema, Some(&live), &third, &one, true).expect("forced");
        let later = Stamp { time: "2027-01-01T00:00:00Z", ..one };
        prop_assert_eq!(apply(&schema, Some(&after), &third, &later, false).expect("no conflict"), after);
    }

    #[test]
    fn force_moves_ownership(first in config(), second in config()) {
        let schema = thing();
        let live = apply(&schema, None, &first, &thing_stamp("one"), false).expect("create");
        let forced = apply(&schema, Some(&live), &second, &thing_stamp("two"), true).expect("forced");
        let mut entries = entries::read(entries::stored(&forced)).expect("well-formed");
        let mut of = |name: &str| entries.iter_mut().find(|e| e.manager == name).map(|e| e.set().clone()).unwrap_or_default();
        // What both own has one value; whoever applies the same again has no conflict.
        prop_assert!(apply(&schema, Some(&forced), &second, &thing_stamp("two"), false).is_ok());
        match apply(&schema, Some(&live), &second, &thing_stamp("two"), false) {
            Ok(_) => {}
            Err(error) => {
                let details = error.details.expect("causes");
                prop_assert!(!details.causes.is_empty());
                let owned = of("one").paths();
                for cause in &details.causes {
                    prop_assert!(!owned.contains(&cause.field), "{} is still owned", cause.field);
                }
            }
        }
    }

    #[test]
    fn an_update_owns_exactly_what_changed(first in config(), second in config()) {
        let schema = thing();
        let mut live = first;
        update(&schema, None, &mut live, &thing_stamp("one"));
        let mut same = live.clone();
        update(&schema, Some(&live), &mut same, &thing_stamp("two"));
        prop_assert_eq!(&same, &live);
        let mut new = second;
        update(&schema, Some(&live), &mut new, &thing_stamp("two"));
        let mut entries = entries::read(entries::stored(&new)).expect("well-formed");
        // No field has two updaters: each change moves it.
        if let [one, two] = entries.as_mut_slice() {
            prop_assert_eq!(one.set().intersection(two.set()).paths(), Vec::<String>::new());
        }
    }

    #[test]
    fn fields_read_back_as_written(first in config()) {
        let mut object = first;
        update(&thing(), None, &mut object, &thing_stamp("one"));
        for (_, fields) in owners(&object) {
            let set = Set::parse(&fields).expect("well-formed");
            prop_assert_eq!(set.to_fields(), fields);
        }
    }

    #[test]
    fn creating_writes_what_comparing_with_nothing_would(custom in config(), wild in any_json(5)) {
        for (schema, object) in [(&thing(), custom), (&thing(), wild.clone()), (&*schema("Deployment"), wild)] {
            let mut object = object;
            // Every object that gets here has metadata.
            if object.get("metadata").is_none_or(|metadata| !metadata.is_object()) && object.is_object() {
                object["metadata"] = json!({});
            }
            entries::take(&mut object);
            let stamp = thing_stamp("one");
            let changes = fields::compare(schema, schema.zero(), &object);
            let compared = entries::write(update::record(schema, Vec::new(), changes, &stamp, "one"));
            let mut created = object.clone();
            update(schema, None, &mut created, &stamp);
            prop_assert_eq!(entries::stored(&created).cloned(), compared.filter(|_| object.is_object()));
        }
    }

    #[test]
    fn nothing_panics(live in any_json(5), config in any_json(5), force in any::<bool>()) {
        for schema in [thing(), (*schema("ConfigMap")).clone(), (*schema("Deployment")).clone()] {
            let stamp = thing_stamp("one");
            let mut config = config.clone();
            if let Some(object) = config.as_object_mut() {
                object.insert("apiVersion".into(), "x/v1".into());
                object.insert("kind".into(), "Thing".into());
            }
            let _ = apply(&schema, Some(&live), &config, &stamp, force);
            let mut new = config.clone();
            update(&schema, Some(&live), &mut new, &stamp);
            update(&schema, None, &mut new, &stamp);
            schema.normalize(&mut new);
            let _ = schema.decode_problems(&live);
            let _ = crate::world::kube::patch::strategic_merge(&schema, &live, &config);
            let _ = TypeSchema::from_openapi(&live);
        }
    }
}
