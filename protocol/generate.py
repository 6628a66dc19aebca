#!/usr/bin/env python3
"""Makes messages.h and messages.c, or the compatibility table, from messages/*.msg.

    generate.py --out DIR FILE...     writes DIR/messages.h and DIR/messages.c
    generate.py --doc PATH FILE...    writes the table as Markdown

A file describes one API; indentation by four spaces is nesting; # starts a comment, and the file's
first comment is the sentence for the documentation:

    # Heartbeat: a group member says it is alive.
    api Heartbeat 12  versions 0-4  flexible 4+

    request
        group_id           string
        group_instance_id  string?  3+

The api line has the name, the key, the versions described, the first flexible one ("flexible never"
if none) and, where ApiVersions lists other versions than those described, "advertise 0-11".

A field is a name, a type, then in this order and only where needed: the versions that have it (3+,
2-7, 4; all when absent), "= default", "tag N". Types:

    bool int8 int16 int32 int64 float64 uuid string bytes records
    {}           a structure, its fields indented below
    []int32      an array of a type
    []           an array of structures, their fields indented below

? after a type makes it nullable, ?7+ from that version on. Without a default, numbers are 0, a
string that is nullable in every version is null, and other strings and all arrays are empty. Fields
are named as in Kafka's newest definition, in snake_case. schema.h describes the generated C.
"""
import argparse
import pathlib
import re
import sys

FOREVER = 127
# Type -> C type, shortest encoding in classic and in flexible versions.
TYPES = {
    "bool": ("bool", 1, 1), "int8": ("int8_t", 1, 1), "int16": ("int16_t", 2, 2),
    "int32": ("int32_t", 4, 4), "int64": ("int64_t", 8, 8), "float64": ("double", 8, 8),
    "uuid": ("struct uuid", 16, 16), "string": ("struct bytes", 2, 1),
    "bytes": ("struct bytes", 4, 1), "records": ("struct records", 4, 1),
}
NUMBERS = ("bool", "int8", "int16", "int32", "int64")
FIELD = re.compile(r"(?P<name>[a-z][a-z0-9_]*) +(?P<array>\[\])?(?P<type>[a-z0-9]+|\{\})?"
                   r"(?P<null>\?[0-9+-]*)?(?: +(?P<versions>[0-9][0-9+-]*))?"
                   r"(?: +=(?: *)(?P<default>\S+))?(?: +tag (?P<tag>\d+))?$")
API = re.compile(r"api (?P<name>\w+) (?P<key>\d+) +versions (?P<versions>\S+) +"
                 r"flexible (?P<flexible>\d+\+|never)(?: +advertise (?P<advertise>\S+))?$")


def fail(where, message):
    sys.exit(f"{where}: {message}")


def parse_range(text, last=FOREVER):
    """'3+', '2-7' or '4' as an inclusive pair."""
    match = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text)
    if not match:
        raise ValueError(f"no version range: {text}")
    first = int(match[1])
    return first, last if match[2] else int(match[3] or first)


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class Struct:
    def __init__(self, name, api, versions):
        self.name, self.api, self.versions, self.fields = name, api, versions, []

    def wire_order(self):
        plain = [f for f in self.fields if f.tag is None]
        return plain + sorted((f for f in self.fields if f.tag is not None), key=lambda f: f.tag)

    def nested_first(self):
        for field in self.fields:
            if field.struct:
                yield from field.struct.nested_first()
        yield self

    def min_wire_size(self):
        return min(self.size_in(v) for v in range(self.versions[0], self.versions[1] + 1))

    def size_in(self, version):
        flexible = version >= self.api.flexible
        return flexible + sum(f.size_in(version, flexible) for f in self.fields if f.tag is None)


class Field:
    def __init__(self, match, owner):
        api = owner.api
        self.name, self.is_array = match["name"], match["array"] is not None
        self.type = match["type"] or "{}"
        if self.type != "{}" and self.type not in TYPES or not (match["array"] or match["type"]):
            raise ValueError(f"no such type: {match['type']}")
        self.tag = int(match["tag"]) if match["tag"] else None
        self.versions = parse_range(match["versions"] or "0+")
        alive = (max(self.versions[0], owner.versions[0]), min(self.versions[1], owner.versions[1]))
        if alive[0] > alive[1]:
            raise ValueError("no described version has this field")
        if self.tag is not None and alive[0] < api.flexible:
            raise ValueError("a tag needs flexible versions")
        self.nullable = (1, 0)
        if match["null"]:
            self.nullable = parse_range(match["null"][1:]) if match["null"] != "?" else (0, FOREVER)
        always = self.nullable[0] <= alive[0] and alive[1] <= self.nullable[1]
        self.is_pointer = self.type == "{}" and not self.is_array and self.nullable == (0, FOREVER)
        self.default, self.default_null = 0, always and not self.is_array
        if match["default"] == "null":
            self.default_null = True
        elif match["default"] is not None:
            if self.type not in NUMBERS or self.is_array:
                raise ValueError("only numbers and booleans have a default besides null")
            text = match["default"]
            self.default = ("false", "true").index(text) if self.type == "bool" else int(text, 0)
        if self.default_null and self.nullable[0] > self.nullable[1]:
            raise ValueError("null by default, but not nullable")
        self.struct = None
        if self.type == "{}":
            self.struct = Struct(f"{owner.name}_{self.name}", api, alive)

    def size_in(self, version, flexible):
        if not self.versions[0] <= version <= self.versions[1]:
            return 0
        if self.is_array:
            return 1 if flexible else 4
        if self.struct:
            return 1 if self.is_pointer else self.struct.size_in(version)
        return TYPES[self.type][2 if flexible else 1]

    def c_type(self):
        return f"struct {self.struct.name}" if self.struct else TYPES[self.type][0]

    def declaration(self):
        if self.is_array:
            return f"    {self.c_type()} *{self.name};\n    int32_t {self.name}_count;\n"
        return f"    {self.c_type()} {'*' if self.is_pointer else ''}{self.name};\n"

    def initializer(self, owner):
        parts = [f'.name = "{self.name}"',
                 f".type = FIELD_{'STRUCT' if self.struct else self.type.upper()}",
                 f".offset = offsetof(struct {owner.name}, {self.name})",
                 f".first_version = {self.versions[0]}, .last_version = {self.versions[1]}",
                 f".null_first = {self.nullable[0]}, .null_last = {self.nullable[1]}",
                 f".tag = {-1 if self.tag is None else self.tag}"]
        if self.is_array:
            parts.append(f".is_array = true, .count_offset = "
                         f"offsetof(struct {owner.name}, {self.name}_count)")
        if self.struct:
            parts.append(f".element = &{self.struct.name}_schema")
        if self.is_pointer:
            parts.append(".is_pointer = true")
        if self.default_null:
            parts.append(".null_by_default = true")
        if self.default:
            parts.append(f".default_value = {self.default}")
        return "    {" + ",\n     ".join(parts) + "},\n"


class Api:
    def __init__(self, path):
        self.path, self.name, self.roots, self.about = path, None, {}, ""
        stack = []  # the open structures, one per level of indentation
        for number, raw in enumerate(path.read_text().splitlines(), 1):
            line, _, comment = raw.partition("#")
            if not line.strip():
                self.about = self.about or comment.strip()
                continue
            try:
                self.parse_line(line.rstrip(), stack)
            except ValueError as error:
                fail(f"{path}:{number}", error)
        if sorted(self.roots) != ["request", "response"]:
            fail(path, "needs a request and a response")

    def parse_line(self, line, stack):
        depth, rest = divmod(len(line) - len(line.lstrip()), 4)
        line = line.strip()
        if rest or depth > len(stack):
            raise ValueError("indentation is by four spaces")
        if depth == 0 and line.startswith("api "):
            self.parse_api(line)
        elif depth == 0 and line in ("request", "response") and self.name:
            self.roots[line] = Struct(f"{snake(self.name)}_{line}", self, self.versions)
            stack[:] = [self.roots[line]]
        elif depth > 0:
            del stack[depth:]
            match = FIELD.match(line)
            if not match or stack[-1] is None:
                raise ValueError(f"not a field here: {line}")
            field = Field(match, stack[-1])
            stack[-1].fields.append(field)
            stack.append(field.struct)
        else:
            raise ValueError(f"expected api, request or response: {line}")

    def parse_api(self, line):
        match = API.match(line)
        if not match:
            raise ValueError("expected: api NAME KEY  versions A-B  flexible N+")
        self.name, self.key = match["name"], int(match["key"])
        self.versions = parse_range(match["versions"])
        never = match["flexible"] == "never"
        self.flexible = FOREVER if never else parse_range(match["flexible"])[0]
        self.advertise = parse_range(match["advertise"] or match["versions"])

    def structs(self):
        for root in self.roots.values():
            yield from root.nested_first()


def header(apis):
    out = ["/* Generated by generate.py from messages/. */\n#ifndef PROTOCOL_MESSAGES_H\n"
           "#define PROTOCOL_MESSAGES_H\n\n#include \"protocol/api.h\"\n\nenum {\n"]
    out += [f"    API_{snake(api.name).upper()} = {api.key},\n" for api in apis]
    out.append("};\n")
    for api in apis:
        out.append(f"\n/* {api.about} */\n")
        for struct in api.structs():
            fields = "".join(f.declaration() for f in struct.fields) or "    char nothing;\n"
            out.append(f"struct {struct.name} {{\n{fields}}};\n")
        out += [f"extern const struct schema {struct.name}_schema;\n" for struct in api.structs()]
    out.append("\nextern const struct api_messages message_table[]; /* by key */\n"
               f"enum {{ MESSAGE_TABLE_SIZE = {len(apis)} }};\n\n#endif\n")
    return "".join(out)


def source(apis):
    out = ["/* Generated by generate.py from messages/. */\n#include \"protocol/messages.h\"\n"
           "#include \"protocol/schema_table.h\"\n"]
    for struct in (s for api in apis for s in api.structs()):
        tagged = sum(f.tag is not None for f in struct.fields)
        fields = "NULL"
        if struct.fields:
            fields = f"{struct.name}_fields"
            out.append(f"\nstatic const struct schema_field {fields}[] = {{\n")
            out += [field.initializer(struct) for field in struct.wire_order()] + ["};\n"]
        out.append(f"const struct schema {struct.name}_schema = {{\n"
                   f"    \"{struct.name}\", {fields}, {len(struct.fields) - tagged}, {tagged},\n"
                   f"    sizeof(struct {struct.name}), {max(struct.min_wire_size(), 1)}, "
                   f"{struct.api.flexible},\n}};\n")
    out.append("\nconst struct api_messages message_table[] = {\n")
    for api in apis:
        name, versions = snake(api.name), (*api.versions, *api.advertise)
        out.append(f"    {{{api.key}, \"{api.name}\", {', '.join(map(str, versions))},\n"
                   f"     &{name}_request_schema, &{name}_response_schema}},\n")
    return "".join(out) + "};\n"


def document(apis):
    out = ["# Protocol compatibility\n\nThis page lists the Kafka APIs that this broker serves, with the "
           "versions that ApiVersions lists. From\nthe first flexible version on, messages have compact "
           "types and tagged fields. Some versions are listed\nbut not served, for old clients that check "
           "for them. The broker closes the connection after a request in\nsuch a version, or for an API "
           "that is not listed.\n\nThis page is generated: `protocol/generate.py --doc "
           "docs/protocol.md protocol/messages/*.msg`.\n\n| API | key | listed | served | flexible "
           "from | what it does |\n| --- | ---: | --- | --- | --- | --- |\n"]
    for api in apis:
        served = (max(api.versions[0], api.advertise[0]), min(api.versions[1], api.advertise[1]))
        listed, served = (f"{a}-{b}" if a < b else str(a) for a, b in (api.advertise, served))
        flexible = "never" if api.flexible == FOREVER else api.flexible
        about = api.about.partition(": ")[2]
        out.append(f"| {api.name} | {api.key} | {listed} | {served} | {flexible} | {about} |\n")
    return "".join(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--doc", type=pathlib.Path)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    apis = sorted((Api(path) for path in args.files), key=lambda api: api.key)
    if len({api.key for api in apis}) != len(apis):
        fail("generate.py", "two files describe the same key")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "messages.h").write_text(header(apis))
        (args.out / "messages.c").write_text(source(apis))
    if args.doc:
        args.doc.write_text(document(apis))


if __name__ == "__main__":
    main()
