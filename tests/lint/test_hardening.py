#!/usr/bin/env python3
"""hardening.py says what is missing in programs that are built without it."""
import pathlib
import subprocess
import tempfile
import unittest

import hardening

SOURCE = """
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    char great[65536], text[100];

    strcpy(text, argv[0]);
    return read(0, great, sizeof great) < 0 || text[argc] || great[argc];
}
"""
GOOD = ["-O2", "-w", "-fPIE", "-pie", "-fstack-protector-strong", "-fstack-clash-protection",
        "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-Wl,-z,relro,-z,now,-z,noexecstack"]
LANDING = {"x86_64": ["-fcf-protection=full"], "aarch64": ["-mbranch-protection=standard"]}


class Hardening(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        machine = subprocess.run(["uname", "-m"], check=True, text=True,
                                 stdout=subprocess.PIPE).stdout.strip()
        self.good = GOOD + LANDING.get(machine, [])
        self.known = machine in LANDING

    def missing(self, *flags, static=False):
        (self.folder / "a.c").write_text(SOURCE)
        subprocess.run(["cc", *self.good, *flags, "-o", self.folder / "a", self.folder / "a.c"],
                       check=True)
        return " ".join(hardening.missing(self.folder / "a", static=static))

    def test_nothing(self):
        self.assertEqual(self.missing(), "")

    def test_each(self):
        cases = [(["-no-pie", "-fno-pie"], "PIE"), (["-Wl,-z,execstack"], "its stack"),
                 (["-Wl,-z,norelro"], "no RELRO"), (["-Wl,-z,lazy"], "partial"),
                 (["-fno-stack-protector"], "stack protector"),
                 (["-U_FORTIFY_SOURCE"], "FORTIFY"), (["-Wl,-rpath,/opt"], "RUNPATH"),
                 (["-s"], "stripped")]
        if self.known:
            cases += [(["-fcf-protection=none" if "-fcf-protection=full" in self.good
                        else "-mbranch-protection=none"], "land anywhere"),
                      (["-fno-stack-clash-protection"], "guard page")]
        for flags, said in cases:
            with self.subTest(flags=flags):
                self.assertIn(said, self.missing(*flags))

    def test_static(self):
        self.assertEqual(self.missing("-no-pie", "-fno-pie", static=True), "")
        self.assertIn("its stack", self.missing("-Wl,-z,execstack", static=True))


if __name__ == "__main__":
    unittest.main()
