"""Records as `tidemill consume` prints them."""
import base64
import json
import re

from model_values import strict_json, time_ms


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
    """The text of one member of an object, unchanged."""
    decoder, at = json.JSONDecoder(), text.index("{") + 1
    while True:
        at = re.compile(r"[\s,]*").match(text, at).end()
        member, at = decoder.raw_decode(text, at)
        at = re.compile(r"\s*:\s*").match(text, at).end()
        _, end = decoder.raw_decode(text, at)
        if member == name:
            return text[at:end]
        at = end
