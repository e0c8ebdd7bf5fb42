#!/usr/bin/env python3
"""Checks config/ecs.config and packaging/ecs.config.5 against the table of settings, as
`berth check-config --vars` prints it; with --write, brings them up to date.

All of config/ecs.config is made here. Of the manual page, what is between the two marks is;
the rest is written by hand.

usage: manual.py BERTH [--write]
"""
import difflib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAMPLE = "config/ecs.config"
PAGE = "packaging/ecs.config.5"
BEGIN = '.\\" ---- begin of the settings, by tests/config/manual.py --write ----\n'
END = '.\\" ---- end of the settings ----\n'

SAMPLE_HEAD = """\
# Settings of Berth, one NAME=VALUE a line. Copy this file to /etc/ecs/ecs.config and
# uncomment what should differ: the values shown are the defaults. A line that starts
# with # is a comment. `berth check-config` shows every mistake and what the agent would
# use; ecs.config(5) says more. A variable of the process environment wins over a line
# of this file.
#
# Settings marked [reload] are applied by `systemctl reload ecs`; others need a restart.
"""

# Where a setting is told: by name, or by how its name begins. The first that fits.
GROUPS = (
    ("The cluster and this instance",
     ("ECS_CLUSTER", "AWS_DEFAULT_REGION", "ECS_BACKEND_HOST", "ECS_EXTERNAL", "ECS_INSTANCE_ATTR",
      "ECS_CONTAINER_INSTANCE", "ECS_DETAILED_OS", "ECS_ENABLE_SPOT", "BERTH_DRAIN_ON",
      "ECS_WARM_POOLS", "ECS_INSTANCE_IP", "NoIID", "ClusterArn")),
    ("Files of the agent",
     ("ECS_AGENT_CONFIG_FILE", "BERTH_INSTANCE_CONFIG", "ECS_DATADIR", "ECS_CHECKPOINT",
      "BERTH_SOCKET", "BERTH_LOCAL_TASKS")),
    ("Logging of the agent", ("ECS_LOG", "ECS_AUDIT")),
    ("Logs of containers", ("BERTH_LOG_",)),
    ("Images and cleanup",
     ("ECS_IMAGE", "ECS_DISABLE_IMAGE", "ECS_NUM_IMAGES", "ECS_ENABLE_UNTRACKED", "NON_ECS_",
      "NONECS_", "ECS_EXCLUDE_UNTRACKED", "BERTH_DISK", "ECS_ENGINE_AUTH", "BERTH_PULL",
      "ECS_PULL_", "ECS_MANIFEST_PULL", "ECS_ENGINE_TASK_CLEANUP")),
    ("Metadata, metrics and credentials of tasks",
     ("ECS_ENABLE_TASK_IAM", "ECS_ENABLE_AWSLOGS", "ECS_DISABLE_METRICS", "ECS_POLL",
      "ECS_ENABLE_PROMETHEUS", "ECS_ENABLE_CONTAINER_METADATA", "ECS_TASK_METADATA",
      "TaskMetadata", "ECS_DISABLE_TASK_METADATA", "ECS_AGENT_HEALTHCHECK", "IMDSIAM",
      "ECS_DISABLE_DOCKER_HEALTH", "BERTH_TASKS_PORT", "BERTH_INTROSPECTION",
      "BERTH_BIND", "BERTH_METRICS")),
    ("Networks of tasks",
     ("ECS_RESERVED_PORTS", "ECS_DYNAMIC", "ECS_EXCLUDE_IPV6", "ECS_ENABLE_TASK_ENI",
      "ECS_ENABLE_HIGH_DENSITY", "ECS_AWSVPC", "OverrideAWSVPC", "ECS_CNI", "ENIPause",
      "ECS_SKIP_LOCALHOST", "ECS_ALLOW_OFFHOST", "BERTH_NETWORK")),
    ("Devices, volumes and accounts",
     ("ECS_ENABLE_GPU", "ECS_NVIDIA", "ECS_ENABLE_INF", "ECS_EBSTA", "CSIDriver", "NodeStage",
      "NodeUnstage", "ECS_VOLUME", "ECS_SHARED_VOLUME", "ECS_ENABLE_FIRELENS", "ECS_GMSA", "GMSA",
      "CREDENTIALS_FETCHER", "ECS_DOMAIN_JOINED")),
    ("Running tasks",
     ("DOCKER_HOST", "ECS_RESERVED_MEMORY", "ECS_AVAILABLE", "ECS_CONTAINER_", "BERTH_START",
      "ECS_ENABLE_TASK_CPU", "ECS_CGROUP", "ECS_TASK_PIDS", "ECS_PROPAGATE", "ECS_PAUSE",
      "ECS_DISABLE_PRIVILEGED", "ECS_SELINUX", "ECS_APPARMOR",
      "BERTH_STOP_DIGEST", "BERTH_SHUTDOWN")),
    ("Proxies, certificates and credentials of the agent",
     ("HTTP_", "HTTPS_", "NO_PROXY", "SSL_", "AWS_CA", "AWS_ACCESS", "AWS_SECRET", "AWS_SESSION",
      "AWS_PROFILE", "ECS_ALTERNATE", "AWS_SHARED", "AWS_CONFIG", "AWS_WEB", "AWS_ROLE",
      "AWS_CONTAINER")),
    ("Services of AWS", ("AWS_",)),
    ("Other settings", ("",)),
)


def name_of(row):
    return row["name"] or row["json"]


def group_of(row):
    for title, starts in GROUPS:
        if name_of(row).startswith(starts):
            return title
    return None


def in_groups(rows):
    """(title, rows) of those that mean something, in the order above."""
    for title, _ in GROUPS:
        members = [r for r in rows if r["support"] != "inert" and group_of(r) == title]
        if members:
            yield title, members


# ---- the sample ----

def sample(rows):
    out = [SAMPLE_HEAD]
    for title, members in in_groups(rows):
        members = [r for r in members if r["name"] and not r["env_only"]]
        if not members:
            continue
        out.append("\n# ---- %s ----\n" % title)
        for row in members:
            text = row["help"]
            if row["support"] == "later":
                text += " Not supported yet."
            elif row["reload"]:
                text += " [reload]"
            out.append("\n" + textwrap.fill(text, 88, initial_indent="# ",
                                            subsequent_indent="# ", break_long_words=False,
                                            break_on_hyphens=False) + "\n")
            out.append("#%s=%s\n" % (row["name"], row["default"]))
    return "".join(out)


# ---- the manual page ----

def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\\&" + text if text.startswith(".") else text


def entry(row):
    what = [row["type"]]
    if row["name"] and row["json"]:
        what.append("in JSON \\fB%s\\fR" % roff(row["json"]))
    if row["default"]:
        what.append("default \\fB%s\\fR" % roff(row["default"]))
    said = [row["help"]]
    if row["env_only"] and "environment only" not in row["help"]:
        said.append("Read from the environment only.")
    if row["deprecated"]:
        said.append("Deprecated.")
    if row["support"] == "later":
        said.append("Not supported yet.")
    else:
        said.append("Applied by a reload." if row["reload"] else "Needs a restart.")
    lines = "\n".join(roff(line) for line in textwrap.wrap(
        " ".join(said), 88, break_long_words=False, break_on_hyphens=False))
    return ".TP\n\\fB%s\\fR (%s)\n%s\n" % (roff(name_of(row)), ", ".join(what), lines)


def settings_text(rows):
    out = []
    for title, members in in_groups(rows):
        out.append(".SS %s\n" % title)
        out.extend(entry(r) for r in members)
    out.append(".SS Accepted without effect\n"
               "These belong to the reference agent's own container, to its updates or to\n"
               "Windows.\n")
    for row in rows:
        if row["support"] == "inert":
            out.append(".TP\n\\fB%s\\fR\n%s\n" % (
                roff(name_of(row)),
                "\n".join(roff(l) for l in textwrap.wrap(row["help"], 88,
                                                         break_on_hyphens=False))))
    return "".join(out)


def page(rows, old):
    begin, end = old.index(BEGIN) + len(BEGIN), old.index(END)
    return old[:begin] + settings_text(rows) + old[end:]


# ---- checks ----

def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def compare(path, want, have):
    if want == have:
        return 0
    print("%s is not what the table of settings says; tests/config/manual.py --write mends it"
          % path)
    for line in list(difflib.unified_diff(have.splitlines(), want.splitlines(), path, "table",
                                          n=0, lineterm=""))[:60]:
        print("  " + line)
    return 1


def table_failures(rows):
    """What no generator can mend."""
    failures = 0
    names = [name_of(r) for r in rows]
    for name in sorted({n for n in names if names.count(n) > 1}):
        print("%s is in the table more than once" % name)
        failures += 1
    for row in rows:
        if not row["help"].endswith("."):
            print("%s: its help is no whole sentence" % name_of(row))
            failures += 1
        if group_of(row) == GROUPS[-1][0] and row["support"] != "inert":
            print("%s: it has no group in tests/config/manual.py" % name_of(row))
            failures += 1
    return failures


def sample_failures(berth):
    """Uncommented as it stands, the sample changes nothing."""
    lines = [line[1:] for line in read(SAMPLE).splitlines()
             if line.startswith("#") and not line.startswith(("# ", "#\n")) and len(line) > 1
             and not line.endswith("=")]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "ecs.config")
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(lines + ["AWS_DEFAULT_REGION=eu-west-1", ""]))
        done = subprocess.run([berth, "check-config", "--json", path], env={}, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    odd = [s for s in said if s.get("name") not in ("AWS_DEFAULT_REGION", "ECS_DETAILED_OS_FAMILY")]
    for one in odd:
        print("%s, uncommented: %s" % (SAMPLE, json.dumps(one)))
    return len(odd) + (done.returncode != 0)


def all_failures(berth, rows):
    """`check-config --all` shows every setting that means something, once, and no secret."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "ecs.config")
        with open(path, "w", encoding="utf-8") as f:
            f.write("".join("%s=hunter2\n" % r["name"] for r in rows if r["secret"]))
        done = subprocess.run([berth, "check-config", "--all", "--json", path], env={},
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    shown = sorted(s["name"] for s in said if s["kind"] == "setting")
    want = sorted(name_of(r) for r in rows if r["support"] != "inert")
    if shown != want:
        print("check-config --all shows others than those of the table: %s"
              % sorted(set(shown) ^ set(want)))
    if "hunter2" in done.stdout:
        print("check-config shows a secret")
    return (shown != want) + ("hunter2" in done.stdout)


def page_failures():
    """The page must be formatted without a complaint."""
    groff = shutil.which("groff")
    if not groff:
        return 0
    failures = 0
    for path in (PAGE, "packaging/berth.8"):
        done = subprocess.run([groff, "-man", "-Tutf8", "-ww", "-z", os.path.join(TOP, path)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.stdout or done.returncode:
            print(done.stdout)
            failures += 1
    return failures


def main(argv):
    berth = os.path.abspath(argv[1])
    text = subprocess.run([berth, "check-config", "--vars", "--json"], stdout=subprocess.PIPE,
                          check=True, text=True).stdout
    rows = [json.loads(line) for line in text.splitlines()]
    if "--write" in argv:
        for path, content in ((SAMPLE, sample(rows)), (PAGE, page(rows, read(PAGE)))):
            with open(os.path.join(TOP, path), "w", encoding="utf-8") as f:
                f.write(content)
    failures = table_failures(rows)
    failures += compare(SAMPLE, sample(rows), read(SAMPLE))
    failures += compare(PAGE, page(rows, read(PAGE)), read(PAGE))
    failures += sample_failures(berth)
    failures += all_failures(berth, rows)
    failures += page_failures()
    print("manual: %d settings, %d failures" % (len(rows), failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
