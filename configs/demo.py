#!/usr/bin/python3
"""The two ends of the demo of ./start: demo.py feed | demo.py show

feed  prints events of a small shop, 50 a second, for `tidemill produce -K '\\t'`: a key, a tab, and
      JSON. Of 200 about two are malformed, four are sent twice and one is late.
show  reads what `tidemill consume` prints of the results, and prints a line for each.
"""
import json
import os
import random
import shutil
import sys
import time

TICK_SECONDS, EVENTS_PER_TICK = 0.1, 5
MALFORMED, AGAIN, LATE = 0.01, 0.02, 0.005
AGAIN_WITHIN = 200  # events
JITTER_MS = 1500
LATE_MS = (20_000, 90_000)
USERS = ("ada", "bob", "chen", "dora", "emil", "fatou", "goran", "hana", "ines", "jonas")
COUNTRIES = ("DE", "FR", "IT", "PT")
PAGES = ("/", "/tea", "/coffee", "/cart")
PRODUCTS = {"assam": 7.9, "sencha": 12.5, "espresso": 9.2, "kettle": 39.0, "grinder": 84.5}


def event(number, run):
    """One event, as a dictionary."""
    product = random.choice(list(PRODUCTS))
    age = random.randint(*LATE_MS) if random.random() < LATE else random.randint(0, JITTER_MS)
    common = {"id": f"{run}-{number}", "user": random.choice(USERS), "ts": int(time.time() * 1000) - age}
    if random.random() < 0.7:
        return {"type": "click", **common, "page": random.choice(PAGES)}
    amount = round(PRODUCTS[product] * random.randint(1, 3), 2)
    return {"type": "order", **common, "country": random.choice(COUNTRIES), "product": product,
            "amount": amount}


def spoil(good):
    """The text of an event as a faulty client would send it."""
    fault = random.choice(("cut", "negative", "text", "nobody"))
    if fault == "cut":
        return json.dumps(good)[:-random.randint(5, 30)]
    if fault == "nobody":
        return json.dumps({name: value for name, value in good.items() if name != "user"})
    return json.dumps({**good, "amount": -1 if fault == "negative" else "twelve"})


def feed():
    run = format(int(time.time()), "x")  # ids differ from those of an earlier run
    recent = []
    number, due = 0, time.monotonic()
    while True:
        for _ in range(EVENTS_PER_TICK):
            number += 1
            again = recent and random.random() < AGAIN
            one = random.choice(recent) if again else event(number, run)
            text = spoil(one) if not again and random.random() < MALFORMED else json.dumps(one)
            recent = [*recent[-AGAIN_WITHIN + 1:], one]
            print(f"{one['user']}\t{text}")
        sys.stdout.flush()
        due += TICK_SECONDS
        time.sleep(max(0, due - time.monotonic()))


def clock(milliseconds):
    return time.strftime("%H:%M:%S", time.localtime(milliseconds / 1000))


def end_of(text, size):
    return text if len(text) <= size else "..." + text[3 - size:]


def revenue_line(record):
    v = record["value"]
    return "window", (f"{clock(v['window_start'])} to {clock(v['window_end'])}  {v['country']:<8}"
                      f"{v['orders']:4d} orders  {v['revenue']:8.2f} total  {v['largest']:6.2f} largest")


def pages_line(record):
    v = record["value"]
    return "window", (f"{clock(v['window_start'])} to {clock(v['window_end'])}  {v['page']:<8}"
                      f"{v['views']:4d} views   last by {v['last_user']}")


def duplicate_line(record):
    v = record["value"]
    what = f"order of {v['amount']:.2f}" if v["type"] == "order" else f"click on {v['page']}"
    return "duplicate", f"{v['id']}  {v['user']}'s {what} was sent again"


def dead_letter_line(record):
    headers = {header["key"]: header["value"] for header in record["headers"]}
    value = record["value"] if isinstance(record["value"], str) else json.dumps(record["value"])
    code = headers["__dlq.errors.code"]
    reason = headers["__dlq.errors.path"] + " " + headers["__dlq.errors.message"]
    if code == "LATE":
        reason = f"{(int(headers['sp.watermark']) - record['value']['ts']) / 1000:.0f} s behind the watermark"
    return "dead letter", f"{code}: {reason.strip()}   {end_of(value, 30)}"


LINES = {"shop.revenue": revenue_line, "shop.pages": pages_line, "shop.duplicates": duplicate_line,
         "dlq.shop": dead_letter_line}
LABEL_SIZE = 13
COLOURS = {"window": "32", "duplicate": "33", "dead letter": "31"}


def show():
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    for text in sys.stdin:
        record = json.loads(text)
        label, line = LINES[record["topic"]](record)
        if sys.stdout.isatty():
            line = line[:shutil.get_terminal_size().columns - LABEL_SIZE]
        label = f"{label:<{LABEL_SIZE}}"
        if coloured:
            label = f"\033[{COLOURS[label.strip()]}m{label}\033[0m"
        print(label + line, flush=True)


if __name__ == "__main__":
    try:
        {"feed": feed, "show": show}[sys.argv[1]]()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)  # whoever read this has stopped
