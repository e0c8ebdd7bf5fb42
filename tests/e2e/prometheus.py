"""A strict reader of the Prometheus text format, version 0.0.4: what it does not allow fails.

    families = read(text)           # {name: Family}
    families["berth_tasks"].value(status="RUNNING")
    never_decrease(read(before), read(after))
"""
import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
NUMBER = re.compile(r"[+-]?(Inf|\d+(\.\d*)?([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?)|NaN")
TYPES = ("counter", "gauge", "histogram")
UNITS = ("_milliseconds", "_ms", "_kilobytes", "_percent", "_mib", "_us", "_ns")


class Bad(AssertionError):
    """The text is not in the format."""


class Family:
    def __init__(self, name, kind):
        self.name, self.kind, self.samples = name, kind, {}

    def value(self, suffix="", **labels):
        """Of the one series with these labels; 0 when there is none."""
        return self.samples.get((self.name + suffix, frozenset(labels.items())), 0)

    def series(self):
        return [dict(labels) for _, labels in self.samples]


def need(condition, line, text):
    if not condition:
        raise Bad(f"line {line}: {text}")


def unescape(text, at, line):
    """The label value that begins behind its quote; where it ends."""
    out = []
    while True:
        need(at < len(text), line, "a label value does not end")
        if text[at] == '"':
            return "".join(out), at + 1
        if text[at] == "\\":
            need(text[at + 1:at + 2] in ("\\", '"', "n"), line, f"escape {text[at:at + 2]!r}")
            out.append("\n" if text[at + 1] == "n" else text[at + 1])
            at += 2
        else:
            out.append(text[at])
            at += 1


def read_labels(text, at, line):
    labels = {}
    while text[at:at + 1] != "}":
        name = LABEL.match(text, at)
        need(name, line, f"label name at {text[at:at + 20]!r}")
        at = name.end()
        need(text[at:at + 2] == '="', line, "a label has no quoted value")
        value, at = unescape(text, at + 2, line)
        need(name.group() not in labels, line, f"label {name.group()} twice")
        need(not name.group().startswith("__"), line, "a reserved label")
        labels[name.group()] = value
        need(text[at:at + 1] in (",", "}"), line, "labels are not separated")
        at += text[at] == ","
    return labels, at + 1


def read_sample(text, line):
    name = NAME.match(text)
    need(name, line, f"no name: {text!r}")
    at, labels = name.end(), {}
    if text[at:at + 1] == "{":
        labels, at = read_labels(text, at + 1, line)
    need(text[at:at + 1] == " ", line, "no space before the value")
    value = text[at + 1:]
    need(NUMBER.fullmatch(value), line, f"value {value!r}")
    return name.group(), labels, float(value)


def belongs(family, name):
    if family.kind == "histogram":
        return name in [family.name + s for s in ("_bucket", "_sum", "_count")]
    return name == family.name


def check_histogram(family):
    groups = {}
    for (name, labels), value in family.samples.items():
        rest = frozenset((k, v) for k, v in labels if k != "le")
        group = groups.setdefault(rest, {"buckets": []})
        if name.endswith("_bucket"):
            group["buckets"].append((float(dict(labels)["le"]), value))
        else:
            group[name[len(family.name):]] = value
    for rest, group in groups.items():
        what = f"{family.name}{dict(rest)}"
        bounds = [b for b, _ in group["buckets"]]
        counts = [n for _, n in group["buckets"]]
        need(bounds == sorted(bounds) and len(set(bounds)) == len(bounds), 0, f"{what}: bounds")
        need(bounds and bounds[-1] == math.inf, 0, f"{what}: no +Inf")
        need(counts == sorted(counts), 0, f"{what}: not cumulative")
        need("_sum" in group and group.get("_count") == counts[-1], 0, f"{what}: sum, count")


def check_family(family, line):
    if family.kind == "counter":
        need(family.name.endswith("_total"), line, f"counter {family.name} without _total")
    else:
        need(not family.name.endswith(("_total", "_count", "_sum", "_bucket")), line,
             f"{family.kind} {family.name}: reserved suffix")
    base = re.sub("_total$", "", family.name)
    need(not base.endswith(UNITS), line, f"{family.name}: not a base unit")
    for (name, _), value in family.samples.items():
        if family.kind != "gauge":
            need(value >= 0, line, f"{name} is {value}")
    if family.kind == "histogram":
        check_histogram(family)


def read(text):
    """All families; raises Bad."""
    families, helps, current = {}, set(), None
    need(text.endswith("\n"), 0, "the last line does not end")
    for line, row in enumerate(text.split("\n")[:-1], 1):
        if row.startswith("# HELP "):
            name, _, words = row[7:].partition(" ")
            need(NAME.fullmatch(name), line, f"name {name!r}")
            need(words and not re.search(r"\\[^\\n]", words.replace("\\\\", "")), line, "help")
            need(name not in helps, line, f"HELP of {name} twice")
            helps.add(name)
            current = None
        elif row.startswith("# TYPE "):
            name, _, kind = row[7:].partition(" ")
            need(kind in TYPES, line, f"type {kind!r}")
            need(name in helps, line, f"{name} has no HELP before its TYPE")
            need(name not in families, line, f"TYPE of {name} twice, or its samples apart")
            current = families[name] = Family(name, kind)
        else:
            need(row and not row.startswith("#"), line, f"neither sample nor comment: {row!r}")
            name, labels, value = read_sample(row, line)
            need(current and belongs(current, name), line, f"{name} stands apart from its family")
            need(name.endswith("_bucket") == ("le" in labels), line, "le")
            key = (name, frozenset(labels.items()))
            need(key not in current.samples, line, f"{row}: this series is there already")
            current.samples[key] = value
    for family in families.values():
        check_family(family, 0)
    return families


def never_decrease(before, after):
    """What only grows has not shrunk between two scrapes of one process."""
    for name, old in before.items():
        if old.kind == "gauge":
            continue
        for key, value in old.samples.items():
            now = after[name].samples.get(key) if name in after else None
            if "container" in dict(key[1]) and now is None:
                continue  # it has gone
            need(now is not None and now >= value, 0, f"{key}: {value}, then {now}")
