"""What tasks learn from ECS through the agent: their tags, whether they are protected; and
where they are. These scenarios use the real address, ports and rules, so they run alone.
"""
import http.client
import json
import select
import socket
import struct
import time

from harness import STAYS, check, container, equal, part, poll
from scenarios_endpoints import HERE, ROLE, ask, cluster, environment, get

PAYMENTS = [{"key": "team", "value": "payments"}, {"key": "cost", "value": "7"}]
RACK = [{"key": "rack", "value": "12"}]


def path_of(c, task, name, variable="ECS_CONTAINER_METADATA_URI_V4"):
    return environment(c, task, name)[variable][len("http://169.254.170.2"):]


def protection_path(c, task, name):
    return path_of(c, task, name, "ECS_AGENT_URI") + "/task-protection/v1/state"


def send(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", 51679, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def wish(method, body=""):
    """A shell command that asks for protection from inside a container, and prints the answer."""
    path = "${ECS_AGENT_URI#http://169.254.170.2}/task-protection/v1/state"
    return (f'printf "{method} %s HTTP/1.0\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n%s" "{path}" '
            f"'{body}' | nc -w 5 169.254.170.2 80")


def lookups(c):
    return len(c.requests("ListTagsForResource"))


def with_tags(c):
    """A task with tags, on an instance with tags, and its path."""
    c.ecs.call("TagResource", resourceArn=c.instances()[0]["containerInstanceArn"], tags=RACK)
    task = c.run_one(c.register([container("web", STAYS)]), tags=PAYMENTS)
    c.wait_running(task)
    return task, path_of(c, task, "web")


def e2e_tags_of_task_and_instance(t):
    """A container reads the tags of its task and its instance; who asks again and again costs
    two calls, not two each time."""
    with cluster(t) as c:
        c.agent.wait_log("tasks reach their credentials")
        c.ecs.call("TagResource", resourceArn=c.instances()[0]["containerInstanceArn"], tags=RACK)
        path = "${ECS_CONTAINER_METADATA_URI_V4#http://169.254.170.2}/taskWithTags"
        script = (f'text=$({ask(path)}); for want in \'"TaskTags":{{"cost":"7","team":"payments"}}\' '
                  '\'"ContainerInstanceTags":{"rack":"12"}\'; do '
                  'echo "$text" | grep -qF "$want" || exit 3; done; exit 0')
        inside = c.run_one(c.register([container("in", script)]), tags=PAYMENTS)
        equal(part(c.wait_stopped(inside), "in")["exitCode"], 0, "exit code of the one inside")

        task, path = with_tags(c)
        first = json.loads(get(path + "/taskWithTags")[1])
        before = lookups(c)
        for version in ("v3", "v4") * 5:
            seen = json.loads(get(path.replace("/v4/", f"/{version}/") + "/taskWithTags")[1])
            equal((seen["TaskTags"], seen["ContainerInstanceTags"]),
                  ({"team": "payments", "cost": "7"}, {"rack": "12"}), f"tags of {version}")
        equal(lookups(c), before, "calls for tags that are known")
        check("Errors" not in first and "TaskTags" not in json.loads(get(path + "/task")[1]),
              "tags are told where they are asked for")
        equal(first["TaskARN"], task, "whose tags")


def e2e_tags_in_trouble(t):
    """ECS denies, fails, hangs: the metadata are told all the same, with what went wrong, and
    others do not wait."""
    with cluster(t) as c:
        task, path = with_tags(c)
        instance = c.instances()[0]["containerInstanceArn"]
        c.fault("ListTagsForResource", "status", count=-1, status=400,
                type="AccessDeniedException", message="not for you")
        seen = json.loads(get(path + "/taskWithTags")[1])
        equal(seen["Errors"], [
            {"ErrorField": field, "ResourceARN": arn, "ErrorMessage":
             f"GetResourceTags failed for {arn} after 1 attempts: AccessDeniedException: not for "
             "you"} for field, arn in (("ContainerInstanceTags", instance), ("TaskTags", task))],
              "errors")
        check("TaskTags" not in seen and seen["Containers"], f"{seen}")

        c.heal()
        c.fault("ListTagsForResource", "status", count=2, status=500)
        seen = json.loads(get(path + "/taskWithTags")[1])
        check("Errors" not in seen and seen["TaskTags"], f"tried again: {seen}")

    with cluster(t) as c:
        task, path = with_tags(c)
        c.fault("ListTagsForResource", "hang", count=-1)
        slow = socket.create_connection(("127.0.0.1", 51679))
        slow.settimeout(30)
        slow.sendall(f"GET {path}/taskWithTags HTTP/1.0\r\n\r\n".encode())
        # One that is torn down takes its question along.
        gone = socket.create_connection(("127.0.0.1", 51679))
        gone.sendall(f"GET {path}/taskWithTags HTTP/1.0\r\n\r\n".encode())
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()
        equal(get(path + "/task")[0], 200, "status of the others")
        check(not select.select([slow], [], [], 0)[0], "others do not wait")
        text = b""
        while piece := slow.recv(65536):
            text += piece
        slow.close()
        seen = json.loads(text.split(b"\r\n\r\n", 1)[1])
        equal([e["ErrorField"] for e in seen["Errors"]], ["ContainerInstanceTags", "TaskTags"],
              "errors of those that hang")
        check(seen["Errors"][0]["ErrorMessage"].endswith(" attempts: no answer in time"), f"{seen}")
        c.heal()
        seen = json.loads(get(path + "/taskWithTags")[1])
        equal(seen["ContainerInstanceTags"], {"rack": "12"}, "tags afterwards")


def e2e_tags_and_zone(t):
    """The availability zone of the instance, and none where it is not wanted."""
    for disabled in (False, True):
        more = {"ECS_DISABLE_TASK_METADATA_AZ": "true"} if disabled else {}
        with t.cluster(env={**HERE, **more}, metadata=True) as c:
            task = c.run_one(c.register([container("web", STAYS)]))
            c.wait_running(task)
            seen = json.loads(get(path_of(c, task, "web") + "/task")[1])
            place = c.agent.berth_json("status")[0]["control"]["instance"]
            equal(seen.get("AvailabilityZone"), None if disabled else place["zone"], "zone")
            equal(seen.get("AvailabilityZoneID"), None if disabled else place["zone_id"], "its id")
            equal(seen["VPCID"], place["vpc_id"], "VPC")
            check(place["zone"] and place["zone_id"] and place["vpc_id"], f"{place}")


def e2e_protection(t):
    """A task of a service protects itself from inside; others cannot do it for it, nor those
    without a role."""
    with cluster(t) as c:
        c.agent.wait_log("tasks reach their credentials")
        body = '{"ProtectionEnabled":true,"ExpiresInMinutes":30}'
        good = wish("PUT", body) + " | grep -q '\"ProtectionEnabled\":true'"
        definition = c.register([container("web", f"{good} || exit 3; {STAYS}")], taskRoleArn=ROLE)
        task = c.run_one(definition, group="service:web")
        c.wait_running(task)
        state = poll(lambda: [p for p in c.ecs.call(
            "GetTaskProtection", cluster=c.name, tasks=[task])["protectedTasks"]
            if p["protectionEnabled"]], "the protection")[0]
        check(abs(state["expirationDate"] - time.time() - 1800) < 120, f"{state}")

        path = protection_path(c, task, "web")
        status, text = send("GET", path)
        seen = json.loads(text)["protection"]
        equal((status, seen["ProtectionEnabled"], seen["TaskArn"]), (200, True, task), "how it is")
        status, text = send("PUT", path, '{"protectionenabled":false}')
        equal((status, json.loads(text)["protection"]),
              (200, {"ExpirationDate": None, "ProtectionEnabled": False, "TaskArn": task}), "off")

        # In its first moments nobody knows yet whose address that is.
        other = f'ECS_AGENT_URI=http://169.254.170.2{path[:-len("/task-protection/v1/state")]}; '
        thief = c.run_one(c.register([container(
            "t", f"{other} refused() {{ {wish('PUT', body)} | grep -q ' 404 '; }}; "
            "for i in 1 2 3 4 5; do sleep 2; refused && break; done; refused || exit 7; exit 0")],
            taskRoleArn=ROLE))
        equal(part(c.wait_stopped(thief), "t")["exitCode"], 0, "exit code of the other task")
        alone = c.run_one(c.register([container(
            "a", f"{wish('GET')} | grep -q '\"Code\":\"AccessDeniedException\"' || exit 7; exit 0")]))
        equal(part(c.wait_stopped(alone), "a")["exitCode"], 0, "exit code of one without a role")
        free = c.run_one(definition)
        equal(part(c.wait_stopped(free), "web")["exitCode"], 3, "exit code of one of no service")


def e2e_protection_in_trouble(t):
    """Wrong requests, and an ECS that denies, fails or hangs."""
    with cluster(t) as c:
        task = c.run_one(c.register([container("web", STAYS)], taskRoleArn=ROLE),
                         group="service:web")
        c.wait_running(task)
        path = protection_path(c, task, "web")

        def error(method="GET", body=None, path=path):
            status, text = send(method, path, body)
            said = json.loads(text)["error"]
            return status, said["Code"], said["Message"], said.get("Arn")

        equal(error("PUT", "{"), (400, "InvalidParameterException",
                                  "UpdateTaskProtection: failed to decode request", None), "no JSON")
        equal(error("PUT", "{}")[2:], ("Invalid request: does not contain 'ProtectionEnabled' field",
                                       task), "nothing in it")
        equal(error(path="/api/x/task-protection/v1/state")[:2],
              (404, "ResourceNotFoundException"), "an unknown id")
        equal(send("POST", path, "{}"), (405, ""), "another method")
        equal(error("PUT", '{"ProtectionEnabled":true,"ExpiresInMinutes":2881}')[:2],
              (400, "InvalidParameterException"), "what ECS does not want")
        c.fault("GetTaskProtection", "status", status=400, type="AccessDeniedException",
                message="not for you")
        equal(error(), (400, "AccessDeniedException", "not for you", task), "denied")
        c.fault("GetTaskProtection", "status", count=2, status=500)
        equal(send("GET", path)[0], 200, "status of one that was tried again")
        c.fault("GetTaskProtection", "status", count=3, status=500, type="ServerException",
                message="sorry")
        equal(error()[:2], (500, "ServerException"), "ECS is in trouble")
        c.fault("GetTaskProtection", "hang", count=-1)
        before = time.monotonic()
        equal(error(), (504, "RequestCanceled", "Timed out calling ECS Task Protection API", task),
              "ECS hangs")
        check(3.5 < time.monotonic() - before < 8, "told in time")
