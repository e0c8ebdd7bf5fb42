"""Protection of tasks from scale-in, as people and agents ask for it."""
import time
import unittest
from types import SimpleNamespace

from world import LocalTest, WebSocket, role_arn

AGENT = "Amazon ECS Agent - v1.105.1 (x) (linux)"


class Protection(LocalTest):
    def ecs(self, operation, **request):
        answer = self.local.call("ecs", operation, request)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def setUp(self):
        super().setUp()
        self.ecs("CreateCluster", clusterName="c")
        instance = self.ecs("RegisterContainerInstance", cluster="c", totalResources=[
            {"name": "CPU", "type": "INTEGER", "integerValue": 4096},
            {"name": "MEMORY", "type": "INTEGER", "integerValue": 4096},
            {"name": "PORTS", "type": "STRINGSET", "stringSetValue": []},
            {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []}],
            attributes=[{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"},
                        {"name": "com.amazonaws.ecs.capability.task-iam-role"}])
        self.ws = WebSocket(self.local, "/acs/ws", {
            "agentVersion": "1", "agentHash": "1", "clusterArn": "c", "protocolVersion": "2",
            "containerInstanceArn": instance["containerInstance"]["containerInstanceArn"],
            "sendCredentials": "true", "seqNum": "1"})
        self.addCleanup(self.ws.close)
        self.ecs("RegisterTaskDefinition", family="f", taskRoleArn=role_arn("app"),
                 containerDefinitions=[{"name": "c", "image": "i", "memory": 16}])

    def run_task(self, **more):
        return self.ecs("RunTask", cluster="c", taskDefinition="f", **more)["tasks"][0]["taskArn"]

    def test_kept_until_it_ends(self):
        task = self.run_task(group="service:web")
        off = {"protectedTasks": [{"taskArn": task, "protectionEnabled": False}], "failures": []}
        self.assertEqual(self.ecs("GetTaskProtection", cluster="c", tasks=[task]), off)
        one = self.ecs("UpdateTaskProtection", cluster="c", tasks=[task], protectionEnabled=True,
                       expiresInMinutes=2880)["protectedTasks"][0]
        self.assertEqual((one["taskArn"], one["protectionEnabled"]), (task, True))
        self.assertAlmostEqual(one["expirationDate"], time.time() + 2880 * 60, delta=60)
        self.assertEqual(self.ecs("GetTaskProtection", cluster="c", tasks=[task]),
                         {"protectedTasks": [one], "failures": []})
        self.assertEqual(self.ecs("UpdateTaskProtection", cluster="c", tasks=[task],
                                  protectionEnabled=False), off)

    def test_refused(self):
        alone, web = self.run_task(), self.run_task(group="service:web")
        answer = self.ecs("UpdateTaskProtection", cluster="c", tasks=[alone, alone + "x"],
                          protectionEnabled=True)
        self.assertEqual(answer, {"protectedTasks": [], "failures": [
            {"arn": alone, "reason": "TASK_NOT_VALID"},
            {"arn": alone + "x", "reason": "MISSING"}]})
        for minutes in (0, 2881):
            self.refused(self.local.call("ecs", "UpdateTaskProtection", {
                "cluster": "c", "tasks": [web], "protectionEnabled": True,
                "expiresInMinutes": minutes}), 400, "InvalidParameterException")
        for tasks in ([], [web] * 11):
            self.refused(self.local.call("ecs", "UpdateTaskProtection", {
                "cluster": "c", "tasks": tasks, "protectionEnabled": True}), 400,
                "InvalidParameterException")
        self.refused(self.local.call("ecs", "UpdateTaskProtection", {
            "cluster": "c", "tasks": [web]}), 400, "SerializationException")
        self.refused(self.local.call("ecs", "GetTaskProtection", {
            "cluster": "none", "tasks": [web]}), 400, "ClusterNotFoundException")

    def test_agents_use_the_keys_of_the_task(self):
        task = self.run_task(group="service:web")
        role = self.ws.next("PayloadMessage")["tasks"][0]["roleCredentials"]
        keys = SimpleNamespace(id=role["accessKeyId"], secret=role["secretAccessKey"],
                               token=role["sessionToken"])
        request = {"cluster": "c", "tasks": [task]}
        before = len(self.local.violations())
        good = self.local.call("ecs", "GetTaskProtection", request, keys=keys, user_agent=AGENT)
        self.assertEqual(good.status, 200, good.body)
        self.assertEqual(len(self.local.violations()), before)
        self.refused(self.local.call("ecs", "GetTaskProtection", request, user_agent=AGENT), 400,
                     "AccessDeniedException")
        self.assertEqual(len(self.local.violations()), before + 1)


if __name__ == "__main__":
    unittest.main()
