#!/usr/bin/env python3
"""A model of processors: the same semantics, written to be obviously right, not fast.

    model.py CONFIG INPUT                prints the expected records, one JSON object per line
    model.py --check OUTPUT CONFIG INPUT compares them with OUTPUT; exit 1 on a difference

CONFIG has sections ([topic/processor]); INPUT and OUTPUT are records as `tidemill consume` prints
them. The model keeps everything and counts it again: a window is the list of its records, a dedup
keeps every anchor. It knows the expressions of the pipelines in tests, and refuses any others.
"""
import argparse
import datetime
import json
import math
import re
import sys
from fractions import Fraction

from model_expressions import compiled, truth
from model_records import Record, raw, read_lines
from model_steps import Aggregate, Dedup, Filter, Validate
from model_values import Dead, EPOCH, Failed, canonical, duration, time_ms


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
        """All outputs of this record: (topic, kind, fields)."""
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
        """Judges at this processor and its followers; returns the event time."""
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
    """The outputs, as (topic, fields), in the order in which they arise."""
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
