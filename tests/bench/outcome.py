"""What a bench measured, for people (its own table) and for tests/bench/run (as JSON)."""
import json


class Outcome:
    """Of one bench: each has a name, a number and a unit; where there is one, the same of what
    it is measured beside, in the same run; and a target and whether it was met."""

    def __init__(self):
        self.rows = []

    def add(self, name, value, unit, beside=None, target="", met=None):
        self.rows.append({"name": name, "value": value, "unit": unit, "beside": beside,
                          "target": target, "met": met})

    def missed(self):
        return sum(row["met"] is False for row in self.rows)

    def save(self, path):
        """Nothing when `path` is None."""
        if path:
            with open(path, "w", encoding="utf-8") as stream:
                json.dump(self.rows, stream, indent=1)
                stream.write("\n")


def arguments(parser):
    """What every bench takes."""
    parser.add_argument("--json", metavar="FILE", help="the figures are written there, too")
    parser.add_argument("--check", action="store_true", help="exit code 1 for a missed target")
