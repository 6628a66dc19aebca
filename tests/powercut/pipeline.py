"""The processors of the power cuts: validate and aggregate, with a dead letter topic. Their outputs must equal the
model's over the stored input."""
import json
import pathlib
import sys

from broker import wait_until
from history import expect, read
from wire import LATEST

PROCESSORS = pathlib.Path(__file__).resolve().parents[1] / "processors"
sys.path.append(str(PROCESSORS))

INPUT, OUTPUTS = "in", ("rows", "dlq.in")
CHECK = {"type": "validate", "out-of-order": "1s"}
ROWS = {"type": "aggregate", "after": "check", "group-by": "value.g", "window": "tumbling(2s)",
        "select": "count() as n; sum(value.a) as s; last(value.id) as l", "output": "rows", "output.key": "group"}


def topic_configs():
    configs = {"processor.check.watermark.idle": "off"}
    for name, config in (("check", CHECK), ("rows", ROWS)):
        configs.update({f"processor.{name}.{key}": value for key, value in config.items()})
    return configs


def text(data):
    return None if data is None else data.decode()


def lines_of(wire, topic):
    """The records of a topic, as `tidemill consume` prints them."""
    end = wire.list_offset(topic, LATEST)
    if end.error_code == 3:
        return []  # nothing was put out yet
    return [{"topic": topic, "partition": 0, "offset": r.offset, "timestamp": r.timestamp, "key": text(r.key),
             "value": text(r.value), "headers": [{"key": k, "value": text(v)} for k, v in r.headers]}
            for r in read(wire, topic, 0, 0, end.offset)]


def expected_outputs(wire, folder):
    import model
    config, records = pathlib.Path(folder) / "config", pathlib.Path(folder) / "records"
    sections = (("check", CHECK), ("rows", ROWS))
    config.write_text("\n".join(f"[{INPUT}/{name}]\n" + "\n".join(f"{k} = {v}" for k, v in c.items())
                                for name, c in sections) + "\n", encoding="utf-8")
    records.write_text("".join(json.dumps(line) + "\n" for line in lines_of(wire, INPUT)), encoding="utf-8")
    wanted = {topic: [] for topic in OUTPUTS}
    for topic, fields in model.run(str(config), str(records), 4102444800000):
        wanted[topic].append(fields)
    return model.agrees, wanted


def compare(agrees, wanted, found, topic):
    for i, line in enumerate(found):
        expect(i < len(wanted), f"{topic} has {len(found)} records, the model {len(wanted)}: {line}")
        if topic.startswith("dlq."):
            line["timestamp"] = wanted[i]["timestamp"]  # of the refusal; a header has the original one
        expect(agrees(wanted[i], line), f"{topic} record {i} is {line}, the model has {wanted[i]}")
    return len(found) == len(wanted)


def check(wire, folder, history, seconds):
    """What is there agrees with the model, and the rest follows soon."""
    agrees, wanted = expected_outputs(wire, folder)
    for topic in OUTPUTS:
        wait_until(lambda topic=topic: compare(agrees, wanted[topic], lines_of(wire, topic), topic), seconds,
                   f"{topic} to get all {len(wanted[topic])} records")
        history.count("outputs compared", len(wanted[topic]))
