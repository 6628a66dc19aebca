#!/usr/bin/env python3
"""A second opinion on processors: the same semantics, written to be obviously right, not fast.

    model.py CONFIG INPUT                prints what must come out, one JSON object per line
    model.py --check OUTPUT CONFIG INPUT compares it with what did come out; exit 1 on a difference

CONFIG has sections ([topic/processor]); INPUT and OUTPUT are records as `tidemill consume` prints
them. Everything is kept for ever and recounted: a window is the list of its records, a dedup
remembers every anchor. Of expressions it knows what pipelines in tests use, and says so otherwise.
"""
import argparse
import base64
import datetime
import json
import math
import re
import sys
from decimal import Decimal, ROUND_HALF_UP
from fractions import Fraction

UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000, "w": 604800000}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Dead(Exception):
    """The record at hand is a dead letter."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Failed(Exception):
    """An expression has an error."""


def duration(text):
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d|w)?", text.strip())
    return int(match[1]) * UNITS[match[2] or "ms"]


def time_ms(text):
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return (moment - EPOCH) // datetime.timedelta(milliseconds=1)


# JSON

def strict_json(data):
    """The value, or raises ValueError. Depth and literals as RFC 8259 and the broker have them."""
    def refuse(literal):
        raise ValueError(literal)
    text = data.decode("utf-8")
    depth = deepest = 0
    for part in re.findall(r'"(?:\\.|[^"\\])*"|[\[{]|[\]}]', text):
        depth += part in "[{"
        depth -= part in "]}"
        deepest = max(deepest, depth)
    if deepest > 64 or re.search(r"[^ \t\n\r\x21-\U0010ffff]", text):
        raise ValueError("depth or character")
    value = json.loads(text, parse_constant=refuse, parse_float=finite,
                       object_pairs_hook=first_wins)
    json.dumps(value).encode("utf-8")
    return value


def finite(text):
    value = float(text)
    if math.isinf(value):
        raise ValueError("out of range")
    return value


def first_wins(pairs):
    result = {}
    for name, value in pairs:
        result.setdefault(name, value)
    return result


def canonical(value):
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, float):
        if value == int(value) and abs(value) < 1e21:
            return str(int(value))
        if 1e-6 <= abs(value) < 1e21:
            return format(Decimal(repr(value)), "f")
        return repr(value)
    if isinstance(value, bytes):
        return json.dumps(base64.b64encode(value).decode())
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode())
        return "{" + ",".join(json.dumps(n, ensure_ascii=False) + ":" + canonical(value[n])
                              for n in names) + "}"
    return json.dumps(value, ensure_ascii=False)


def fits(schema, value, root=None):
    """Whether a value fits a JSON schema: the keywords that tests use."""
    root = schema if root is None else root
    if isinstance(schema, bool):
        return schema
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}

    def is_kind(kind):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if kind == "number":
            return number
        if kind == "integer":
            return number and value == math.floor(value)
        return isinstance(value, kinds[kind])
    number = is_kind("number")
    size = len(value) if isinstance(value, (str, list)) else 0
    checks = {
        "type": lambda t: any(map(is_kind, t if isinstance(t, list) else [t])),
        "enum": lambda options: canonical(value) in map(canonical, options),
        "const": lambda wanted: canonical(value) == canonical(wanted),
        "minimum": lambda low: not number or value >= low,
        "maximum": lambda high: not number or value <= high,
        "exclusiveMinimum": lambda low: not number or value > low,
        "exclusiveMaximum": lambda high: not number or value < high,
        "minLength": lambda n: not isinstance(value, str) or size >= n,
        "maxLength": lambda n: not isinstance(value, str) or size <= n,
        "minItems": lambda n: not isinstance(value, list) or size >= n,
        "maxItems": lambda n: not isinstance(value, list) or size <= n,
        "pattern": lambda p: not isinstance(value, str) or re.search(p, value) is not None,
        "required": lambda names: not isinstance(value, dict) or all(n in value for n in names),
        "items": lambda s: not isinstance(value, list) or all(fits(s, v, root) for v in value),
        "properties": lambda p: not isinstance(value, dict) or all(
            fits(s, value[n], root) for n, s in p.items() if n in value),
        "additionalProperties": lambda s: not isinstance(value, dict) or all(
            fits(s, v, root) for n, v in value.items() if n not in schema.get("properties", {})),
        "allOf": lambda options: all(fits(s, value, root) for s in options),
        "anyOf": lambda options: any(fits(s, value, root) for s in options),
        "oneOf": lambda options: sum(fits(s, value, root) for s in options) == 1,
        "not": lambda s: not fits(s, value, root),
    }
    ignored = {"title", "description", "$schema", "$id", "$defs", "default", "examples"}
    for keyword, argument in schema.items():
        if keyword not in checks and keyword not in ignored:
            raise SystemExit(f"the model does not know the schema keyword {keyword}")
        if keyword in checks and not checks[keyword](argument):
            return False
    return True


# Expressions: compiled to Python functions of a record.

TOKEN = re.compile(r"\s*(?:(\d+\.\d+(?:[eE][+-]?\d+)?|\d+)|([A-Za-z_]\w*)|'((?:\\.|[^'\\])*)'"
                   r'|"((?:\\.|[^"\\])*)"|(\|\||&&|[=!<>]=|[-+*/%<>!?:.,()\[\]{}]))')
LEVELS = [["||"], ["&&"], ["==", "!=", "<", "<=", ">", ">=", "in"], ["+", "-"], ["*", "/", "%"]]


def tokens_of(source):
    at, result = 0, []
    source = source.strip()
    while at < len(source):
        match = TOKEN.match(source, at)
        if not match:
            raise SystemExit(f"the model cannot read {source[at:]!r}")
        number, word, single, double, symbol = match.groups()
        if number is not None:
            result.append(("value", float(number) if re.search("[.eE]", number) else int(number)))
        elif word is not None:
            result.append(("word", word))
        elif symbol is not None:
            result.append(("symbol", symbol))
        else:
            result.append(("value", (single if single is not None else double)
                           .encode().decode("unicode_escape")))
        at = match.end()
    return result + [("end", None)]


class Compiler:
    def __init__(self, source):
        self.tokens = tokens_of(source)

    def next_is(self, *texts):
        kind, text = self.tokens[0]
        return kind in ("symbol", "word") and text in texts

    def take(self, *texts):
        if texts and not self.next_is(*texts):
            raise SystemExit(f"the model expected {texts}, found {self.tokens[0]}")
        return self.tokens.pop(0)[1]

    def whole(self):
        result = self.choice()
        if self.tokens[0][0] != "end":
            raise SystemExit(f"the model cannot read on at {self.tokens[0]}")
        return result

    def choice(self):
        condition = self.binary(0)
        if not self.next_is("?"):
            return condition
        self.take("?")
        yes = self.choice()
        self.take(":")
        no = self.choice()
        return lambda r: yes(r) if truth(condition(r)) else no(r)

    def binary(self, level):
        if level == len(LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.next_is(*LEVELS[level]):
            left = operation(self.take(), left, self.binary(level + 1))
        return left

    def unary(self):
        if self.next_is("!"):
            self.take()
            inner = self.unary()
            return lambda r: not truth(inner(r))
        if self.next_is("-"):
            self.take()
            inner = self.unary()
            return lambda r: None if inner(r) is None else -numeric(inner(r))
        return self.postfix()

    def postfix(self):
        result = self.primary()
        while self.next_is(".", "["):
            if self.take() == "[":
                index = self.choice()
                self.take("]")
                result = (lambda base, at: lambda r: reach(base(r), at(r)))(result, index)
                continue
            name = self.take()
            if self.next_is("("):
                arguments = self.arguments()
                result = call(name, [result] + arguments)
            else:
                result = (lambda base, field: lambda r: reach(base(r), field))(result, name)
        return result

    def arguments(self):
        self.take("(")
        result = []
        while not self.next_is(")"):
            result.append(self.choice())
            if self.next_is(","):
                self.take()
        self.take(")")
        return result

    def primary(self):
        kind, text = self.tokens.pop(0)
        if kind == "value":
            return lambda r: text
        if kind == "symbol" and text == "(":
            inner = self.choice()
            self.take(")")
            return inner
        if kind == "symbol" and text == "[":
            items = []
            while not self.next_is("]"):
                items.append(self.choice())
                if self.next_is(","):
                    self.take()
            self.take("]")
            return lambda r: [item(r) for item in items]
        if kind != "word":
            raise SystemExit(f"the model cannot read {text!r}")
        if self.next_is("("):
            if text == "has":
                return self.has()
            return call(text, self.arguments())
        constants = {"true": True, "false": False, "null": None}
        if text in constants:
            return lambda r: constants[text]
        return lambda r: r.variable(text)

    def has(self):
        self.take("(")
        path = [self.take()]
        while self.next_is("."):
            self.take()
            path.append(self.take())
        self.take(")")

        def test(r):
            value = r.variable(path[0])
            for name in path[1:]:
                if not isinstance(value, dict) or name not in value:
                    return False
                value = value[name]
            return True
        return test


def truth(value):
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Failed("no condition")


def numeric(value):
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise Failed("no number")
    return value


def reach(base, at):
    if isinstance(base, dict):
        return base.get(at)
    if isinstance(base, list) and isinstance(at, int):
        return base[at] if 0 <= at < len(base) else None
    if base is None or not isinstance(base, (dict, list)):
        return None
    return None


def equal(a, b):
    both_numbers = all(isinstance(x, (int, float, Decimal)) and not isinstance(x, bool)
                       for x in (a, b))
    return Fraction(a) == Fraction(b) if both_numbers else canonical(a) == canonical(b)


def order(symbol, a, b):
    if a is None or b is None:
        return False
    if isinstance(a, str) and isinstance(b, str):
        a, b = a.encode(), b.encode()
    else:
        a, b = Fraction(numeric(a)), Fraction(numeric(b))
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[symbol]


def arithmetic(symbol, a, b):
    if a is None or b is None:
        return None
    if symbol == "+" and isinstance(a, str) and isinstance(b, str):
        return a + b
    a, b = numeric(a), numeric(b)
    if symbol in "/%" and b == 0:
        raise Failed("division by zero")
    if isinstance(a, int) and isinstance(b, int):
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) if symbol in "/%" else 0
        result = {"+": a + b, "-": a - b, "*": a * b, "/": quotient, "%": a - quotient * b}[symbol]
        if not -2**63 <= result < 2**63:
            raise Failed("overflow")
        return result
    a, b = float(a), float(b)
    return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b,
            "%": lambda: math.fmod(a, b)}[symbol]()


def operation(symbol, left, right):
    if symbol in ("||", "&&"):
        decides = symbol == "||"

        def logic(r):
            failure = None
            for side in (left, right):
                try:
                    if truth(side(r)) == decides:
                        return decides
                except Failed as f:
                    failure = f
            if failure:
                raise failure
            return not decides
        return logic
    if symbol == "in":
        return lambda r: any(equal(left(r), item) for item in right(r) or [])
    if symbol in ("==", "!="):
        return lambda r: equal(left(r), right(r)) == (symbol == "==")
    if symbol in ("<", "<=", ">", ">="):
        return lambda r: order(symbol, left(r), right(r))
    return lambda r: arithmetic(symbol, left(r), right(r))


def make_decimal(value, precision, scale):
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise Dead("TYPE_MISMATCH")
    try:
        exact = Decimal(repr(value) if isinstance(value, float) else str(value))
    except ArithmeticError:
        raise Dead("TYPE_MISMATCH") from None
    rounded = exact.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    if abs(rounded) >= Decimal(10) ** (precision - scale):
        raise Dead("TYPE_MISMATCH")
    return rounded


FUNCTIONS = {
    "lower": lambda s: s.lower(),
    "upper": lambda s: s.upper(),
    "trim": lambda s: s.strip(),
    "size": len,
    "startsWith": lambda s, part: s.startswith(part),
    "endsWith": lambda s, part: s.endswith(part),
    "contains": lambda s, part: part in s,
}


def call(name, arguments):
    if name == "header":
        return lambda r: r.headers.get(arguments[0](r))
    if name == "coalesce":
        return lambda r: next((v for v in (a(r) for a in arguments) if v is not None), None)
    if name == "decimal":
        return lambda r: make_decimal(*(a(r) for a in arguments))
    if name not in FUNCTIONS:
        raise SystemExit(f"the model does not know the function {name}()")

    def run(r):
        values = [a(r) for a in arguments]
        if any(v is None for v in values):
            return None
        return FUNCTIONS[name](*values)
    return run


def compiled(source):
    return Compiler(source).whole()


def parts(text, separator=";"):
    """Cuts at top level: quotes and brackets count."""
    result, depth, quote, start = [], 0, None, 0
    for at, c in enumerate(text):
        if quote:
            quote = None if c == quote and text[at - 1] != "\\" else quote
        elif c in "'\"":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == separator and depth == 0:
            result.append(text[start:at].strip())
            start = at + 1
    return [p for p in result + [text[start:].strip()] if p]


def field_name(source):
    match = re.fullmatch(r"(?:\w+\.)*(\w+)", source)
    return match[1] if match else source


# Records

class Record:
    def __init__(self, topic, partition, offset, line):
        self.topic, self.partition, self.offset = topic, partition, offset
        self.timestamp = line["timestamp"]
        self.key, self.value = raw(line, "key"), raw(line, "value")
        self.headers = {h["key"]: h.get("value") for h in line.get("headers") or []}
        self.source = line
        try:
            self.json = None if self.value is None else strict_json(self.value)
            self.is_json = self.value is not None
        except ValueError:
            self.json, self.is_json = None, False

    def variable(self, name):
        if name == "value":
            if self.is_json or self.value is None:
                return self.json
            return text_or_bytes(self.value)
        if name == "key":
            return None if self.key is None else text_or_bytes(self.key)
        if name in ("timestamp", "partition", "offset", "topic"):
            return getattr(self, name)
        raise SystemExit(f"the model does not know the variable {name}")


def text_or_bytes(data):
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def raw(line, name):
    """The bytes of a key or value as a line of JSON shows them."""
    if name + "_base64" in line:
        return base64.b64decode(line[name + "_base64"])
    value = line.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    return line["__text_" + name].encode()


def read_lines(path):
    for text in open(path, encoding="utf-8"):
        if not text.strip():
            continue
        line = json.loads(text)
        for name in ("key", "value"):
            if not isinstance(line.get(name), (str, type(None))):
                line["__text_" + name] = member_text(text, name)
        if isinstance(line.get("timestamp"), str):
            line["timestamp"] = time_ms(line["timestamp"])
        yield line


def member_text(text, name):
    """The text of one member of an object, as it stands there."""
    decoder, at = json.JSONDecoder(), text.index("{") + 1
    while True:
        at = re.compile(r"[\s,]*").match(text, at).end()
        member, at = decoder.raw_decode(text, at)
        at = re.compile(r"\s*:\s*").match(text, at).end()
        _, end = decoder.raw_decode(text, at)
        if member == name:
            return text[at:end]
        at = end


# Steps: each answers what becomes of a record, and what to do if the whole chain agrees.

class Validate:
    def __init__(self, config):
        schema = config.get("json-schema")
        self.schema = json.loads(schema[len("inline:"):]) if schema else None

    def judge(self, record, _time, _watermark):
        if record.value is not None and not record.is_json:
            raise Dead("MALFORMED_JSON")
        if record.value is not None and self.schema is not None and \
                not fits(self.schema, record.json):
            raise Dead("SCHEMA_VIOLATION")
        return "pass", None

    def finish(self, _watermark):
        return []


class Filter(Validate):
    def __init__(self, _config):
        pass

    def judge(self, record, _time, _watermark):
        return "pass", None


class Dedup:
    def __init__(self, config):
        self.ids = [compiled(p) for p in parts(config["id"])]
        self.within = duration(config["within"])
        self.lateness = duration(config.get("lateness", "0"))
        self.late = config.get("late")
        self.refresh = config.get("refresh") == "true"
        self.anchors = {}
        if config.get("clock", "event") != "event":
            raise SystemExit("the model knows the event clock only")

    def judge(self, record, time, watermark):
        values = [f(record) for f in self.ids]
        if any(v is None for v in values):
            raise Dead("DEDUP_ID_MISSING")
        anchors = self.anchors.setdefault(canonical(values), [])
        if watermark is not None and time < watermark - self.lateness:
            return ("pass", lambda: anchors.append(time)) if self.late == "pass" else ("late", None)
        if any(abs(time - a) < self.within for a in anchors):
            return "duplicate", (lambda: anchors.append(time)) if self.refresh else None
        return "pass", lambda: anchors.append(time)

    def finish(self, _watermark):
        return []


class Aggregate:
    def __init__(self, config):
        self.config = config
        self.groups = parts(config["group-by"])
        self.group_functions = [compiled(p) for p in self.groups]
        self.lateness = duration(config.get("lateness", "0"))
        kind, arguments = re.fullmatch(r"(\w+)\((.*)\)", config["window"].strip()).groups()
        sizes = [p for p in parts(arguments) if "=" not in p]
        named = dict(re.split(r"\s*=\s*", p) for p in parts(arguments) if "=" in p)
        self.size, self.advance = duration(sizes[0]), duration(sizes[-1])
        self.offset = duration(named.get("offset", "0"))
        self.select = [self.parse(item) for item in parts(config["select"])]
        self.windows = {}
        assert kind in ("tumbling", "hopping")

    @staticmethod
    def parse(item):
        function, inside, name = re.fullmatch(r"(\w+)\s*\((.*)\)\s+as\s+(\w+)", item).groups()
        split = re.split(r"(?:^|\s)where\s", inside, maxsplit=1)
        argument = compiled(split[0]) if split[0].strip() else None
        where = compiled(split[1]) if len(split) > 1 else None
        return name, function, argument, where

    def starts(self, time):
        start = (time - self.offset) // self.advance * self.advance + self.offset
        while start > time - self.size:
            yield start
            start -= self.advance

    def values(self, record):
        result = []
        for _name, function, argument, where in self.select:
            if where is not None and not self.condition(where, record):
                result.append(None)
                continue
            value = True if argument is None else argument(record)
            wrong = isinstance(value, (bool, list, dict)) or (
                isinstance(value, str) and function in ("sum", "avg"))
            if function in ("sum", "avg", "min", "max") and wrong:
                if self.config.get("on-type-error") != "skip":
                    raise Dead("TYPE_MISMATCH")
                value = None
            result.append(value)
        return result

    def condition(self, where, record):
        try:
            return truth(where(record))
        except Failed:
            if self.config.get("on-error") == "false":
                return False
            raise

    def judge(self, record, time, watermark):
        if record.value is None and self.config.get("nulls", "skip") == "skip":
            return "null", None
        group = [f(record) for f in self.group_functions]
        if any(v is None for v in group):
            missing = self.config.get("on-missing-key", "dlq")
            if missing == "dlq":
                raise Dead("KEY_MISSING")
            if missing == "drop":
                return "filtered", None
        values = self.values(record)
        closed = -math.inf if watermark is None else watermark - self.lateness
        open_starts = [s for s in self.starts(time) if s + self.size > closed]
        if not open_starts:
            return "late", None
        name = record.key if self.groups == ["key"] else canonical(group).encode()

        def take():
            for start in open_starts:
                window = self.windows.setdefault((start + self.size, start, name), (group, []))
                window[1].append((time, record.offset, values))
        return "absorbed", take

    def finish(self, watermark):
        if watermark is None:
            return []
        due = sorted(w for w in self.windows if w[0] + self.lateness <= watermark)
        return [self.result(w, *self.windows.pop(w)) for w in due]

    def result(self, window, group, rows):
        end, start, name = window
        value = {field_name(source): shown(v) for source, v in zip(self.groups, group)}
        iso = self.config.get("window.format") == "iso"
        value["window_start"] = iso_time(start) if iso else start
        value["window_end"] = iso_time(end) if iso else end
        for i, (label, function, _argument, _where) in enumerate(self.select):
            value[label] = total(function, [(t, o, v[i]) for t, o, v in rows if v[i] is not None])
        shape = self.config.get("output.key", "json")
        key = {"json": canonical({"e": end, "key": [shown(v) for v in group], "s": start}).encode(),
               "group": name,
               "kafka-windowed": name + (start % 2**64).to_bytes(8, "big")}[shape]
        time = max(t for t, _o, _v in rows)
        if self.config.get("output.timestamp") == "window-end":
            time = end - 1
        return {"timestamp": time, "key": key, "value": value}


def shown(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def iso_time(ms):
    moment = EPOCH + datetime.timedelta(milliseconds=ms)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{ms % 1000:03d}Z" if ms % 1000 else "Z")


def total(function, rows):
    values = [v for _t, _o, v in rows]
    if function == "count":
        return len(values)
    if not values:
        return None
    if function in ("first", "last"):
        return (min if function == "first" else max)(rows, key=lambda row: row[:2])[2]
    if function in ("min", "max"):
        return (min if function == "min" else max)(
            values, key=lambda v: (1, v.encode()) if isinstance(v, str) else (0, Fraction(v)))
    exact = sum((Fraction(v) for v in values), Fraction(0))
    doubles = any(isinstance(v, float) for v in values)
    if function == "avg":
        return float(exact) / len(values) if doubles else float(exact / len(values))
    if doubles:
        return float(exact)
    if exact.denominator == 1:
        return int(exact)
    return sum((Decimal(v) for v in values), Decimal(0))


# Chains

class Processor:
    def __init__(self, name, config):
        self.name, self.config = name, config
        self.where = compiled(config["where"]) if "where" in config else None
        self.step = {"validate": Validate, "filter": Filter, "dedup": Dedup,
                     "aggregate": Aggregate}[config["type"]](config)
        self.followers = []

    def wanted(self, record):
        try:
            return self.where is None or truth(self.where(record))
        except Failed:
            if self.config.get("on-error") == "false":
                return False
            raise Dead("EXPR_ERROR") from None


class Chain:
    """One chain on one partition."""

    def __init__(self, topic, first, now):
        self.topic, self.first, self.now = topic, first, now
        self.watermark = None
        self.ahead = duration(first.config.get("out-of-order", "0"))
        future = first.config.get("max-future", "1h")
        self.max_future = math.inf if future == "off" else duration(future)
        source = first.config.get("timestamp", "record")
        self.timestamp = None if source == "record" else compiled(source)

    def take(self, record):
        """All that this record causes: (topic, kind, fields)."""
        effects, outputs = [], []
        try:
            time = self.walk(self.first, record, effects, outputs, None)
        except Dead as dead:
            return [self.dead_letter(dead.processor, record, dead.code, "dlq")]
        for effect in effects:
            effect()
        candidate = time - self.ahead
        self.watermark = candidate if self.watermark is None else max(self.watermark, candidate)
        self.fire(self.first, outputs)
        return outputs

    def event_time(self, record):
        if self.timestamp is None:
            time = record.timestamp
            if time < 0:
                raise Dead("TIMESTAMP_INVALID")
        else:
            time = self.field_time(self.timestamp(record), record)
        if time > self.now + self.max_future:
            raise Dead("TIMESTAMP_FUTURE")
        return time

    def field_time(self, value, record):
        config = self.first.config
        if value is None:
            if config.get("timestamp.on-missing") == "record":
                return record.timestamp
            raise Dead("TIMESTAMP_MISSING")
        shape = config.get("timestamp.format", "epoch-ms")
        scales = {"epoch-ms": 1, "epoch-s": 1000, "epoch-us": Fraction(1, 1000),
                  "epoch-ns": Fraction(1, 1000000)}
        try:
            if shape in scales and not isinstance(value, (bool, list, dict)):
                return math.floor(Fraction(str(value)) * scales[shape])
            if shape == "rfc3339" and isinstance(value, str):
                return time_ms(value)
            if shape.startswith("strptime:") and isinstance(value, str):
                moment = datetime.datetime.strptime(value, shape[len("strptime:"):])
                return (moment.replace(tzinfo=datetime.timezone.utc) - EPOCH) // \
                    datetime.timedelta(milliseconds=1)
        except ValueError:
            pass
        raise Dead("TIMESTAMP_INVALID")

    def walk(self, processor, record, effects, outputs, time):
        """Judges at this processor and behind it; returns the event time."""
        try:
            validates = isinstance(processor.step, Validate) and \
                not isinstance(processor.step, Filter)
            if time is None and not validates:
                time = self.event_time(record)
            if validates:
                fate, effect = processor.step.judge(record, time, self.watermark)
                wanted = processor.wanted(record)
                time = self.event_time(record) if time is None else time
                if not wanted:
                    fate = "filtered"
            elif isinstance(processor.step, Aggregate) and record.value is None and \
                    processor.config.get("nulls", "skip") == "skip":
                fate, effect = "null", None
            elif not processor.wanted(record):
                fate, effect = "filtered", None
            else:
                fate, effect = processor.step.judge(record, time, self.watermark)
        except (Dead, Failed) as failure:
            dead = failure if isinstance(failure, Dead) else Dead("EXPR_ERROR")
            dead.processor = getattr(failure, "processor", processor)
            raise dead from None
        if effect:
            effects.append(effect)
        self.dispose(processor, record, fate, outputs)
        if fate == "pass" or (fate == "duplicate" and
                              processor.config.get("duplicates") == "tag"):
            for follower in processor.followers:
                self.walk(follower, record, effects, outputs, time)
        return time

    def dispose(self, processor, record, fate, outputs):
        config = processor.config
        as_it_is = {"timestamp": record.timestamp, "key": record.key, "value": record.value}
        if fate == "late":
            late = config.get("late")
            if late != "drop":
                outputs.append(self.dead_letter(processor, record, "LATE", "late"))
        elif fate == "duplicate":
            where = config.get("duplicates", "drop")
            if where == "tag" and "output" in config:
                outputs.append((config["output"], as_it_is))
            elif where not in ("drop", "tag"):
                outputs.append((where, as_it_is))
        elif fate == "pass" and "output" in config:
            outputs.append((config["output"], as_it_is))

    def dead_letter(self, processor, record, code, kind):
        config = processor.config
        topic = config.get("dlq", "dlq." + self.topic)
        if kind == "late":
            topic = config.get("late", topic)
        return topic, {"timestamp": record.timestamp, "key": record.key, "value": record.value,
                       "code": code, "processor": processor.name}

    def fire(self, processor, outputs):
        for result in processor.step.finish(self.watermark):
            outputs.append((processor.config["output"], result))
        for follower in processor.followers:
            self.fire(follower, outputs)


def read_config(path):
    """Processors by topic: {topic: {name: Processor}}, in order."""
    topics, section = {}, None
    for line in re.sub(r"\\\n\s*", "", open(path, encoding="utf-8").read()).splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            topic, _, name = line[1:-1].partition("/")
            section = topics.setdefault(topic, {}).setdefault(name, {}) if name else {}
        else:
            name, _, value = line.partition("=")
            section[name.strip()] = value.strip()
    return {topic: {name: config for name, config in sections.items()}
            for topic, sections in topics.items()}


def make_chains(topic, configs, now):
    processors = {name: Processor(name, config) for name, config in configs.items()}
    for processor in processors.values():
        if "after" in processor.config:
            processors[processor.config["after"]].followers.append(processor)
    return [Chain(topic, p, now) for p in processors.values() if "after" not in p.config]


def run(config_path, input_path, now):
    """What comes out, as (topic, fields), in the order in which it arises."""
    topics, chains, offsets = read_config(config_path), {}, {}
    only = next(iter(topics)) if len(topics) == 1 else None
    for line in read_lines(input_path):
        topic, partition = line.get("topic") or only, line.get("partition", 0)
        if topic not in topics:
            continue
        place = (topic, partition)
        if place not in chains:
            chains[place] = make_chains(topic, topics[topic], now)
        offset = line.get("offset", offsets.get(place, 0))
        offsets[place] = offset + 1
        if line.get("timestamp") is None:
            line["timestamp"] = now
        record = Record(topic, partition, offset, line)
        for chain in chains[place]:
            yield from chain.take(record)


# Printing and comparing

def printable(value):
    if isinstance(value, (bytes, type(None))):
        return None if value is None else value.decode("utf-8", "backslashreplace")
    return json.loads(canonical(value))


def as_printed(value):
    """The value as it reads back, fields in their order."""
    if isinstance(value, dict):
        return {name: as_printed(v) for name, v in value.items()}
    return json.loads(canonical(value))


def same(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[n], b[n]) for n in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) or isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-14)
    return a == b and type(a) is type(b)


def agrees(expected, line):
    if line["timestamp"] != expected["timestamp"] or raw(line, "key") != expected["key"]:
        return False
    headers = {h["key"]: h.get("value") for h in line.get("headers") or []}
    if headers.get("__dlq.errors.code") != expected.get("code"):
        return False
    if expected.get("processor") != headers.get("__dlq.errors.processor"):
        return False
    if isinstance(expected["value"], (bytes, type(None))):
        return raw(line, "value") == expected["value"]
    return same(as_printed(expected["value"]), json.loads(raw(line, "value")))


def check(expected, path):
    """Compares topic by topic, in order; prints the first difference of each."""
    wanted, found = {}, {}
    for topic, fields in expected:
        wanted.setdefault(topic, []).append(fields)
    for line in read_lines(path):
        found.setdefault(line["topic"], []).append(line)
    good = True
    for topic in sorted(wanted.keys() | found.keys()):
        a, b = wanted.get(topic, []), found.get(topic, [])
        for i in range(max(len(a), len(b))):
            if i < len(a) and i < len(b) and agrees(a[i], b[i]):
                continue
            good = False
            print(f"{topic}, record {i} (expected {len(a)}, found {len(b)}):")
            print("  expected", {n: printable(v) if n in ("key", "value") else v
                                 for n, v in a[i].items()} if i < len(a) else "nothing")
            print("  found   ", {n: v for n, v in b[i].items() if not n.startswith("__")}
                  if i < len(b) else "nothing")
            break
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("input")
    parser.add_argument("--check", metavar="OUTPUT")
    parser.add_argument("--now", type=int, default=4102444800000, help="the broker's clock, ms")
    options = parser.parse_args()
    outputs = run(options.config, options.input, options.now)
    if options.check:
        sys.exit(0 if check(outputs, options.check) else 1)
    for topic, fields in outputs:
        shown_fields = {"topic": topic, **fields}
        shown_fields["key"] = printable(fields["key"])
        shown_fields["value"] = printable(fields["value"])
        print(json.dumps(shown_fields, ensure_ascii=False))


if __name__ == "__main__":
    main()
