"""What an agent is told: payloads with secrets, environment files and registries,
their keys and new ones for them, draining, the announced address."""
import unittest
from types import SimpleNamespace

from world import ACCOUNT, LocalTest, WebSocket, role_arn

TASK, EXEC = role_arn("app"), role_arn("exec")
ATTRIBUTES = ["com.amazonaws.ecs.capability.docker-remote-api.1.18",
              "com.amazonaws.ecs.capability.ecr-auth", "com.amazonaws.ecs.capability.task-iam-role",
              "ecs.capability.execution-role-ecr-pull", "ecs.capability.env-files.s3",
              "ecs.capability.secrets.ssm.environment-variables",
              "ecs.capability.secrets.asm.environment-variables",
              "ecs.capability.secrets.asm.bootstrap.log-driver",
              "com.amazonaws.ecs.capability.logging-driver.splunk",
              "ecs.capability.private-registry-authentication.secretsmanager"]
SECRET = f"arn:aws-cn:secretsmanager:cn-north-1:{ACCOUNT}:secret:db-AbCdEf"
PARAMETER = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/c"


def keys_of(role):
    return SimpleNamespace(id=role["accessKeyId"], secret=role["secretAccessKey"],
                           token=role["sessionToken"])


class Agent(LocalTest):
    def ecs(self, operation, **request):
        answer = self.local.call("ecs", operation, request)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def setUp(self):
        super().setUp()
        self.ecs("CreateCluster", clusterName="c")
        self.instance = self.ecs("RegisterContainerInstance", cluster="c", totalResources=[
            {"name": "CPU", "type": "INTEGER", "integerValue": 4096},
            {"name": "MEMORY", "type": "INTEGER", "integerValue": 4096},
            {"name": "PORTS", "type": "STRINGSET", "stringSetValue": []},
            {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []}],
            attributes=[{"name": a} for a in ATTRIBUTES])
        self.instance = self.instance["containerInstance"]["containerInstanceArn"]

    def connect(self):
        ws = WebSocket(self.local, "/acs/ws", {"agentVersion": "1", "agentHash": "1",
                                               "clusterArn": "c",
                                               "containerInstanceArn": self.instance,
                                               "protocolVersion": "2", "sendCredentials": "true",
                                               "seqNum": "1"})
        self.assertEqual(ws.status, 101)
        self.addCleanup(ws.close)
        return ws

    def payload(self, containers, **more):
        ws = self.connect()
        self.ecs("RegisterTaskDefinition", family="f", containerDefinitions=containers, **more)
        self.ecs("RunTask", cluster="c", taskDefinition="f")
        message = ws.next("PayloadMessage")
        ws.send("AckRequest", {"cluster": "c", "containerInstance": self.instance,
                               "messageId": message["messageId"]})
        return ws, message["tasks"][0]

    def test_secrets_files_and_registries(self):
        self.local.cloud(registries=[{"id": "210987654321", "region": "eu-west-1", "password": "p",
                                      "proxyEndpoint": "http://127.0.0.1:5000"},
                                     {"id": "210987654322", "password": "p",
                                      "endpointOverride": "api.test",
                                      "proxyEndpoint": "https://registry.test"}])
        file = {"value": "arn:aws:s3:::b/k.env", "type": "s3"}
        images = [f"{ACCOUNT}.dkr.ecr.us-east-2.amazonaws.com/app:1", "127.0.0.1:5000/app",
                  "registry.test/app:2", "127.0.0.1:5001/app", "app"]
        first = {"secrets": [{"name": "A", "valueFrom": "/app/a"},
                             {"name": "B", "valueFrom": SECRET + ":k::"},
                             {"name": "C", "valueFrom": PARAMETER}],
                 "environmentFiles": [file],
                 "logConfiguration": {
                     "logDriver": "splunk",
                     "secretOptions": [{"name": "splunk-token", "valueFrom": SECRET}]}}
        containers = [{"name": f"c{i}", "image": image, "memory": 16, **(first if i == 0 else {})}
                      for i, image in enumerate(images)]
        containers.append({"name": "c5", "image": "private.test/app", "memory": 16,
                           "repositoryCredentials": {"credentialsParameter": SECRET}})
        _, task = self.payload(containers, executionRoleArn=EXEC)
        first, *others = task["containers"]
        self.assertEqual(first["environmentFiles"], [file])
        members = ("name", "provider", "region", "type", "target", "valueFrom")
        self.assertEqual(
            [tuple(s[m] for m in members) for s in first["secrets"]],
            [("A", "ssm", "us-west-2", "ENVIRONMENT_VARIABLE", "CONTAINER", "/app/a"),
             ("B", "asm", "cn-north-1", "ENVIRONMENT_VARIABLE", "CONTAINER", SECRET + ":k::"),
             ("C", "ssm", "eu-west-1", "ENVIRONMENT_VARIABLE", "CONTAINER", PARAMETER),
             ("splunk-token", "asm", "cn-north-1", "ENVIRONMENT_VARIABLE", "LOG_DRIVER", SECRET)])
        auth = [c.get("registryAuthentication") for c in task["containers"]]
        self.assertEqual(auth[0], {"type": "ecr", "ecrAuthData": {
            "registryId": ACCOUNT, "region": "us-east-2", "useExecutionRole": True}})
        self.assertEqual(auth[1], {"type": "ecr", "ecrAuthData": {
            "registryId": "210987654321", "region": "eu-west-1", "useExecutionRole": True}})
        self.assertEqual(auth[2]["ecrAuthData"]["endpointOverride"], "api.test")
        self.assertEqual(auth[3:5], [None, None])
        self.assertEqual(auth[5], {"type": "asm", "asmAuthData": {"credentialsParameter": SECRET,
                                                                  "region": "cn-north-1"}})

    def test_without_an_execution_role(self):
        _, task = self.payload([{"name": "c",
                                 "image": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/a",
                                 "memory": 16}])
        data = task["containers"][0]["registryAuthentication"]["ecrAuthData"]
        self.assertIs(data["useExecutionRole"], False)

    def read(self, name, keys):
        return self.local.call("ssm", "GetParameters", {"Names": [name], "WithDecryption": True},
                               keys=keys)

    def test_keys_belong_to_their_role_and_can_be_renewed(self):
        self.local.cloud(parameters=[{"name": "e", "value": "1", "role": EXEC},
                                     {"name": "t", "value": "1", "role": TASK}])
        ws, task = self.payload([{"name": "c", "image": "i", "memory": 16}], executionRoleArn=EXEC,
                                taskRoleArn=TASK)
        own, execution = keys_of(task["roleCredentials"]), keys_of(task["executionRoleCredentials"])
        for name, keys, good in (("e", execution, True), ("t", own, True), ("e", own, False),
                                 ("t", execution, False)):
            self.assertEqual(self.read(name, keys).status, 200 if good else 400)
        session = task["arn"].split("/")[-1]
        self.assertIn(f"assumed-role/app/{session} is not authorized",
                      self.refused(self.read("e", own), 400, "AccessDeniedException"))

        self.assertEqual(self.local.admin("POST", "refresh-credentials", {"task": task["arn"],
                                                                          "role": "execution"}),
                         {"sent": 1})
        message = ws.next("IAMRoleCredentialsMessage")
        self.assertEqual((message["roleType"], message["taskArn"]), ("TaskExecution", task["arn"]))
        fresh = message["roleCredentials"]
        self.assertEqual(fresh["credentialsId"], task["executionRoleCredentials"]["credentialsId"])
        self.assertEqual(self.read("e", keys_of(fresh)).status, 200)
        self.refused(self.read("e", execution), 400, "ExpiredTokenException")
        self.assertEqual(self.read("t", own).status, 200)

        self.assertEqual(self.local.admin("POST", "refresh-credentials", {"task": task["arn"],
                                                                          "old_valid_s": 60}),
                         {"sent": 2})
        kinds = {ws.next("IAMRoleCredentialsMessage")["roleType"] for _ in range(2)}
        self.assertEqual(kinds, {"TaskApplication", "TaskExecution"})
        self.assertEqual(self.read("t", own).status, 200)
        self.assertEqual(self.local.admin("POST", "expire-keys", {"task": task["arn"]}),
                         {"expired": 4})
        self.refused(self.read("t", own), 400, "ExpiredTokenException")
        again = self.connect()
        given = [again.next("IAMRoleCredentialsMessage")["roleCredentials"] for _ in range(2)]
        for role, name in zip(given, "te"):
            self.assertEqual(self.read(name, keys_of(role)).status, 200)
        self.assertEqual(self.local.violations(), [])

    def test_nothing_to_renew(self):
        ws, task = self.payload([{"name": "c", "image": "i", "memory": 16}])
        self.assertEqual(self.local.admin("POST", "refresh-credentials", {"task": task["arn"]}),
                         {"sent": 0})
        self.local.admin("POST", "refresh-credentials", {"task": "none"}, status=409)
        self.local.admin("POST", "refresh-credentials", {"task": task["arn"], "role": "odd"},
                         status=400)
        ws.close()

    def test_draining_is_seen(self):
        self.ecs("UpdateContainerInstancesState", cluster="c", containerInstances=[self.instance],
                 status="DRAINING")
        shown = self.ecs("DescribeContainerInstances", cluster="c",
                         containerInstances=[self.instance])
        self.assertEqual(shown["containerInstances"][0]["status"], "DRAINING")
        self.assertEqual(self.ecs("ListContainerInstances", cluster="c",
                                  status="DRAINING")["containerInstanceArns"], [self.instance])
        self.ecs("UpdateContainerInstancesState", cluster="c", containerInstances=[self.instance],
                 status="DRAINING", reason="x")
        self.assertEqual(len(self.local.violations()), 1)


class PublicUrl(LocalTest):
    OPTIONS = ("--public-url", "https://berth.test:8443/")

    def test_announced(self):
        answer = self.local.call("ecs", "DiscoverPollEndpoint", {"cluster": "c"},
                                 host="berth.test:8443").json
        self.assertEqual(answer["endpoint"], "https://berth.test:8443/acs")
        self.assertEqual(answer["telemetryEndpoint"], "https://berth.test:8443/tcs")

    def test_its_host_is_no_bucket(self):
        self.local.cloud(buckets=[{"name": "b", "objects": {"k": "v"}}])
        self.assertEqual(self.local.s3("GET", "/b/k", host="berth.test:8443").body, b"v")
        self.assertEqual(self.local.s3("GET", "/k", host="b.berth.test:8443").body, b"v")


if __name__ == "__main__":
    unittest.main()
