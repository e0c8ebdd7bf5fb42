"""The .rpm after the .deb, in the same machine. No RPM-based distribution can be had from a Debian
mirror: rpm(8) is real, as are the scriptlets and systemd, and what the package needs is there under
other names.
"""
import builds
from life import CLUSTER, SETTINGS, STAYS, Life, awslogs, check, container, wait_for

# Debian's rpm wants to hear that this is no mistake.
RPM = "rpm --force-debian --nodeps"


class RpmLife(Life):
    def live(self):
        try:
            self.life_of_deb()
            if "rpm" in builds.kinds():
                self.life_of_rpm()
        finally:
            self.end_local()

    def rpm(self, how, which):
        return self.m.sh(f"{RPM} {how} {self.file(which, 'berth', 'rpm')} 2>&1")

    def check_rpm(self, version):
        check(version in self.m.sh("berth version"), f"not version {version}")
        check(self.unit("NeedDaemonReload") == "no", "the old unit counts")
        check(self.settings() == SETTINGS, "the edited ecs.config was overwritten")
        self.same_task(f"{version} by rpm")

    def life_of_rpm(self):
        for instance in self.instances():
            self.ecs.call("DeregisterContainerInstance", cluster=CLUSTER, force=True,
                          containerInstance=instance["containerInstanceArn"])
        self.m.sh(f"docker rm -f {self.box}")
        self.rpm("-i", 0)
        said = self.m.sh("rpm -V --nodeps berth", check=False)
        check(not said.returncode, f"rpm -V: {said.stdout}")
        check(self.unit("ActiveState") == "inactive", "the installation has started the agent")
        check(self.unit("UnitFileState") == "enabled", "the unit is not as the presets say")
        self.start_agent()
        self.task = self.run_task("rpm", [container("app", STAYS, logConfiguration=awslogs("r"))],
                                  taskRoleArn="arn:aws:iam::123456789012:role/packaged")
        self.wait_status(self.task, "RUNNING")
        self.box = self.boxes(self.task)[0]["Id"]
        asked = self.while_asking("rpm -U", lambda: self.rpm("-U", 1))
        self.check_rpm(builds.next_version())
        asked += self.while_asking("rpm -U --oldpackage", lambda: self.rpm("-U --oldpackage", 0))
        self.check_rpm(builds.version())
        self.say("the .rpm installed by rpm, verified, started, upgraded and downgraded: task, "
                 f"container and settings as they were; {asked} requests meanwhile, 0 failed")
        self.m.sh(f"{RPM} -e berth")
        wait_for("the unit is gone", 10, lambda: self.unit("LoadState") == "not-found")
        check(self.boxes(self.task)[0]["State"] == "running", "the task's container is gone")
        kept = self.m.sh("ls /etc/ecs/ecs.config.rpmsave /var/lib/ecs/data/berth.db", check=False)
        check(not kept.returncode, f"settings and state are not kept: {kept.stderr}")
        check(self.m.sh("command -v berth", check=False).returncode, "the program is there")
        self.say("rpm -e: the program is gone; the container runs on, settings (.rpmsave) and "
                 "state are kept")
