"""The steps of a chain.

Each answers what becomes of a record, and what to do if the whole chain agrees.
"""
import json
import math
import re
from decimal import Decimal
from fractions import Fraction

from model_expressions import compiled, field_name, parts, truth
from model_values import Dead, Failed, canonical, duration, fits, iso_time, shown


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
