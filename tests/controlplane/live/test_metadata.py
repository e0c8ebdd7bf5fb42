"""The instance metadata service of berth-local, well and in its bad states."""
import http.client
import json
import socket
import threading
import time
import unittest
from types import SimpleNamespace

from world import ACCOUNT, LocalTest

META = "/latest/meta-data/"
ROLE = META + "iam/security-credentials/berth-local-instance-role"


class Metadata(LocalTest):
    OPTIONS = ("--metadata",)

    def get(self, path, token=None, **more):
        return self.local.send("GET", path, headers={"x-aws-ec2-metadata-token": token} if token
                               else {}, **more)

    def put(self, ttl="300"):
        return self.local.send("PUT", "/latest/api/token",
                               headers={"x-aws-ec2-metadata-token-ttl-seconds": ttl})

    def mode(self, **what):
        self.local.admin("POST", "metadata-mode", what)

    def log(self):
        requests = self.local.admin("GET", "metadata-log")["requests"]
        return [(r["method"], r["path"], r["status"]) for r in requests]

    def test_values(self):
        names = {"spot/instance-action": '{"action":"stop"}',
                 "events/recommendations/rebalance": "{}",
                 "autoscaling/target-lifecycle-state": "InService", "outpost-arn": "arn:o",
                 "ipv6": "fd00::1", "public-ipv4": "1.2.3.4"}
        for name in names:
            self.assertEqual(self.get(META + name).status, 404)
        self.local.admin("POST", "metadata", {**names, "user-data": "#!/bin/sh",
                                              "dynamic/instance-identity/document": "{\"a\":1}",
                                              "dynamic/other": "x"})
        for name, text in names.items():
            self.assertEqual(self.get(META + name).body.decode(), text)
        self.assertEqual(self.get("/latest/user-data").body, b"#!/bin/sh")
        self.assertEqual(self.get("/latest/dynamic/instance-identity/document").json, {"a": 1})
        self.assertEqual(self.get("/latest/dynamic/other").body, b"x")
        self.local.admin("POST", "metadata", {"ipv6": None,
                                              "dynamic/instance-identity/signature": None})
        self.assertEqual(self.get(META + "ipv6").status, 404)
        self.assertEqual(self.get("/latest/dynamic/instance-identity/signature").status, 404)

    def test_what_is_built_in(self):
        document = self.get("/latest/dynamic/instance-identity/document").json
        self.assertEqual(document["instanceId"], self.get(META + "instance-id").body.decode())
        self.assertEqual(document["instanceId"], self.local.admin("GET", "metadata")["instance_id"])
        self.assertEqual(self.get(META + "placement/region").body, b"us-west-2")

    def keys(self):
        answer = self.get(ROLE).json
        return SimpleNamespace(id=answer["AccessKeyId"], secret=answer["SecretAccessKey"],
                               token=answer["Token"], until=answer["Expiration"])

    def works(self, keys):
        return self.local.form("sts", keys=keys, Action="GetCallerIdentity", Version="2011-06-15")

    def test_credentials(self):
        keys = self.keys()
        self.assertEqual(keys, self.keys())
        instance = self.local.admin("GET", "metadata")["instance_id"]
        session = f"assumed-role/berth-local-instance-role/{instance}"
        self.assertEqual(self.works(keys).xml("Arn"), f"arn:aws:sts::{ACCOUNT}:{session}")
        self.assertEqual(self.local.admin("POST", "expire-keys", {"instance": True}),
                         {"expired": 1})
        self.refused(self.works(keys), 403, "ExpiredToken")
        fresh = self.keys()
        self.assertNotEqual(fresh.id, keys.id)
        self.assertEqual(self.works(fresh).status, 200)
        self.refused(self.works(keys), 403, "ExpiredToken")

    def test_short_credentials(self):
        old = self.keys()
        self.mode(credential_life_s=2)
        keys = self.keys()
        self.assertNotEqual(keys.id, old.id)
        left = time.mktime(time.strptime(keys.until,
                                         "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
        self.assertTrue(0 <= left <= 2, keys.until)
        self.assertEqual(self.works(old).status, 200)
        deadline = time.monotonic() + 10
        while self.works(keys).status == 200:
            self.assertLess(time.monotonic(), deadline)
        self.refused(self.works(keys), 403, "ExpiredToken")
        self.assertNotEqual(self.keys().id, keys.id)

    def test_new_keys_come_before_the_end(self):
        self.mode(credential_life_s=4)
        keys = self.keys()
        deadline = time.monotonic() + 10
        while self.keys().id == keys.id:
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(self.works(keys).status, 200)

    def test_own_credentials(self):
        self.local.admin("POST", "metadata", {ROLE[len(META):]: '{"Code":"Failed"}',
                                              "iam/security-credentials/": None})
        self.assertEqual(self.get(ROLE).json, {"Code": "Failed"})
        self.assertEqual(self.get(META + "iam/security-credentials/").status, 404)

    def test_tokens(self):
        answer = self.put()
        self.assertEqual((answer.status, answer.headers["x-aws-ec2-metadata-token-ttl-seconds"]),
                         (200, "300"))
        self.assertEqual(self.put("0").status, 400)
        token = answer.body.decode()
        path = META + "instance-id"
        cases = [({}, (200, 200, 401)), ({"token": "required"}, (401, 200, 401)),
                 ({"token": "none"}, (200, 200, 200))]
        for mode, wants in cases:
            self.mode(**mode)
            got = tuple(self.get(path, given).status for given in (None, token, "x"))
            self.assertEqual(got, wants)
        self.assertEqual(self.put().status, 404)
        self.mode(token="none", tokens_status=403)
        self.assertEqual(self.put().status, 403)
        self.mode(token="required", tokens_status=405)
        self.assertEqual(self.put().status, 405)
        self.mode()
        self.assertEqual(self.put().status, 200)

    def test_status(self):
        self.mode(mode="status", status=429)
        self.assertEqual((self.put().status, self.get(META + "instance-id").status), (429, 429))
        self.mode(mode="status", status=401)
        self.assertEqual(self.get(META + "instance-id").status, 401)
        self.assertEqual(self.log(), [("PUT", "/latest/api/token", 429), ("GET", META
                                                                          + "instance-id", 429),
                                      ("GET", META + "instance-id", 401)])
        self.local.admin("DELETE", "metadata-log")
        self.assertEqual(self.log(), [])

    def test_slow(self):
        self.mode(mode="slow", delay_ms=200)
        began = time.monotonic()
        self.assertEqual(self.put().status, 200)
        self.assertEqual(self.get(META + "instance-id").status, 200)
        self.assertGreaterEqual(time.monotonic() - began, 0.39)  # two timers, in whole milliseconds

    def test_dead(self):
        self.mode(mode="dead")
        with self.assertRaises((TimeoutError, socket.timeout)):
            self.get(META + "instance-id", timeout=0.3)
        self.assertEqual(self.log(), [("GET", META + "instance-id", 0)])
        self.assertEqual(self.local.admin("GET", "health"), {"status": "ok"})
        seen = []

        def wait():
            try:
                self.get(META + "mac", timeout=20)
            except (http.client.HTTPException, ConnectionError) as e:
                seen.append(e)

        waiter = threading.Thread(target=wait)
        waiter.start()
        while len(self.log()) < 2:
            pass
        self.mode()
        waiter.join(20)
        self.assertEqual(len(seen), 1)
        self.assertEqual(self.get(META + "mac").status, 200)

    def test_injected_faults_still_work(self):
        self.local.admin("POST", "faults", {"match": {"path": META + "mac"}, "action": "status",
                                            "status": 500})
        self.assertEqual((self.get(META + "mac").status, self.get(META + "mac").status), (500, 200))
        self.assertEqual([status for _, _, status in self.log()], [500, 200])

    def test_bad_modes(self):
        for body in ({"mode": "odd"}, {"token": "maybe"}, {"mode": "status", "status": 99},
                     {"delay_ms": -1}, []):
            self.local.admin("POST", "metadata-mode", body, status=400)
        self.assertEqual(self.get(META + "mac").status, 200)
        json.dumps(self.log())


if __name__ == "__main__":
    unittest.main()
