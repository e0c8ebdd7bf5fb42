"""Containers that wait for each other, and the order in which they stop."""
from harness import check, container, contains, depends, equal, health, part


def init(name, script):
    return container(name, script, essential=False)


def e2e_dependency_conditions(t):
    """START, COMPLETE, SUCCESS and HEALTHY hold a container back until they are met."""
    after = {"START": "start", "COMPLETE": "die", "SUCCESS": "die",
             "HEALTHY": "health_status: healthy"}
    with t.cluster() as c:
        definition = c.register([
            container("main", dependsOn=depends(
                ("started", "START"), ("completed", "COMPLETE"), ("succeeded", "SUCCESS"),
                ("healthy", "HEALTHY"))),
            container("started"),
            init("completed", "exit 3"),
            init("succeeded", "exit 0"),
            container("healthy", healthCheck=health("true")),
        ])
        with c.events() as events:
            arn = c.run_one(definition)
            task = c.wait_running(arn)
            begun = events.wait("create", task=arn, container="main")[0]["time"]
            for name, condition in (("started", "START"), ("completed", "COMPLETE"),
                                    ("succeeded", "SUCCESS"), ("healthy", "HEALTHY")):
                met = events.wait(after[condition], task=arn, container=name)[0]["time"]
                check(met < begun, f"main was created before {name} was {condition}")
        equal(part(task, "completed")["exitCode"], 3, "exit code of completed")


def e2e_dependency_not_successful(t):
    """A dependency that ends with an error where success is needed fails the task."""
    with t.cluster() as c:
        task = c.wait_stopped(c.run_one(c.register([
            container("main", dependsOn=depends(("migrate", "SUCCESS"))),
            init("migrate", "exit 4")])))
        equal(part(task, "migrate")["exitCode"], 4, "exit code of the dependency")
        reason = part(task, "main")["reason"]
        check(reason.startswith("CannotStartContainerError: dependency graph: failed to resolve "
                                "container ordering dependency [migrate("), f"reason {reason!r}")
        contains(reason, "as dependency did not exit successfully", "reason")


def e2e_dependency_never_healthy(t):
    """A dependency that does not become healthy within its start timeout fails the task."""
    with t.cluster() as c:
        task = c.wait_stopped(c.run_one(c.register([
            container("main", dependsOn=depends(("db", "HEALTHY"))),
            container("db", healthCheck=health("false", retries=10), startTimeout=2)])))
        reason = part(task, "main")["reason"]
        check(reason.startswith("CannotStartContainerError: dependency graph: container ordering "
                                "dependency [db("), f"reason {reason!r}")
        contains(reason, "has timed out", "reason")


def e2e_stop_order(t):
    """Containers stop in the reverse of the order in which they started."""
    with t.cluster() as c:
        definition = c.register([
            container("web", dependsOn=depends(("cache", "START"))),
            container("cache", dependsOn=depends(("db", "START"))),
            container("db")])
        arn = c.run_one(definition)
        c.wait_running(arn)
        with c.events() as events:
            c.stop(arn)
            c.wait_stopped(arn)
            gone = {name: events.wait("die", task=arn, container=name)[0]["time"]
                    for name in ("web", "cache", "db")}
            asked = {name: events.wait("kill", task=arn, container=name)[0]["time"]
                     for name in ("web", "cache", "db")}
        check(gone["web"] <= asked["cache"] and gone["cache"] <= asked["db"],
              f"asked to stop {asked}, ended {gone}")


def e2e_links(t):
    """A link gives the other container's address by name."""
    with t.cluster() as c:
        task = c.wait_stopped(c.run_one(c.register([
            container("client", "for i in $(seq 100); do wget -q -O - http://server/ "
                      "&& exit 33; sleep 0.2; done; exit 1", links=["web:server"]),
            container("web", "echo hello > /www/index.html; trap 'exit 0' TERM; "
                      "httpd -f -p 80 -h /www & wait $!")])))
        equal(part(task, "client")["exitCode"], 33, "exit code of the client")
