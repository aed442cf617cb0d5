#!/usr/bin/env python3
"""Writes merge_facts.json: how Kubernetes merges and encodes each field of its built-in types.

Usage: merge_facts.py KUBERNETES_DIR MODULE_DIR > merge_facts.json

KUBERNETES_DIR holds api/openapi-spec/swagger.json and api/openapi-spec/v3/*.json of the Kubernetes release;
MODULE_DIR holds its Go modules (api@VERSION, apimachinery@VERSION, apiextensions-apiserver@VERSION,
kube-aggregator@VERSION). Only facts are written, no text:

  "DEFINITION": { "FIELD": "GO_TYPE WORD WORD ...", "": "WORD ..." }

GO_TYPE is the Go type as the decoder names it in its errors. Words, each absent when it does not apply:
  always           the encoder writes the field even when it is empty (no omitempty)
  zero             the encoder writes a zero struct (omitempty has no effect on structs)
  list=set | list=map:KEY,KEY | list=atomic
  map=atomic | map=granular
  patch=STRATEGY[,STRATEGY][:MERGE_KEY]
  default=JSON     for keys of list maps and the like
The empty field name carries facts on the definition itself: map=atomic and gvk=GROUP/VERSION/KIND.
"""
import glob
import json
import os
import re
import sys

# Go package directory below its module -> prefix of the OpenAPI definition names.
PACKAGES = {
    "api": ("io.k8s.api", "*/v*"),
    "apimachinery/pkg": ("io.k8s.apimachinery.pkg", None),
    "apiextensions-apiserver/pkg/apis": ("io.k8s.apiextensions-apiserver.pkg.apis", "apiextensions/v1"),
    "kube-aggregator/pkg/apis": ("io.k8s.kube-aggregator.pkg.apis", "apiregistration/v1"),
}
MACHINERY = ["apis/meta/v1", "runtime", "version", "api/resource", "util/intstr"]
PRIMITIVE = {"string", "bool", "int", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "float32",
             "float64", "byte"}


def go_files(modules):
    """Yields (definition prefix, package name, path)."""
    for base, (prefix, pattern) in PACKAGES.items():
        module, _, rest = base.partition("/")
        roots = glob.glob(os.path.join(modules, module + "@*", rest))
        patterns = MACHINERY if pattern is None else [pattern]
        for root in roots:
            for item in patterns:
                for folder in sorted(glob.glob(os.path.join(root, item))):
                    dotted = prefix + "." + os.path.relpath(folder, root).replace("/", ".")
                    for path in sorted(glob.glob(folder + "/*.go")):
                        if not path.endswith("_test.go"):
                            yield dotted, os.path.basename(folder), path


def without_comments(text):
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return re.sub(r"(?m)^\s*//.*$", "", text)


def read_go(modules):
    """Returns ({definition: [(go name, type, json tag)]}, {definition: underlying type})."""
    structs, aliases = {}, {}
    for dotted, package, path in go_files(modules):
        with open(path, encoding="utf-8") as file:
            text = without_comments(file.read())
        imports = {}
        for alias, target in re.findall(r'(?m)^\s*(?:import\s+)?(\w+)?\s*"(k8s\.io/[\w./-]+)"', text):
            imports[alias or target.rsplit("/", 1)[1]] = target
        for name, body in re.findall(r"(?ms)^type (\w+) struct \{\n(.*?)^\}", text):
            fields = []
            for line in body.splitlines():
                match = re.match(r'\s*(?:(\w+)\s+)?([\w.*\[\]]+)\s+`([^`]*)`', line)
                if match:
                    tag = re.search(r'json:"([^"]*)"', match.group(3))
                    if tag:
                        fields.append((match.group(1), qualify(match.group(2), dotted, package, imports), tag.group(1)))
            structs[dotted + "." + name] = fields
        for name, target in re.findall(r"(?m)^type (\w+) =?\s*([\w.*\[\]]+)\s*$", text):
            aliases[dotted + "." + name] = qualify(target, dotted, package, imports)
    return structs, aliases


def definition_of(target, name):
    """k8s.io/api/core/v1 + Pod -> io.k8s.api.core.v1.Pod"""
    return "io." + target.replace("k8s.io", "k8s", 1).replace("/", ".") + "." + name


def qualify(kind, dotted, package, imports):
    """Names types by (definition); keeps *, [] and map[] around them."""
    match = re.match(r"^(\*|\[\]|map\[[\w.]+\])(.*)$", kind)
    if match:
        return match.group(1) + qualify(match.group(2), dotted, package, imports)
    if kind in PRIMITIVE:
        return kind
    if "." in kind:
        alias, name = kind.split(".", 1)
        target = imports.get(alias, alias)
        return "<" + definition_of(target, name) + ">"
    return "<" + dotted + "." + kind + ">"


def shown(kind):
    """The type as the Go decoder prints it: package.Name."""
    def short(match):
        parts = match.group(1).split(".")
        return ".".join(parts[-2:])
    return re.sub(r"<([^>]*)>", short, kind)


def go_facts(structs, aliases):
    facts = {}

    def is_struct(kind):
        match = re.match(r"^<([^>]*)>$", kind)
        if not match:
            return False
        name = match.group(1)
        return is_struct(aliases[name]) if name in aliases else name in structs

    def add(owner, definition):
        for name, kind, tag in structs.get(definition, []):
            json_name, _, options = tag.partition(",")
            if json_name == "-":
                continue
            if not json_name:  # embedded
                match = re.match(r"^\*?<([^>]*)>$", kind)
                if match:
                    add(owner, match.group(1))
                continue
            words = [shown(kind)]
            # map keys print as their underlying type's name too
            if "omitzero" in options:
                pass
            elif "omitempty" not in options:
                words.append("always")
            elif is_struct(kind) and not kind.startswith("*"):
                words.append("zero")
            facts.setdefault(owner, {})[json_name] = words

    for definition in structs:
        add(definition, definition)
    return facts


def list_words(schema):
    words = []
    kind = schema.get("x-kubernetes-list-type")
    if kind == "map":
        words.append("list=map:" + ",".join(schema["x-kubernetes-list-map-keys"]))
    elif kind:
        words.append("list=" + kind)
    if "x-kubernetes-map-type" in schema:
        words.append("map=" + schema["x-kubernetes-map-type"])
    if "x-kubernetes-patch-strategy" in schema or "x-kubernetes-patch-merge-key" in schema:
        text = "patch=" + schema.get("x-kubernetes-patch-strategy", "")
        if "x-kubernetes-patch-merge-key" in schema:
            text += ":" + schema["x-kubernetes-patch-merge-key"]
        words.append(text)
    return words


def main():
    kubernetes, modules = sys.argv[1], sys.argv[2]
    with open(os.path.join(kubernetes, "api/openapi-spec/swagger.json"), encoding="utf-8") as file:
        definitions = json.load(file)["definitions"]
    defaults = {}
    for path in sorted(glob.glob(os.path.join(kubernetes, "api/openapi-spec/v3/*.json"))):
        with open(path, encoding="utf-8") as file:
            schemas = json.load(file).get("components", {}).get("schemas", {})
        for name, schema in schemas.items():
            for field, prop in schema.get("properties", {}).items():
                default = prop.get("default")
                if isinstance(default, (str, int, bool)):
                    defaults[(name, field)] = default
    go = go_facts(*read_go(modules))
    out = {}
    for name, schema in sorted(definitions.items()):
        if re.search(r"\.v\d+(alpha|beta)\d+\.", name):
            continue  # not served
        rows = {}
        words = [word for word in list_words(schema) if word.startswith("map=")]
        gvks = schema.get("x-kubernetes-group-version-kind", [])
        if len(gvks) == 1:
            gvk = gvks[0]
            words.append("gvk=%s/%s/%s" % (gvk["group"], gvk["version"], gvk["kind"]))
        if words:
            rows[""] = " ".join(words)
        own = go.get(name, {})
        for field, prop in sorted(schema.get("properties", {}).items()):
            words = list(own.get(field, ["?"])) + list_words(prop)
            if (name, field) in defaults:
                words.append("default=" + json.dumps(defaults[(name, field)]))
            if words != ["?"]:
                rows[field] = " ".join(words)
        if rows:
            out[name] = rows
    lines = ['%s: %s' % (json.dumps(name), json.dumps(rows, separators=(",", ":"))) for name, rows in out.items()]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")


main()
