#!/usr/bin/env python3
"""rows.py finds what it should."""
import unittest

import rows

WANTED = {("1", "a"), ("1", "b")}
GOOD = "# rows\n\n1 | a | one two\n1 | b | later: with GPU\n"


class Rows(unittest.TestCase):
    def problems(self, text):
        return list(rows.check(text, {"one", "two"}, WANTED))

    def test_good(self):
        self.assertEqual(self.problems(GOOD), [])
        self.assertEqual(self.problems(GOOD.replace("one two", "never: nobody can see it")), [])

    def test_each_fault_is_found(self):
        for old, new in (("1 | a | one two\n", ""), ("one two", "three"), ("one two", "one one"),
                         ("1 | b", "1 | a"), ("1 | b", "2 | b"), ("one two", ""),
                         ("with GPU", "when there is time"), ("one two", "never: no")):
            self.assertNotEqual(self.problems(GOOD.replace(old, new)), [], f"{old!r} -> {new!r}")

    def test_the_list_itself(self):
        self.assertGreater(len(rows.wanted_rows()), 150)


if __name__ == "__main__":
    unittest.main()
