#!/usr/bin/env python3
"""Writes messages.txt: how Kubernetes' built-in kinds lie in protobuf.

usage: messages.py MODULES_DIR   (the folder that holds api@v0.36.3, apimachinery@v0.36.3,
apiextensions-apiserver@v0.36.3, kube-aggregator@v0.36.3)

Facts only: per struct the field numbers, JSON names and types, read from the `json` and `protobuf` tags of the Go types.
A line is a struct: its name, then `number:name:type` words. Types: s text, i integer, b truth, f float, y bytes,
`@package.Name` a struct, `@Name` one that Go encodes by hand, `[` before it a list, `{` a map from text; `<` a struct whose fields lie in the parent (inline).
"""
import pathlib
import re
import sys

VERSION = "v0.36.3"
GROUPS = """core/v1 apps/v1 batch/v1 autoscaling/v1 autoscaling/v2 policy/v1 rbac/v1 networking/v1 coordination/v1
discovery/v1 events/v1 storage/v1 scheduling/v1 node/v1 admissionregistration/v1 certificates/v1 authentication/v1
authorization/v1 flowcontrol/v1 resource/v1""".split()
# Groups with a Go module of their own.
OTHERS = {
    "apiextensions.v1": f"apiextensions-apiserver@{VERSION}/pkg/apis/apiextensions/v1",
    "apiregistration.v1": f"kube-aggregator@{VERSION}/pkg/apis/apiregistration/v1",
}
# Structs that Go encodes by hand; the decoder knows them.
SPECIAL = {
    "Time", "MicroTime", "Quantity", "IntOrString", "RawExtension", "FieldsV1", "ExtraValue", "Verbs",
    "JSON", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrStringArray",
}
WORDS = {"string": "s", "bool": "b", "float64": "f", "float32": "f", "byte": "y"}
WORDS |= {name: "i" for name in "int int8 int32 int64 uint8 uint32 uint64".split()}


def files(modules):
    api, machinery = modules / f"api@{VERSION}", modules / f"apimachinery@{VERSION}"
    for group in GROUPS:
        yield group.replace("/", "."), sorted((api / group).glob("*types*.go"))
    for package, folder in OTHERS.items():
        yield package, sorted((modules / folder).glob("types*.go"))
    meta = machinery / "pkg/apis/meta/v1"
    yield "meta.v1", sorted(meta.glob("types.go")) + sorted(meta.glob("*_types.go"))
    yield "types", sorted((machinery / "pkg/types").glob("*.go"))


def read(modules):
    structs, named, imports = {}, {}, {}
    for package, paths in files(modules):
        for path in paths:
            text = path.read_text()
            for alias, target in re.findall(r'^\s*(?:import\s+)?(\w+)?\s*"(k8s\.io/[^"]+)"', text, re.M):
                parts = target.split("/")
                if "api" == parts[1]:
                    imports[(package, alias or parts[-1])] = ".".join(parts[2:])
                elif target.endswith("meta/v1"):
                    imports[(package, alias or "v1")] = "meta.v1"
                else:
                    imports[(package, alias or parts[-1])] = parts[-1]
            for name, body in re.findall(r"^type (\w+) struct ?\{(|\n.*?^)\}", text, re.M | re.S):
                structs[(package, name)] = body
            for name, base in re.findall(r"^type (\w+) ([\w\[\]\.]+)$", text, re.M):
                named[(package, name)] = base
    return structs, named, imports


def kind(package, go, named, imports, structs):
    go = go.lstrip("*")
    if go == "[]byte":
        return "y"
    if go.startswith("[]"):
        return "[" + kind(package, go[2:], named, imports, structs)
    if go.startswith("map["):
        return "{" + kind(package, go[go.index("]") + 1 :], named, imports, structs)
    if go in WORDS:
        return WORDS[go]
    home, _, name = go.rpartition(".")
    home = imports.get((package, home), home) if home else package
    if name in SPECIAL:
        return "@" + name
    if (home, name) in named:
        return kind(home, named[(home, name)], named, imports, structs)
    if (home, name) in structs:
        return f"@{home}.{name}"
    if home in ("types",):
        return "s"
    raise SystemExit(f"unknown type {go} in {package}")


FIELD = re.compile(r'^\s*(?:(\w+)\s+)?([\*\w\.\[\]]+)\s+`(.*?)`', re.M)


def main():
    structs, named, imports = read(pathlib.Path(sys.argv[1]))
    rows = {}
    for (package, name), body in sorted(structs.items()):
        if name in SPECIAL:
            continue
        words = []
        for field, go, tags in FIELD.findall(body):
            number = re.search(r'protobuf:"\w+,(\d+)', tags)
            json = re.search(r'json:"([^,"]*)(,inline)?', tags)
            if not number or not json:
                continue
            shape = kind(package, go, named, imports, structs)
            inline = json.group(2) or json.group(1) == ""
            words.append(f"{number.group(1)}:{'' if inline else json.group(1)}:{'<' if inline else ''}{shape}")
        rows[f"{package}.{name}"] = " ".join(words)
    referred = set(re.findall(r"@([\w.]+)", " ".join(rows.values())))
    lines = [f"{name} {words}".rstrip() for name, words in rows.items() if words or name in referred]
    (pathlib.Path(__file__).parent / "messages.txt").write_text("\n".join(lines) + "\n")


main()
