"""ECR, SSM, Secrets Manager, STS and EC2 as berth-local plays them."""
import base64
import time
import unittest
from types import SimpleNamespace

from world import ACCOUNT, STATIC, LocalTest, role_arn

ANY = "arn:aws:iam::123456789012:role/exec"


class Ssm(LocalTest):
    def get(self, *names, **more):
        return self.local.call("ssm", "GetParameters", {"Names": list(names),
                                                        "WithDecryption": True}, **more)

    def test_values_and_invalid_names(self):
        self.local.cloud(parameters=[{"name": "/app/a", "value": "one", "type": "SecureString"},
                                     {"name": "b", "value": "two"}])
        answer = self.get("/app/a", "none", "b").json
        self.assertEqual([(p["Name"], p["Value"], p["Type"]) for p in answer["Parameters"]],
                         [("/app/a", "one", "SecureString"), ("b", "two", "String")])
        self.assertEqual(answer["InvalidParameters"], ["none"])
        self.assertEqual(self.local.violations(), [])

    def test_by_arn_the_plain_name_comes_back(self):
        self.local.cloud(parameters=[{"name": "/app/a", "value": "one"}, {"name": "b",
                                                                          "value": "2"}])
        for name, arn in (("/app/a", "parameter/app/a"), ("b", "parameter/b")):
            arn = f"arn:aws:ssm:us-west-2:{ACCOUNT}:{arn}"
            found = self.get(arn).json["Parameters"]
            self.assertEqual([(p["Name"], p["ARN"]) for p in found], [(name, arn)])
        other = f"arn:aws:ssm:us-west-2:999999999999:parameter/b"
        self.assertEqual(self.get(other).json["InvalidParameters"], [other])

    def test_each_region_has_its_own(self):
        self.local.cloud(parameters=[{"name": "a", "value": "west"},
                                     {"name": "a", "value": "north", "region": "eu-north-1"}])
        for region, value in (("us-west-2", "west"), ("eu-north-1", "north")):
            self.assertEqual(self.get("a", region=region).json["Parameters"][0]["Value"], value)
        self.assertEqual(self.get("a", region="sa-east-1").json["InvalidParameters"], ["a"])

    def test_replaced_and_removed(self):
        self.local.cloud(parameters=[{"name": "a", "value": "1"}, {"name": "b", "value": "1"}])
        self.local.cloud(parameters=[{"name": "a", "value": "2"}, {"name": "b", "value": None}])
        answer = self.get("a", "b").json
        self.assertEqual([p["Value"] for p in answer["Parameters"]], ["2"])
        self.assertEqual(answer["InvalidParameters"], ["b"])
        self.local.cloud(parameters=[{"name": "a", "remove": True}])
        self.assertEqual(self.get("a").json["InvalidParameters"], ["a"])

    def test_limits_are_violations(self):
        self.refused(self.get(*[f"p{i}" for i in range(11)]), 400, "ValidationException")
        self.refused(self.get(), 400, "ValidationException")
        self.refused(self.get("a", "b", "a"), 400, "ValidationException")
        self.assertEqual(len(self.local.violations()), 3)
        self.assertEqual(self.get(*[f"p{i}" for i in range(10)]).status, 200)
        self.assertEqual(len(self.local.violations()), 3)

    def test_not_decrypted(self):
        self.local.cloud(parameters=[{"name": "s", "value": "secret", "type": "SecureString"},
                                     {"name": "p", "value": "plain"}])
        answer = self.local.call("ssm", "GetParameters", {"Names": ["s", "p"]}).json
        values = {p["Name"]: p["Value"] for p in answer["Parameters"]}
        self.assertEqual(values["p"], "plain")
        self.assertNotEqual(values["s"], "secret")
        self.assertEqual(len(self.local.violations()), 1)

    def test_unknown_members_and_types(self):
        self.local.call("ssm", "GetParameters", {"Names": ["a"], "withdecryption": True})
        self.refused(self.local.call("ssm", "GetParameters", {"Names": "a"}), 400,
                     "SerializationException")
        self.assertEqual(len(self.local.violations()), 2)

    def test_only_its_role_reads_it(self):
        self.local.cloud(parameters=[{"name": "/a", "value": "1", "role": ANY}])
        text = self.refused(self.get("/a"), 400, "AccessDeniedException")
        self.assertIn(f"User: arn:aws:iam::{ACCOUNT}:user/AKIDEXAMPLE is not authorized to "
                      "perform: ssm:GetParameters on resource: "
                      f"arn:aws:ssm:us-west-2:{ACCOUNT}:parameter/a", text)
        text = self.refused(self.get("/a", keys=self.local.assume("other", "s1")), 400,
                            "AccessDeniedException")
        self.assertIn(f"User: arn:aws:sts::{ACCOUNT}:assumed-role/other/s1 is not", text)
        self.assertEqual(self.get("/a", keys=self.local.assume("exec")).status, 200)
        self.assertEqual(self.local.violations(), [])

    def test_for_the_instance_alone(self):
        self.local.cloud(parameters=[{"name": "/a", "value": "1", "role": "instance"}])
        self.assertEqual(self.get("/a").status, 200)
        self.refused(self.get("/a", keys=self.local.assume("exec")), 400, "AccessDeniedException")

    def test_another_services_signature(self):
        self.refused(self.get("a", scope_service="ecs"), 400, "InvalidSignatureException")
        self.assertEqual(len(self.local.violations()), 1)

    def test_whatever_host_was_signed(self):
        self.assertEqual(self.get("a", host="ssm.us-west-2.amazonaws.com").status, 200)

    def test_calls_are_kept_without_values(self):
        self.local.cloud(parameters=[{"name": "/a", "value": "canary", "role": ANY}])
        self.get("/a", "b", keys=self.local.assume("exec"))
        self.get("/a")
        good, bad = [c for c in self.local.calls() if c["service"] == "ssm"]
        self.assertEqual((good["operation"], good["region"], good["signer_role"], good["names"],
                          good["error"]), ("GetParameters", "us-west-2", ANY, ["/a", "b"], ""))
        self.assertEqual((bad["signer"], bad["signer_role"], bad["error"]),
                         ("AKIDEXAMPLE", "", "AccessDeniedException"))
        self.assertNotIn("canary", str(self.local.calls()))
        self.assertNotIn("canary", str(self.local.admin("GET", "cloud")))
        since = self.local.admin("GET", f"cloud/calls?since={good['n']}")["calls"]
        self.assertEqual([c["n"] for c in since], [bad["n"]])


class SecretsManager(LocalTest):
    V1, V2 = "1" * 32, "2" * 36

    def get(self, secret, keys=STATIC, region="us-west-2", **more):
        return self.local.call("secretsmanager", "GetSecretValue", {"SecretId": secret, **more},
                               keys=keys, region=region)

    def test_by_name_arn_and_partial_arn(self):
        arn = self.local.cloud(secrets=[{"name": "app/db", "string": "x"}])["secrets"][0]["arn"]
        whole = f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:app/db-"
        self.assertRegex(arn, f"^{whole}[A-Za-z]{{6}}$")
        for secret in ("app/db", arn, arn[:-7]):
            answer = self.get(secret).json
            self.assertEqual((answer["ARN"], answer["Name"], answer["SecretString"],
                              answer["VersionStages"]), (arn, "app/db", "x", ["AWSCURRENT"]))
            self.assertGreaterEqual(len(answer["VersionId"]), 32)
        self.assertEqual(self.local.violations(), [])

    def test_given_by_arn(self):
        arn = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:db-AbCdEf"
        self.local.cloud(secrets=[{"arn": arn, "string": "x"}])
        self.assertEqual(self.get(arn, region="eu-west-1").json["Name"], "db")
        self.refused(self.get(arn), 400, "ResourceNotFoundException")

    def test_stages_and_versions(self):
        self.local.cloud(secrets=[{"name": "db", "stages": {"AWSCURRENT": self.V2,
                                                            "AWSPREVIOUS": self.V1, "mine": "text"},
                                   "versions": {self.V1: "one", self.V2: "two"}}])
        cases = [({}, "two", self.V2), ({"VersionStage": "AWSPREVIOUS"}, "one", self.V1),
                 ({"VersionId": self.V1}, "one", self.V1),
                 ({"VersionId": self.V1, "VersionStage": "AWSPREVIOUS"}, "one", self.V1)]
        for request, text, version in cases:
            answer = self.get("db", **request).json
            self.assertEqual((answer["SecretString"], answer["VersionId"]), (text, version))
        mine = self.get("db", VersionStage="mine").json
        self.assertEqual(self.get("db", VersionId=mine["VersionId"]).json["SecretString"], "text")
        text = self.refused(self.get("db", VersionStage="none"), 400, "ResourceNotFoundException")
        self.assertIn("staging label: none", text)
        self.refused(self.get("db", VersionId="9" * 32), 400, "ResourceNotFoundException")
        self.refused(self.get("db", VersionId=self.V1, VersionStage="AWSCURRENT"), 400,
                     "InvalidRequestException")
        self.assertEqual(self.local.violations(), [])

    def test_binary(self):
        self.local.cloud(secrets=[{"name": "b", "binary": "AAEC"}])
        answer = self.get("b").json
        self.assertEqual(answer["SecretBinary"], "AAEC")
        self.assertNotIn("SecretString", answer)

    def test_missing_deleted_removed(self):
        self.refused(self.get("none"), 400, "ResourceNotFoundException")
        self.local.cloud(secrets=[{"name": "a", "string": "x", "deleted": True}])
        self.refused(self.get("a"), 400, "InvalidRequestException")
        self.local.cloud(secrets=[{"name": "a", "string": None}])
        self.refused(self.get("a"), 400, "ResourceNotFoundException")

    def test_what_is_left_of_a_value_from_is_a_violation(self):
        arn = self.local.cloud(secrets=[{"name": "a", "string": "x"}])["secrets"][0]["arn"]
        self.refused(self.get(arn + ":key::"), 400, "ValidationException")
        self.refused(self.get("a", VersionId="short"), 400, "ValidationException")
        self.refused(self.get("a", VersionStage=""), 400, "ValidationException")
        self.get("a", Nonsense=1)
        self.assertEqual(len(self.local.violations()), 4)

    def test_role(self):
        self.local.cloud(secrets=[{"name": "a", "string": "x", "role": ANY}])
        self.assertIn("secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:",
                      self.refused(self.get("a"), 400, "AccessDeniedException"))
        self.assertEqual(self.get("a", keys=self.local.assume("exec")).status, 200)


class Ecr(LocalTest):
    def token(self, request=None, **more):
        return self.local.call("ecr", "GetAuthorizationToken", request or {}, **more)

    def test_a_registered_one(self):
        self.local.cloud(registries=[{"id": ACCOUNT, "user": "u", "password": "p:w",
                                      "expires_s": 60, "proxyEndpoint": "http://127.0.0.1:5000"}])
        data, = self.token({"registryIds": [ACCOUNT]}).json["authorizationData"]
        self.assertEqual(base64.b64decode(data["authorizationToken"]), b"u:p:w")
        self.assertEqual(data["proxyEndpoint"], "http://127.0.0.1:5000")
        self.assertAlmostEqual(data["expiresAt"], time.time() + 60, delta=20)

    def test_one_that_nobody_registered(self):
        data, = self.token({"registryIds": ["210987654321"]},
                           region="eu-west-1").json["authorizationData"]
        self.assertTrue(base64.b64decode(data["authorizationToken"]).startswith(b"AWS:"))
        self.assertEqual(data["proxyEndpoint"],
                         "https://210987654321.dkr.ecr.eu-west-1.amazonaws.com")
        self.assertAlmostEqual(data["expiresAt"], time.time() + 12 * 3600, delta=20)

    def test_wrong_ids(self):
        for ids in ([ACCOUNT, "210987654321"], ["123"], []):
            self.refused(self.token({"registryIds": ids}), 400, "InvalidParameterException")
        self.assertEqual(len(self.local.violations()), 3)

    def test_role(self):
        self.local.cloud(registries=[{"id": ACCOUNT, "password": "p", "role": ANY}])
        self.assertIn("ecr:GetAuthorizationToken on resource: *",
                      self.refused(self.token(), 400, "AccessDeniedException"))
        self.assertEqual(self.token(keys=self.local.assume("exec")).status, 200)


class Sts(LocalTest):
    ROLE = role_arn("path/web")

    def sts(self, action, keys=STATIC, version="2011-06-15", **params):
        return self.local.form("sts", keys=keys, Action=action, Version=version, **params)

    def web(self, **params):
        return self.sts("AssumeRoleWithWebIdentity", keys=None, RoleArn=self.ROLE,
                        RoleSessionName="me", WebIdentityToken="tokn", **params)

    def test_caller_identity(self):
        answer = self.sts("GetCallerIdentity")
        self.assertEqual(answer.xml("Arn"), f"arn:aws:iam::{ACCOUNT}:user/AKIDEXAMPLE")
        answer = self.sts("GetCallerIdentity", keys=self.local.assume("path/exec", "sess"))
        self.assertEqual(answer.xml("Arn"), f"arn:aws:sts::{ACCOUNT}:assumed-role/exec/sess")

    def test_web_identity_is_not_signed_and_gives_keys_that_work(self):
        answer = self.web(DurationSeconds="900")
        keys = SimpleNamespace(id=answer.xml("AccessKeyId"), secret=answer.xml("SecretAccessKey"),
                               token=answer.xml("SessionToken"))
        self.assertEqual(self.sts("GetCallerIdentity", keys=keys).xml("Arn"),
                         f"arn:aws:sts::{ACCOUNT}:assumed-role/web/me")
        wrong = SimpleNamespace(id=keys.id, secret=keys.secret, token="x")
        self.refused(self.sts("GetCallerIdentity", keys=wrong), 403, "InvalidClientTokenId")

    def test_others_must_be_signed(self):
        self.refused(self.sts("AssumeRole", keys=None, RoleArn=self.ROLE, RoleSessionName="me"),
                     403, "MissingAuthenticationToken")

    def test_refusals(self):
        self.local.cloud(roles=[{"arn": self.ROLE, "web_identity_token": "right"}])
        self.refused(self.web(), 400, "InvalidIdentityToken")
        self.local.cloud(roles=[{"arn": self.ROLE, "deny": True}])
        self.refused(self.web(), 403, "AccessDenied")
        text = self.refused(self.sts("AssumeRole", RoleArn=self.ROLE, RoleSessionName="me"), 403,
                            "AccessDenied")
        self.assertIn("sts:AssumeRole on resource: " + self.ROLE, text)
        self.assertEqual(self.local.violations(), [])
        self.refused(self.web(DurationSeconds="60"), 400, "ValidationError")
        self.refused(self.sts("AssumeRole", RoleArn="x", RoleSessionName="me"), 400,
                     "ValidationError")
        self.refused(self.sts("AssumeRole", RoleArn=self.ROLE), 400, "ValidationError")
        self.refused(self.sts("Nothing"), 400, "InvalidAction")
        self.refused(self.sts("GetCallerIdentity", version="1"), 400, "InvalidAction")


class Ec2(LocalTest):
    def tags(self, keys=STATIC, **params):
        params = {"Action": "DescribeTags", "Version": "2016-11-15", **params}
        return self.local.form("ec2", keys=keys, **params)

    def test_tags_of_one_instance(self):
        self.local.cloud(tags={"i-1": {"Name": "a<b", "aws:x": "1"}, "i-2": {"Name": "other"}})
        answer = self.tags(**{"Filter.1.Name": "resource-id", "Filter.1.Value.1": "i-1",
                              "Filter.2.Name": "resource-type", "Filter.2.Value.1": "instance",
                              "MaxResults": "50"})
        self.assertEqual(answer.status, 200)
        self.assertIn(b"<value>a&lt;b</value>", answer.body)
        self.assertEqual(answer.body.count(b"<item>"), 2)
        self.assertNotIn(b"other", answer.body)
        self.assertEqual(self.local.calls()[-1]["names"], ["i-1"])
        self.assertEqual(self.local.violations(), [])

    def test_pages(self):
        self.local.cloud(tags={"i-1": {f"k{i}": "v" for i in range(7)}})
        first = self.tags(MaxResults="5")
        self.assertEqual(first.body.count(b"<item>"), 5)
        rest = self.tags(MaxResults="5", NextToken=first.xml("nextToken"))
        self.assertEqual((rest.body.count(b"<item>"), rest.xml("nextToken")), (2, None))

    def test_removed(self):
        self.local.cloud(tags={"i-1": {"a": "b"}})
        self.local.cloud(tags={"i-1": None})
        self.assertNotIn(b"<item>", self.tags().body)

    def test_refusals(self):
        self.refused(self.tags(Version="2014-01-01"), 400, "NoSuchVersion")
        self.refused(self.tags(MaxResults="2"), 400, "InvalidParameterValue")
        self.refused(self.tags(**{"Filter.1.Name": "what", "Filter.1.Value.1": "x"}), 400,
                     "InvalidParameterValue")
        self.refused(self.tags(keys=SimpleNamespace(id="NOBODY", secret="x", token=None)), 401,
                     "AuthFailure")
        self.assertEqual(len(self.local.violations()), 4)


class Admin(LocalTest):
    def test_nothing_changes_when_something_is_wrong(self):
        for body in ({"parameters": [{"name": "ok", "value": "1"}, {"value": "no name"}]},
                     {"parameters": [{"name": "a", "vlaue": "1"}]}, {"nonsense": []},
                     {"secrets": [{"arn": "arn:x", "string": "1"}]},
                     {"secrets": [{"name": "x", "versions": {"v1": "short id"}}]},
                     {"buckets": [{"name": "b", "objects": {"k": 5}}]},
                     {"tags": {"i-1": {"a": 1}}}):
            self.local.admin("POST", "cloud", body, status=400)
        self.assertEqual(set(map(str, self.local.admin("GET", "cloud").values())), {"[]"})


if __name__ == "__main__":
    unittest.main()
