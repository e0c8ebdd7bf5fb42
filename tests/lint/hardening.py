#!/usr/bin/env python3
"""What is missing in a finished program: hardening.py [--build TYPE] [--static] PROGRAM...

Reads the programs as readelf and objdump show them. Exit code 0 when all is there, 1 with
one line for each thing that is not, 77 when the tools are not installed.

--build TYPE  of CMake; Debug is not optimized, so no sizes are checked there
--static      a static program without libraries: only what concerns its memory
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

SKIP = 77


def tool(*command):
    return subprocess.run(command, check=True, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


class Program:
    def __init__(self, path):
        self.path = str(path)
        self.head = tool("readelf", "-hW", self.path)
        self.segments = tool("readelf", "-lW", self.path)
        self.dynamic = tool("readelf", "-dW", self.path)
        self.symbols = tool("readelf", "--dyn-syms", "-W", self.path)
        self.notes = tool("readelf", "-nW", self.path)
        self.arch = re.search(r"Machine:\s*(.*)", self.head).group(1)

    def flags_of(self, kind):
        """The rights of each segment of a kind, as "RW " or "R E"."""
        return re.findall(rf"^\s*{kind}(?:\s+0x[0-9a-f]+){{5}}\s+([R ][W ][E ])", self.segments,
                          re.M)

    def imports(self, name):
        return re.search(rf"\bUND {name}(@|$)", self.symbols, re.M) is not None


def memory(program):
    """Rights of what is mapped."""
    stack = program.flags_of("GNU_STACK")
    if not stack or "E" in stack[0]:
        yield "its stack is executable"
    if any("W" in flags and "E" in flags for flags in program.flags_of("LOAD")):
        yield "a segment is writable and executable"
    if not program.flags_of("GNU_RELRO"):
        yield "no RELRO: what the loader has filled in stays writable"


def linking(program):
    """What the linker was asked for."""
    if "DYN" not in re.search(r"Type:\s*(.*)", program.head).group(1) \
            or not re.search(r"FLAGS_1.*\bPIE\b", program.dynamic):
        yield "not position independent (PIE)"
    if not re.search(r"FLAGS.*\bNOW\b", program.dynamic):
        yield "RELRO is partial: symbols are bound late"
    if "TEXTREL" in program.dynamic:
        yield "its text is relocated (TEXTREL)"
    if re.search(r"\((RPATH|RUNPATH)\)", program.dynamic):
        yield "it looks for libraries in a path of its own (RUNPATH)"


def checks(program, fortify):
    """Calls that the compiler puts in."""
    if not program.imports("__stack_chk_fail"):
        yield "no stack protector"
    if fortify and not program.imports(r"__\w+_chk"):
        yield "no sizes are checked (FORTIFY_SOURCE)"


def c_library_has(feature):
    """Whether the code that starts each program has it: else no program can be marked."""
    start = tool("cc", "-print-file-name=Scrt1.o").strip() if shutil.which("cc") else ""
    return pathlib.Path(start).is_file() and feature in tool("readelf", "-nW", start)


# Machine: what the compiler puts where a branch may land; the marks of the program;
# and how the pages of a great frame are touched one by one.
CODE = {
    "X86-64": (r"\bendbr64\b", ("IBT", "SHSTK"), r"\b(or|mov)q?\s+\$0x0,(0x[0-9a-f]+)?\(%rsp\)"),
    "AArch64": (r"\b(bti|paciasp)\b", ("BTI", "PAC"), r"\bstr\s+xzr, \[sp(, #-?\d+)?\]"),
}


def code(program):
    """Instructions that the compiler puts in, where it knows how to."""
    rules = [rule for name, rule in CODE.items() if name in program.arch]
    if not rules:
        return
    landing, marks, probe = rules[0]
    text = tool("objdump", "-d", "--no-show-raw-insn", program.path)
    start = re.search(r"^[0-9a-f]+ <main>:\n(.*)\n", text, re.M)
    if not start:
        yield "it is stripped: its code cannot be read"
        return
    if not re.search(landing, start.group(1)):
        yield "branches may land anywhere (-fcf-protection, -mbranch-protection)"
    for mark in marks:
        if mark not in program.notes and c_library_has(mark):
            yield f"it is not marked {mark}: a part of it was built without"
    if not re.search(probe, text):
        yield "a great frame may jump over the guard page (-fstack-clash-protection)"


def missing(path, fortify=True, static=False):
    program = Program(path)
    yield from memory(program)
    if static:
        return
    yield from linking(program)
    yield from checks(program, fortify)
    yield from code(program)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="Release")
    parser.add_argument("--static", action="store_true")
    parser.add_argument("programs", nargs="+")
    args = parser.parse_args()
    if not shutil.which("readelf") or not shutil.which("objdump"):
        print("readelf and objdump are not installed")
        return SKIP
    found = 0
    for path in args.programs:
        for line in missing(path, args.build != "Debug", args.static):
            print(f"{path}: {line}")
            found = 1
    return found


if __name__ == "__main__":
    sys.exit(main())
