//! Definitions: defaults, acceptance, and refusals in the real server's words.

use serde_json::{Value, json};

use crate::world::kube::crd::{accepted_status, compile, default_definition, prepare_definition, validate_definition};

fn definition(versions: Value) -> Value {
    json!({"metadata": {"name": "foos.g1.example.com"}, "spec": {
        "group": "g1.example.com", "names": {"plural": "foos", "kind": "Foo"}, "scope": "Namespaced", "versions": versions,
    }})
}

fn with_schema(schema: Value) -> Value {
    definition(json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]))
}

fn problems(mut crd: Value) -> Vec<String> {
    default_definition(&mut crd);
    prepare_definition(&mut crd, None);
    validate_definition(&crd, None)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn schemas_are_judged() {
    let v = "spec.validation.openAPIV3Schema";
    let cases: [(Value, Vec<String>); 9] = [
        (json!({"type": "object"}), vec![]),
        (
            json!({"type": "object", "properties": {"spec": {"properties": {"a": {"type": "array"}, "b": {"type": "strin"}}}}}),
            vec![
                format!("{v}.properties[spec].properties[a].items: Required value: must be specified"),
                format!("{v}.properties[spec].type: Required value: must not be empty for specified object fields"),
                format!(
                    "{v}.properties[spec].properties[b].type: Unsupported value: \"strin\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\""
                ),
            ],
        ),
        (
            json!({"type": "object", "properties": {"p": {"type": "string", "pattern": "("}}}),
            vec![format!(
                "{v}.properties[p].pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error parsing regexp: missing closing ): `(`"
            )],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}, "b": {"type": "object", "default": {"q": 1}}}}),
            vec![
                format!(
                    "{v}.properties[a].default: Invalid value: \"string\":  in body must be of type integer: \"string\""
                ),
                format!("{v}.properties[b].default: Invalid value: {{\"q\":1}}: must not have unknown fields"),
            ],
        ),
        (
            json!({"type": "object", "properties": {
            "m": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
            "s": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}},
            "u": {"type": "array", "uniqueItems": true, "items": {"type": "string"}}}}),
            vec![
                format!(
                    "{v}.properties[m].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
                ),
                format!(
                    "{v}.properties[s].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set"
                ),
                format!(
                    "{v}.properties[u].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
                ),
            ],
        ),
        (
            json!({"type": "object", "anyOf": [{"properties": {"spec": {"type": "object"}}}], "nullable": true}),
            vec![
                format!("{v}.nullable: Forbidden: nullable cannot be true at the root"),
                format!("{v}.anyOf[0].properties[spec].type: Forbidden: must be empty to be structural"),
                format!("{v}.properties[spec]: Required value: because it is defined in {v}.anyOf[0].properties[spec]"),
            ],
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
            vec![format!(
                "{v}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"
            )],
        ),
        (
            json!({"type": "object", "x-kubernetes-validations": [{"rule": " "}, {"rule": "true", "reason": "x"}, {"rule": "true", "message": "a\nb"}, {"rule": "true", "fieldPath": ".zz"}]}),
            vec![
                format!("{v}.x-kubernetes-validations[0].rule: Required value: rule is not specified"),
                format!(
                    "{v}.x-kubernetes-validations[1].reason: Unsupported value: \"x\": supported values: \"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\""
                ),
                format!(
                    "{v}.x-kubernetes-validations[2].message: Invalid value: \"a\\nb\": must not contain line breaks"
                ),
                format!("{v}.x-kubernetes-validations[3].fieldPath: Invalid value: \".zz\": must be a valid path"),
            ],
        ),
        (
            json!({"type": "object", "properties": {"x": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true}}}),
            vec![],
        ),
    ];
    for (schema, want) in cases {
        assert_eq!(problems(with_schema(schema.clone())), want, "{schema}");
    }
}

#[test]
fn definitions_are_judged() {
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema});
    let one = |change: &dyn Fn(&mut Value)| {
        let mut crd = definition(json!([version]));
        change(&mut crd);
        problems(crd)
    };
    assert_eq!(
        one(&|crd| crd["metadata"]["name"] = "x".into()),
        ["metadata.name: Invalid value: \"x\": must be spec.names.plural+\".\"+spec.group",]
    );
    assert_eq!(
        one(&|crd| crd["spec"]["scope"] = "X".into()),
        ["spec.scope: Unsupported value: \"X\": supported values: \"Cluster\", \"Namespaced\"",]
    );
    assert_eq!(
        one(&|crd| crd["spec"]["versions"][0]["schema"] = Value::Null),
        ["spec.versions[0].schema.openAPIV3Schema: Required value",]
    );
    assert_eq!(
        one(&|crd| crd["spec"]["versions"][0]["storage"] = false.into()),
        [
            r#"spec.versions: Invalid value: [{"Name":"v1","Served":true,"Storage":false,"Deprecated":false,"DeprecationWarning":null,"Schema":null,"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}]: must have exactly one version marked as storage version"#,
            "status.storedVersions: Invalid value: null: must have at least one stored version",
        ]
    );
    let protected = one(&|crd| {
        crd["metadata"]["name"] = "foos.x.k8s.io".into();
        crd["spec"]["group"] = "x.k8s.io".into();
    });
    assert_eq!(
        protected,
        [
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111",
        ]
    );
    let columns = one(&|crd| {
        crd["spec"]["versions"][0]["additionalPrinterColumns"] = json!([{"name": "", "type": "x", "jsonPath": "a"}]);
        crd["spec"]["versions"][0]["deprecationWarning"] = "x".into();
    });
    assert_eq!(
        columns,
        [
            "spec.versions[0].deprecationWarning: Invalid value: \"x\": can only be set for deprecated versions",
            "spec.additionalPrinterColumns[0].name: Required value",
            "spec.additionalPrinterColumns[0].type: Invalid value: \"x\": must be one of boolean,date,integer,number,string",
            "spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"a\": must be a simple json path starting with .",
        ]
    );
}

#[test]
fn names_are_accepted_once() {
    let mut first = with_schema(json!({"type": "object"}));
    default_definition(&mut first);
    first["status"] = accepted_status(&first, &[], "2026-01-01T00:00:00Z");
    assert_eq!(
        first["status"]["conditions"],
        json!([
            {"type": "NamesAccepted", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "NoConflicts", "message": "no conflicts found"},
            {"type": "Established", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "InitialNamesAccepted", "message": "the initial names have been accepted"},
        ])
    );
    assert_eq!(
        first["status"]["acceptedNames"],
        json!({"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"})
    );
    assert_eq!(first["status"]["storedVersions"], json!(["v1"]));

    let mut second = with_schema(json!({"type": "object"}));
    second["metadata"]["name"] = "bars.g1.example.com".into();
    second["spec"]["names"]["plural"] = "bars".into();
    default_definition(&mut second);
    let status = accepted_status(&second, std::slice::from_ref(&first), "2026-01-01T00:00:01Z");
    assert_eq!(status["conditions"][0]["reason"], "ListKindConflict");
    assert_eq!(status["conditions"][0]["message"], "\"FooList\" is already in use");
    assert_eq!(status["conditions"][1]["reason"], "NotAccepted");
}

#[test]
fn served_versions_become_resources() {
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let crd = definition(json!([
        {"name": "v1", "served": true, "storage": true, "schema": schema},
        {"name": "v1beta1", "served": true, "storage": false, "deprecated": true, "schema": schema},
        {"name": "v1alpha1", "served": false, "storage": false, "schema": schema},
    ]));
    let resources = compile(&crd).unwrap();
    let versions: Vec<(&str, &str)> = resources
        .iter()
        .map(|one| (one.gvk.version.as_str(), one.storage_version.as_str()))
        .collect();
    assert_eq!(versions, [("v1", "v1"), ("v1beta1", "v1")]);
    let crate::world::kube::resources::Flavor::Custom(version) = &resources[1].flavor else {
        panic!()
    };
    assert_eq!(
        version.warning.as_deref(),
        Some("g1.example.com/v1beta1 Foo is deprecated; use g1.example.com/v1 Foo")
    );
}

/// Estimates as a real server gives them: none where the rule is accepted.
#[test]
fn rules_are_priced() {
    let strings = json!({"l": {"type": "array", "items": {"type": "string"}}});
    let numbers = json!({"l": {"type": "array", "items": {"type": "integer"}}});
    let bounded =
        |most: u64| json!({"l": {"type": "array", "maxItems": most, "items": {"type": "string", "maxLength": 100}}});
    let text = json!({"s": {"type": "string"}, "t": {"type": "string"}});
    let objects = json!({"l": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "string"}}}}});
    let map = json!({"m": {"type": "object", "additionalProperties": {"type": "string"}}});
    let any = json!({"q": {"x-kubernetes-int-or-string": true}});
    let bomb = "more than 100x";
    let cases = [
        (&strings, "self.l.all(x, x.startsWith('a'))", ""),
        (&strings, "self.l.all(x, self.l.all(y, x == y))", bomb),
        (
            &bounded(100),
            "self.l.all(x, self.l.exists(y, self.l.all(z, x == y)))",
            "4.5x",
        ),
        (
            &bounded(200),
            "self.l.all(x, self.l.exists(y, self.l.all(z, x == y)))",
            "36.0x",
        ),
        (&text, "self.s.contains(self.s)", bomb),
        (&text, "self.s.matches('^[a-z]+$')", ""),
        (&objects, "self.l.map(x, x.n).join(',').size() > 1", bomb),
        (
            &numbers,
            "self.l.all(x, x > 1) && self.l.exists(x, x == 2) && self.l.filter(x, x > 1).size() > 1 && self.l.map(x, x).size() > 2 && self.l.exists_one(x, x > 2)",
            "6.6x",
        ),
        (&numbers, "self.l.map(x, x > 1, x).size() > 1", "2.4x"),
        (
            &numbers,
            "self.l.filter(x, self.l.filter(y, y > x).size() > 1).size() > 1",
            bomb,
        ),
        (&map, "self.m.all(k, self.m[k].contains(k))", ""),
        (&strings, "self.l.isSorted()", bomb),
        (&text, "self.s.split(',').all(x, x.size() > 1)", "2.0x"),
        (&text, "self.s.replace('a','bb').contains('x')", ""),
        (
            &text,
            "(self.s + self.t).contains('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')",
            "",
        ),
        (&numbers, "[1,2,3].all(x, x in self.l)", ""),
        (&any, "quantity(self.q).isGreaterThan(quantity('1'))", ""),
        (&any, "self.q == 1 || self.q == 'x' || self.q + 1 > 2", ""),
        (&numbers, "sets.contains(self.l, self.l)", bomb),
        (
            &numbers,
            "self.l.distinct().size() == 1 && self.l.sort() == self.l",
            bomb,
        ),
        (
            &text,
            "[self.s, self.s].map(x, x + 'a').all(y, y.contains('bbbbbbbbbbbbbbbbbbbbbbb'))",
            "",
        ),
    ];
    let dear = json!({"type": "object", "properties": {"i": {"type": "integer"}}, "x-kubernetes-validations": [
        {"rule": "self.i > 1", "messageExpression": "'grew from ' + string(self.i)"}]});
    let found = problems(with_schema(json!({"type": "object", "properties": {"spec": dear}})));
    let v = "spec.validation.openAPIV3Schema";
    assert!(found[0].starts_with(&format!("{v}.properties[spec].x-kubernetes-validations[0].messageExpression: Forbidden: estimated messageExpression cost exceeds budget by factor of {bomb} (try")));
    assert!(found[1].ends_with("messageExpression: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"));
    assert!(found[2].starts_with(&format!("{v}: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of {bomb} (try")));
    for (properties, rule, factor) in cases {
        let spec = json!({"type": "object", "properties": properties, "x-kubernetes-validations": [{"rule": rule}]});
        let found = problems(with_schema(json!({"type": "object", "properties": {"spec": spec}})));
        let first = found.first().cloned().unwrap_or_default();
        let want = if factor.is_empty() {
            String::new()
        } else {
            format!("estimated rule cost exceeds budget by factor of {factor} (try")
        };
        assert!(
            first.contains(&want) && (want.is_empty() == first.is_empty()),
            "{rule}: {first}"
        );
    }
}

#[test]
fn rules_are_compiled() {
    let with = |rules: Value| {
        let spec = json!({"type": "object", "properties": {"i": {"type": "integer"}, "l": {"type": "array", "maxItems": 3, "items": {
            "type": "string", "maxLength": 3, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}}, "x-kubernetes-validations": rules});
        problems(with_schema(json!({"type": "object", "properties": {"spec": spec}})))
    };
    let v = "spec.validation.openAPIV3Schema.properties[spec]";
    let found = with(
        json!([{"rule": "1"}, {"rule": "self.i > 1)"}, {"rule": "self.i == 1", "messageExpression": "1"}, {"rule": "true", "optionalOldSelf": true}]),
    );
    let rule = |rule: &str, message: &str, optional: &str| {
        format!(
            "{{\"Rule\":\"{rule}\",\"Message\":\"\",\"MessageExpression\":\"{message}\",\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":{optional}}}"
        )
    };
    assert_eq!(
        found,
        [
            format!(
                "{v}.properties[l].items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": oldSelf cannot be used on the uncorrelatable portion of the schema within {v}.properties[l]"
            ),
            format!(
                "{v}.x-kubernetes-validations[0].rule: Invalid value: {}: cel expression must evaluate to a bool",
                rule("1", "", "null")
            ),
            format!(
                "{v}.x-kubernetes-validations[1].rule: Invalid value: {}: compilation failed: ERROR: <input>:1:11: Syntax error: extraneous input ')' expecting <EOF>\n | self.i > 1)\n | ..........^",
                rule("self.i \\u003e 1)", "", "null")
            ),
            format!(
                "{v}.x-kubernetes-validations[2].messageExpression: Invalid value: {}: messageExpression must evaluate to a string",
                rule("self.i == 1", "1", "null")
            ),
            format!(
                "{v}.x-kubernetes-validations[3].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"
            ),
        ]
    );
}

/// The definitions that this product ships are accepted and compiled.
#[test]
fn shipped_definitions_are_accepted() {
    let shipped = [
        include_str!("../../../../../../operator/chart/crds/karpenter.sh_nodeclaims.yaml"),
        include_str!("../../../../../../operator/chart/templates/crds/kaito.sh_workspaces.yaml"),
        include_str!("../../../../../../operator/chart/templates/crds/kaito.sh_inferencesets.yaml"),
    ];
    for text in shipped {
        // Lines of the chart's templates are no YAML.
        let plain: Vec<&str> = text.lines().filter(|line| !line.contains("{{")).collect();
        let mut crd: Value = serde_saphyr::from_str(&plain.join("\n")).unwrap();
        default_definition(&mut crd);
        prepare_definition(&mut crd, None);
        let problems = validate_definition(&crd, None);
        assert!(problems.is_empty(), "{}: {problems:?}", crd["metadata"]["name"]);
        assert!(!compile(&crd).unwrap().is_empty());
    }
}
