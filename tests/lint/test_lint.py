#!/usr/bin/env python3
"""The checks of lint.py find what they should, in trees made for it."""
import pathlib
import tempfile
import unittest

import lint

TABLE = """
agent_module(base LIBS PkgConfig::JANSSON)
agent_module(io USES base LIBS PkgConfig::UV)
agent_module(docker USES io)
agent_module(store USES base LIBS PkgConfig::SQLITE)
"""


class Lint(unittest.TestCase):
    def tree(self, **files):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        for module in ("base", "io", "docker", "store", "cli"):
            (root / "agent" / module).mkdir(parents=True)
        (root / "CMakeLists.txt").write_text(TABLE)
        for name, text in files.items():
            path = root / name.replace("__", "/").replace("_c", ".c")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    def includes(self, **files):
        return list(lint.check_includes(self.tree(**files)))

    def test_arrows_are_closed(self):
        self.assertEqual(lint.arrows(TABLE)["docker"], {"io", "base"})
        self.assertEqual(lint.arrows(TABLE)["base"], set())

    def test_downward_is_fine(self):
        text = '#include "docker/x.h"\n#include "io/loop.h"\n#include "base/err.h"\n'
        self.assertEqual(self.includes(agent__docker__a_c=text), [])
        self.assertEqual(self.includes(agent__cli__a_c=text), [])
        self.assertEqual(self.includes(agent__main_c=text), [])

    def test_upward_and_sideways(self):
        self.assertEqual(len(self.includes(agent__base__a_c='#include "io/loop.h"\n')), 1)
        self.assertEqual(len(self.includes(agent__docker__a_c='#include "store/store.h"\n')), 1)
        self.assertEqual(len(self.includes(agent__docker__a_c='#include "io/internal.h"\n')), 1)

    def test_libraries_have_one_home(self):
        for header in ("jansson.h", "uv.h", "curl/curl.h", "wslay/wslay.h", "sqlite3.h",
                       "microhttpd.h", "pcre2.h"):
            self.assertEqual(len(self.includes(agent__docker__a_c=f"#include <{header}>\n")), 1)
        self.assertEqual(self.includes(agent__store__a_c="#include <sqlite3.h>\n"), [])
        self.assertEqual(self.includes(agent__base__json_c="#include <jansson.h>\n"), [])
        self.assertEqual(len(self.includes(agent__base__a_c="#include <jansson.h>\n")), 1)

    def test_control_plane_is_apart(self):
        self.assertEqual(self.includes(tests__controlplane__a_c='#include "base/err.h"\n'), [])
        self.assertEqual(len(self.includes(tests__controlplane__a_c='#include "io/loop.h"\n')), 1)

    def test_comments_do_not_count(self):
        text = '/*\n#include "store/store.h"\n*/\n// #include "store/store.h"\n'
        self.assertEqual(self.includes(agent__docker__a_c=text), [])

    def test_banned(self):
        bad = "void f(void)\n{\n    strcpy(a, b); x = atoi (s);\n}\n"
        fine = 'snprintf(a); /* strcpy(a) */ fgets(a); my_atoi(s); p->gets(x); "gets(a)";\n'
        self.assertEqual(len(list(lint.check_banned(self.tree(agent__io__a_c=bad)))), 2)
        self.assertEqual(list(lint.check_banned(self.tree(agent__io__a_c=fine))), [])
        shared = "void f(void)\n{\n    puts(strerror(e)); curl_easy_strerror(e);\n}\n"
        self.assertEqual(len(list(lint.check_banned(self.tree(agent__io__a_c=shared)))), 1)


if __name__ == "__main__":
    unittest.main()
