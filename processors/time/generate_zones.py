#!/usr/bin/env python3
"""Makes the table of time zones (zone_internal.h) from the machine's tz database.

    generate_zones.py --out FILE [--database /usr/share/zoneinfo]

A zone has its changes of offset that follow no rule, and the rule for all later changes.
Changes before 1901-12-14 are left out: until then every town had its own time.
"""
import argparse
import calendar
import pathlib
import re
import struct
import sys

FIRST = -2**31
NO_ZONES = {"posixrules", "localtime", "Factory"}


def read_tzif(data):
    """(changes as (time, offset), the offset before the first, the rule's text)"""
    def header(at):
        _version, *counts = struct.unpack(">4xc15x6l", data[at:at + 44])
        return counts
    isut, isstd, leap, times, types, chars = header(0)
    at = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    isut, isstd, leap, times, types, chars = header(at)
    at += 44
    moments = struct.unpack(f">{times}q", data[at:at + times * 8])
    indexes = data[at + times * 8:at + times * 9]
    at += times * 9
    offsets = [struct.unpack(">l", data[at + i * 6:at + i * 6 + 4])[0] for i in range(types)]
    at += types * 6 + chars + leap * 12 + isstd + isut
    changes = [(moment, offsets[i]) for moment, i in zip(moments, indexes)]
    before = [offset for moment, offset in changes if moment <= FIRST]
    before = before[-1] if before else offsets[0]
    changes = real_changes([c for c in changes if c[0] > FIRST], before)
    return changes, before, data[at:].decode().strip()


def real_changes(changes, offset):
    """The changes without those that only change the zone's abbreviation."""
    result = []
    for change in changes:
        if change[1] != (result[-1][1] if result else offset):
            result.append(change)
    return result


def seconds(text):
    sign = -1 if text.startswith("-") else 1
    parts = [int(p) for p in text.lstrip("+-").split(":")] + [0, 0]
    return sign * (parts[0] * 3600 + parts[1] * 60 + parts[2])


def parse_rule(text):
    """POSIX's TZ: (standard, None) or (standard, (summer, start, end))."""
    name = r"(?:<[^>]+>|[A-Za-z]+)"
    match = re.fullmatch(rf"{name}([-+\d:]+)(?:{name}([-+\d:]*),([^,]+),([^,]+))?", text)
    if not match:
        raise SystemExit(f"generate_zones: cannot read the rule {text!r}")
    standard = -seconds(match[1])
    if match[3] is None:
        return standard, None
    dates = []
    for date in (match[3], match[4]):
        *day, at = re.fullmatch(r"M(\d+)\.(\d)\.(\d)(?:/([-+\d:]+))?", date).groups()
        dates.append((*map(int, day), seconds(at) if at else 7200))
    return standard, (-seconds(match[2]) if match[2] else standard + 3600, *dates)


def moment(date, year, offset):
    month, week, weekday, at = date
    first, days = calendar.monthrange(year, month)
    day = 1 + (weekday - (first + 1)) % 7 + (week - 1) * 7
    while day > days:
        day -= 7
    return calendar.timegm((year, month, day, 0, 0, 0)) + at - offset


def ruled(rule):
    """The changes that the rule makes, year by year."""
    standard, more = rule
    if more is None:
        return []
    summer, start, end = more
    return sorted(change for year in range(1900, 2039)
                  for change in ((moment(start, year, standard), summer),
                                 (moment(end, year, summer), standard)))


def trim(changes, rule):
    """The changes without those at the end that the rule makes, except the first of these."""
    expected = ruled(rule)
    keep = len(changes)
    while keep > 1:
        moments = [c for c in expected if changes[keep - 2][0] <= c[0] <= changes[-1][0]]
        if moments != changes[keep - 2:]:
            break
        keep -= 1
    return changes[:keep]


def read_database(root):
    zones = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.split("/")[0] in ("posix", "right") or name in NO_ZONES or not path.is_file():
            continue
        data = path.read_bytes()
        if data[:5] in (b"TZif2", b"TZif3", b"TZif4"):
            changes, before, text = read_tzif(data)
            rule = parse_rule(text) if text else (changes[-1][1] if changes else before, None)
            zones[name] = (tuple(trim(changes, rule)), before, rule)
    if len(zones) < 300:
        sys.exit(f"generate_zones: {root} has no time zones; install tzdata")
    return zones


def write_array(out, declaration, items, per_line):
    print(f"const {declaration}[] = {{", file=out)
    for i in range(0, len(items), per_line):
        print("    " + ", ".join(items[i:i + per_line]) + ",", file=out)
    print("};\n", file=out)


def write_rule(rule):
    standard, more = rule
    if more is None:
        return f"{{{standard}, {standard}, {{0, 0, 0, 0}}, {{0, 0, 0, 0}}}}"
    summer, *dates = more
    return f"{{{standard}, {summer}, " + ", ".join(
        "{" + ", ".join(map(str, date)) + "}" for date in dates) + "}"


def write(zones, out):
    distinct = sorted(set(zones.values()), key=repr)
    times, offsets, entries = [], [], []
    for changes, before, rule in distinct:
        entries.append(f"{{{len(times)}, {len(changes)}, {before}, {write_rule(rule)}}}")
        times += [str(time) for time, _offset in changes]
        offsets += [str(offset) for _time, offset in changes]
    names = sorted(zones, key=str.encode)
    print('/* Made by generate_zones.py. */\n#include "processors/time/zone_internal.h"\n', file=out)
    write_array(out, "int64_t zone_change_times", times, 8)
    write_array(out, "int32_t zone_change_offsets", offsets, 12)
    write_array(out, "struct zone_entry zone_entries", entries, 1)
    write_array(out, "char *const zone_names", [f'"{name}"' for name in names] + ["NULL"], 3)
    write_array(out, "uint16_t zone_of_name",
                [str(distinct.index(zones[name])) for name in names], 16)
    print(f"const size_t zone_name_count = {len(names)};", file=out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--database", type=pathlib.Path, default="/usr/share/zoneinfo")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with open(options.out, "w", encoding="ascii") as out:
        write(read_database(options.database), out)


if __name__ == "__main__":
    main()
