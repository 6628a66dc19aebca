"""Values of the model: times, JSON, canonical text, schemas."""
import base64
import datetime
import json
import math
import re
from decimal import Decimal

UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000, "w": 604800000}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Dead(Exception):
    """The current record is a dead letter."""

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


def shown(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def iso_time(ms):
    moment = EPOCH + datetime.timedelta(milliseconds=ms)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{ms % 1000:03d}Z" if ms % 1000 else "Z")
