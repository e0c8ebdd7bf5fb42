"""Images: when they are pulled, with what password, and registries that misbehave."""
import json
import os
import shutil
from base64 import b64encode

from docker_api import Docker, socket_path
from harness import Skip, check, container, contains, depends, equal, part, poll
from registry import PASSWORD, USER, HostileRegistry, Image, Registry
from relay import DockerRelay

PULL = r"POST \S*/images/create"
MANIFEST = r"GET \S*/distribution/"


def pulls(behavior, **more):
    return {"ECS_IMAGE_PULL_BEHAVIOR": behavior, **more}


class Borrowed:
    """Removes the images of a scenario from the shared engine."""

    def __init__(self, *names):
        self.names, self.docker = list(names), Docker()

    def add(self, name):
        self.names.append(name)
        return name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in self.names:
            for row in self.docker.request("GET", "/images/json"):
                if any(n.startswith(name.rsplit(":", 1)[0] + ":") or
                       n.startswith(name.rsplit(":", 1)[0] + "@")
                       for n in (row["RepoTags"] or []) + (row["RepoDigests"] or [])):
                    self.docker.remove_image(row["Id"])


def passwords(registry, kind):
    """The settings of an agent that knows the registry's password, written as this kind."""
    if kind == "docker":
        row = {"username": USER, "password": PASSWORD, "email": "e2e@berth.example"}
    else:
        row = {"auth": b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
    return {"ECS_ENGINE_AUTH_TYPE": kind,
            "ECS_ENGINE_AUTH_DATA": json.dumps({f"http://{registry.name}": row})}


def ends_with(c, definition, code):
    task = c.wait_stopped(c.run_one(definition))
    equal(part(task, "a").get("exitCode"), code, f"exit code ({part(task, 'a').get('reason')})")
    poll(lambda: not c.containers(), "its container is removed")
    return task


def e2e_pull_behaviors(t):
    """Which of the four behaviors ask the registry, how often, and whether a new image of
    the same name is noticed."""
    want = {"default": (2, "new"), "always": (2, "new"), "once": (1, "old"),
            "prefer-cached": (1, "old")}
    script = "exit $WHICH"
    with Registry() as registry, Borrowed() as borrowed:
        for behavior, (count, last) in want.items():
            repository = "e2e/" + behavior
            name = borrowed.add(registry.push(repository, Image(behavior + "1", env=["WHICH=31"])))
            with t.cluster(env=pulls(behavior), start=False) as c:
                relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
                c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()
                definition = c.register([container("a", script, image=name)])
                ends_with(c, definition, 31)
                registry.push(repository, Image(behavior + "2", env=["WHICH=32"]))
                task = ends_with(c, definition, 32 if last == "new" else 31)
                equal(len(relay.seen(PULL)), count, f"pulls with {behavior}")
                check(part(task, "a")["imageDigest"].startswith("sha256:"), "no digest reported")


def e2e_pull_digest(t):
    """The digest that is reported is the registry's, for a tag and for a digest; the pull
    goes by it, and the container keeps the task's own name for the image."""
    image = Image("digest")
    with Registry() as registry, Borrowed() as borrowed, \
            t.cluster(env=pulls("always"), start=False) as c:
        relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
        c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()
        name = borrowed.add(registry.push("e2e/digest", image))
        by_digest = name.rsplit(":", 1)[0] + "@" + image.digest
        for text in (name, by_digest):
            arn = c.run_one(c.register([container("a", image=text)]))
            task = c.wait_running(arn)
            equal(part(task, "a")["imageDigest"], image.digest, f"digest of {text}")
            equal(c.inspect(arn, "a")["Config"]["Image"], text, "image of the container")
        check(relay.seen(MANIFEST), "nobody asked for the manifest")
        for _, request in relay.seen(PULL):
            contains(request.replace("%3A", ":").replace("%40", "@"), image.digest, "pull")
        c.stop(*c.all_tasks())
        poll(lambda: not c.containers(), "the containers are removed")


def e2e_pull_passwords(t):
    """A registry with a password: both ways to write it down, none, and a wrong one. The
    password is in no log."""
    with Registry(password=True) as registry, Borrowed() as borrowed:
        name = borrowed.add(registry.push("e2e/closed", Image("closed")))
        for kind in ("dockercfg", "docker"):
            with t.cluster(env=pulls("always", **passwords(registry, kind))) as c:
                ends_with(c, c.register([container("a", "exit 41", image=name)]), 41)
                for secret in (PASSWORD, b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
                    check(secret not in c.agent.stderr(), "the password is in the log")
        wrong = json.dumps({registry.name: {"username": USER, "password": "guessed"}})
        for env in ({}, {"ECS_ENGINE_AUTH_TYPE": "docker", "ECS_ENGINE_AUTH_DATA": wrong}):
            with t.cluster(env=pulls("always", **env)) as c:
                task = c.wait_stopped(c.run_one(c.register([container("a", image=name)])))
                reason = part(task, "a")["reason"]
                check(reason.startswith("CannotPullImageManifestError: "), f"reason {reason!r}")
                check("auth" in reason, f"reason {reason!r}")


def e2e_pull_shared(t):
    """Ten tasks of one image ask the registry for its layers once."""
    with HostileRegistry(Image("shared", mib=4), lambda *_: False) as registry, \
            Borrowed(registry.name), t.cluster(env=pulls("default")) as c:
        arns = c.run(c.register([container("a", image=registry.name)]), count=10)
        c.wait(arns, "RUNNING")
        equal(registry.count("layer"), 1, "times that the layer was asked for")
        c.stop(*arns)
        c.wait(arns, "STOPPED")
        poll(lambda: not c.containers(), "the containers are removed")


def e2e_pull_busy_registry(t):
    """A registry that is busy, and one that cuts its answer: the pull is tried again."""
    def act(handler, kind, times):
        if kind == "manifest" and times < 2:
            handler.refuse(429, "TOOMANYREQUESTS", "slow down")
            return True
        if kind == "manifest" and times < 4:
            handler.answer(200, "application/vnd.docker.distribution.manifest.v2+json",
                           handler.owner.image.manifest, cut=100)
            return True
        return False

    with HostileRegistry(Image("busy"), act) as registry, Borrowed(registry.name), \
            t.cluster(env=pulls("always")) as c:
        arn = c.run_one(c.register([container("a", image=registry.name)]))
        c.wait_running(arn, 60)
        check(registry.count("manifest") > 4, "the registry was not asked again")
        c.stop(arn)
        c.wait_stopped(arn)
        poll(lambda: not c.containers(), "the container is removed")


def e2e_pull_lying_registry(t):
    """A layer that is not what its digest says is refused, and the reason says why."""
    def act(handler, kind, _times):
        if kind == "layer":
            handler.answer(200, "application/octet-stream", b"something else entirely")
        return kind == "layer"

    with HostileRegistry(Image("lies", mib=1), act) as registry, \
            t.cluster(env=pulls("always")) as c:
        good = c.run_one(c.register([container("a", image=registry.name)]))
        task = c.wait_stopped(good, 60)
        reason = part(task, "a")["reason"]
        check(reason.startswith("CannotPullContainerError: "), f"reason {reason!r}")
        contains(reason, "verification failed", "reason")
        check(not c.docker.has_image(registry.name), "the image is there all the same")


def e2e_pull_timeout(t):
    """A registry that stops in the middle: the pull has its time, and a stop ends it."""
    def act(handler, kind, _times):
        if kind == "layer":
            handler.stall()
        return kind == "layer"

    with HostileRegistry(Image("stalls", mib=1), act) as registry, \
            t.cluster(env=pulls("always", ECS_IMAGE_PULL_TIMEOUT="3s")) as c:
        task = c.wait_stopped(c.run_one(c.register([container("a", image=registry.name)])))
        equal(part(task, "a")["reason"],
              "DockerTimeoutError: Could not transition to pulled; timed out after waiting 3s",
              "reason")


def e2e_pull_inactivity(t):
    """A pull that gets no byte for the inactivity timeout, a minute at least, is given up.
    What is decided is simulated too, so one build shows that it is carried out."""
    if t.sanitized:
        raise Skip("it takes a minute; the build without sanitizers shows it")

    def act(handler, kind, _times):
        if kind == "layer":
            handler.stall()
        return kind == "layer"

    env = pulls("always", ECS_IMAGE_PULL_INACTIVITY_TIMEOUT="1m")
    with HostileRegistry(Image("idles", mib=1), act) as registry, t.cluster(env=env) as c:
        arn = c.run_one(c.register([container("a", image=registry.name)]))
        poll(lambda: registry.count("layer"), "the layer is asked for")
        poll(lambda: registry.count("layer") > 1 or c.task(arn)["lastStatus"] == "STOPPED",
             "the pull is given up and tried again", 90, 0.2)
        c.agent.wait_log("pull failed, trying again: ")
        c.stop(arn)
        c.wait_stopped(arn)


def e2e_pull_tls(t):
    """A registry with a certificate of its own, which Docker knows from /etc/docker/certs.d;
    without it the reason says what is wrong."""
    rows = Docker().request("GET", "/networks/bridge")["IPAM"]["Config"]
    host = rows[0].get("Gateway") if rows else None
    if not host:
        raise Skip("Docker has no bridge with an address, and it trusts whatever is on loopback")
    with Registry(tls=True, host=host) as registry, Borrowed() as borrowed, \
            t.cluster(env=pulls("always")) as c:
        name = borrowed.add(registry.push("e2e/tls", Image("tls")))
        definition = c.register([container("a", "exit 43", image=name)])
        reason = part(c.wait_stopped(c.run_one(definition)), "a")["reason"]
        contains(reason, "x509", "reason")
        trusted = f"/etc/docker/certs.d/{registry.name}"
        os.makedirs(trusted)
        try:
            shutil.copy(registry.ca, os.path.join(trusted, "ca.crt"))
            ends_with(c, definition, 43)
        finally:
            shutil.rmtree(trusted)


def e2e_pull_fallback(t):
    """The registry is gone: the image that is here serves with the behavior default, and
    does not with always. One that is nowhere ends the task with each of the four."""
    image = Image("fallback")
    with Registry() as registry, Borrowed() as borrowed:
        name = borrowed.add(registry.push("e2e/fallback", image))
        with t.cluster(env=pulls("default")) as c:
            definition = c.register([container("a", "exit 44", image=name)])
            ends_with(c, definition, 44)
            registry.process.kill()
            registry.process.wait()
            ends_with(c, definition, 44)
        with t.cluster(env=pulls("always")) as c:
            task = c.wait_stopped(c.run_one(c.register([
                container("main", dependsOn=depends(("b", "COMPLETE"))), # or it fails first
                container("b", image=name, essential=False)])), 90)
            check(part(task, "b")["reason"].startswith("CannotPullImageManifestError: "),
                  f"reason {part(task, 'b')['reason']!r}")
