"""Random pipelines over random records compare `tidemill processor test` with the model in tests/processors, which
shares no code with it. TIDEMILL_SEED replays one seed."""
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TIDEMILL_BUILD", ROOT / "build" / "asan"))
MODEL = ROOT / "tests" / "processors" / "model.py"
START, RECORDS = 1_700_000_000_000, 600
PIPELINES = 5 if os.environ.get("TIDEMILL_QUICK") else 25

CONFIG = """
[orders/check]
type = validate
json-schema = inline:{{"type":"object","required":["id"],"properties":{{"a":{{"maximum":900}}}}}}
out-of-order = {out_of_order}
timestamp = value.ts
timestamp.on-missing = record
[orders/uniq]
type = dedup
after = check
id = {id}
within = {within}
refresh = {refresh}
output = unique
duplicates = {duplicates}
late = {late}
lateness = {dedup_lateness}
[orders/wanted]
type = filter
after = uniq
where = value.a > 3 && value.g != 'c' || header('h') == 'x'
[orders/rows]
type = aggregate
after = wanted
group-by = {group}
window = {window}
select = count() as n; count(value.a) as na; sum(value.a) as s; avg(value.a) as m; min(value.a) as lo; \\
  max(value.g) as hi; first(value.id) as f; last(value.a where value.a > 5) as l; \\
  sum(decimal(value.d,10,2)) as dd; avg(decimal(value.d,10,2)) as dm
lateness = {lateness}
output = out
on-missing-key = {missing}
output.key = {key}
"""
CHOICES = {
    "out_of_order": ["0", "15ms", "40ms"],
    "id": ["value.id", "value.id; key"],
    "within": ["30ms", "80ms"],
    "refresh": ["true", "false"],
    "duplicates": ["drop", "tag", "dups"],
    "late": ["pass", "drop", "late-ids", "dlq.orders"],
    "dedup_lateness": ["0", "10ms"],
    "group": ["key", "value.g", "value.g; key"],
    "window": ["tumbling(50ms)", "hopping(60ms; 20ms)", "hopping(35ms; 10ms; offset=3ms)",
               "tumbling(100ms; offset=7ms)"],
    "lateness": ["0", "25ms"],
    "missing": ["dlq", "drop"],
    "key": ["json", "group"],
}
NO_OBJECTS = ['{"id":', "[1]", "{}", "text", '{"id":1e999}', '{"id":1}x']


def iso(ms):
    moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def random_value(choose, now):
    value = {
        "id": choose.choice([choose.randrange(40), str(choose.randrange(40)), choose.randrange(40) + 0.5]),
        "ts": now - choose.randrange(choose.choice([5, 30, 120])),
        "a": choose.choice([choose.randrange(12), choose.randrange(120) / 10, None, 4, 2]),
        "g": choose.choice("abc"),
        "d": choose.choice(["1.25", "0.1", 3, 2.675, None]),
    }
    if choose.random() < 0.05:
        value["a"] = choose.choice(["x", 1000])
    return {name: v for name, v in value.items() if choose.random() > 0.03}


def random_line(choose, now):
    line = {"key": choose.choice(["k1", "k2", "k1", "k2", "k3", None]), "timestamp": iso(now)}
    if choose.random() < 0.1:
        line["headers"] = [{"key": "h", "value": "x"}]
    kind = choose.random()
    if kind < 0.02:
        line["value"] = None
    elif kind < 0.06:
        line["value"] = choose.choice(NO_OBJECTS)
    else:
        line["value"] = random_value(choose, now)
    return json.dumps(line)


def compare(seed):
    choose = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        config, records, output = (pathlib.Path(folder) / name for name in ("config", "in", "out"))
        config.write_text(CONFIG.format(**{name: choose.choice(c) for name, c in CHOICES.items()}))
        now, lines = START, []
        for _ in range(RECORDS):
            now += choose.randrange(8)
            lines.append(random_line(choose, now))
        records.write_text("\n".join(lines) + "\n")
        with output.open("w") as file:
            subprocess.run([BUILD / "tidemill", "processor", "test", "-f", config, "-i", records, "--now",
                            "2033-01-01"], stdout=file, stderr=subprocess.DEVNULL, check=True)
        topics = [json.loads(line)["topic"] for line in output.open()]
        assert topics.count("out") > 10 and topics.count("unique") > 50, f"seed {seed}: {len(topics)}"
        verdict = subprocess.run([sys.executable, MODEL, "--check", output, config, records],
                                 capture_output=True, text=True, check=False)
        assert verdict.returncode == 0, f"seed {seed}:\n{verdict.stdout}{verdict.stderr}"


def test_random_pipelines_agree_with_the_model():
    seed = os.environ.get("TIDEMILL_SEED")
    for each in [int(seed)] if seed else range(1, PIPELINES + 1):
        compare(each)


def test_the_model_notices_a_difference():
    with tempfile.TemporaryDirectory() as folder:
        config, records, output = (pathlib.Path(folder) / name for name in ("config", "in", "out"))
        config.write_text("[t/f]\ntype = filter\nwhere = value > 1\noutput = o\n")
        records.write_text('{"timestamp":"2023-11-14T22:13:20Z","key":"a","value":2}\n')
        good = '{"topic":"o","timestamp":"2023-11-14T22:13:20Z","key":"a","value":2}\n'
        for text, code in ((good, 0), (good.replace(":2}", ":3}"), 1), (good + good, 1), ("", 1)):
            output.write_text(text)
            verdict = subprocess.run([sys.executable, MODEL, "--check", output, config, records],
                                     capture_output=True, check=False)
            assert verdict.returncode == code, text
