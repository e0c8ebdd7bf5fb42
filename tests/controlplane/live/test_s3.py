"""S3 as berth-local plays it."""
import base64
import unittest
from types import SimpleNamespace

from world import ACCOUNT, LocalTest, role_arn

EXEC = role_arn("exec")


class S3(LocalTest):
    def setUp(self):
        super().setUp()
        self.local.cloud(buckets=[
            {"name": "conf", "objects": {
                "a/b c+d.env": "A=1\n", "big": {"repeat": "0123456789", "size": 25},
                "bin": {"base64": base64.b64encode(b"\0\1\2\xff").decode()},
                "a//b/../c": "untidy", "empty": ""}},
            {"name": "my.dotted.bucket", "objects": {"k": "dotted"}},
            {"name": "far", "region": "eu-west-1", "objects": {"k": "far"}},
            {"name": "closed", "objects": {"k": "x"}, "role": EXEC}])

    def test_objects(self):
        for path, body in (("/conf/a/b%20c%2Bd.env", b"A=1\n"), ("/conf/bin", b"\0\1\2\xff"),
                           ("/conf/big", b"0123456789012345678901234"), ("/conf/empty", b""),
                           ("/my.dotted.bucket/k", b"dotted")):
            answer = self.local.s3("GET", path)
            self.assertEqual((answer.status, answer.body), (200, body))
            self.assertEqual(answer.headers["x-amz-bucket-region"], "us-west-2")
        self.assertEqual(self.local.violations(), [])
        self.assertEqual([c["names"][0] for c in self.local.calls()][:2], ["conf/a/b c+d.env",
                                                                           "conf/bin"])

    def test_a_path_is_signed_as_it_is(self):
        self.assertEqual(self.local.s3("GET", "/conf/a//b/../c").body, b"untidy")

    def test_virtual_host(self):
        for host in ("conf.s3.us-west-2.amazonaws.com", "conf.localhost", "conf.storage.test:9000"):
            answer = self.local.s3("GET", "/big", host=host)
            self.assertEqual((answer.status, len(answer.body)), (200, 25), host)
        self.refused(self.local.s3("GET", "/k", host="none.s3.us-west-2.amazonaws.com"), 404,
                     "NoSuchBucket")
        self.assertEqual(self.local.s3("GET", "/conf/big",
                                       host="s3.us-west-2.amazonaws.com").status, 200)
        self.assertEqual(self.local.s3("GET", "/k", host="my.dotted.bucket.localhost").body,
                         b"dotted")

    def test_ranges(self):
        cases = [("bytes=0-4", b"01234", "bytes 0-4/25"), ("bytes=20-", b"01234", "bytes 20-24/25"),
                 ("bytes=-3", b"234", "bytes 22-24/25"), ("bytes=24-99", b"4", "bytes 24-24/25")]
        for text, body, content_range in cases:
            answer = self.local.s3("GET", "/conf/big", headers={"range": text})
            self.assertEqual((answer.status, answer.body, answer.headers["content-range"]),
                             (206, body, content_range))
        for text in ("bytes=25-", "bytes=-0"):
            self.refused(self.local.s3("GET", "/conf/big", headers={"range": text}), 416,
                         "InvalidRange")
        for text in ("bytes=5-2", "bytes=x", "lines=1-2", "bytes=1-2,4-5"):
            answer = self.local.s3("GET", "/conf/big", headers={"range": text})
            self.assertEqual((answer.status, len(answer.body)), (200, 25), text)
        self.refused(self.local.s3("GET", "/conf/empty", headers={"range": "bytes=0-4"}), 416,
                     "InvalidRange")

    def test_head(self):
        answer = self.local.s3("HEAD", "/conf")
        self.assertEqual((answer.status, answer.body, answer.headers["x-amz-bucket-region"]),
                         (200, b"", "us-west-2"))
        answer = self.local.s3("HEAD", "/conf/big")
        self.assertEqual((answer.status, answer.body, answer.headers["content-length"]), (200, b"",
                                                                                          "25"))
        answer = self.local.s3("HEAD", "/none")
        self.assertEqual((answer.status, answer.body), (404, b""))
        self.assertEqual([c["operation"] for c in self.local.calls()],
                         ["HeadBucket", "HeadObject", "HeadBucket"])

    def test_another_region(self):
        answer = self.local.s3("HEAD", "/far")
        self.assertEqual((answer.status, answer.headers["x-amz-bucket-region"]), (301, "eu-west-1"))
        answer = self.local.s3("GET", "/far/k")
        self.refused(answer, 400, "AuthorizationHeaderMalformed")
        self.assertEqual(answer.xml("Region"), "eu-west-1")
        self.assertEqual(self.local.s3("GET", "/far/k", region="eu-west-1").body, b"far")
        self.assertEqual(self.local.s3("HEAD", "/far", region="eu-west-1").status, 200)

    def test_missing(self):
        answer = self.local.s3("GET", "/conf/none")
        self.refused(answer, 404, "NoSuchKey")
        self.assertEqual(answer.xml("Key"), "none")
        self.refused(self.local.s3("GET", "/none/k"), 404, "NoSuchBucket")
        self.local.cloud(buckets=[{"name": "conf", "objects": None}])
        self.refused(self.local.s3("GET", "/conf/big"), 404, "NoSuchBucket")

    def test_role(self):
        text = self.refused(self.local.s3("GET", "/closed/k"), 403, "AccessDenied")
        self.assertIn("s3:GetObject on resource: arn:aws:s3:::closed/k", text)
        answer = self.local.s3("HEAD", "/closed")
        self.assertEqual((answer.status, answer.headers["x-amz-bucket-region"]), (403, "us-west-2"))
        keys = self.local.assume("exec")
        self.assertEqual(self.local.s3("GET", "/closed/k", keys=keys).body, b"x")
        self.assertEqual(self.local.violations(), [])

    def test_signatures(self):
        nobody = SimpleNamespace(id="NOBODY", secret="x", token=None)
        wrong = SimpleNamespace(id="AKIDEXAMPLE", secret="x", token=None)
        self.refused(self.local.s3("GET", "/conf/big", keys=None), 403, "AccessDenied")
        self.refused(self.local.s3("GET", "/conf/big", keys=nobody), 403, "InvalidAccessKeyId")
        self.refused(self.local.s3("GET", "/conf/big", keys=wrong), 403, "SignatureDoesNotMatch")
        self.refused(self.local.s3("GET", "/conf/big", payload=None), 400, "InvalidRequest")
        self.refused(self.local.s3("GET", "/conf/big", payload="0" * 64), 400,
                     "XAmzContentSHA256Mismatch")
        self.refused(self.local.s3("GET", "/conf/big", offset_s=-400), 403, "RequestTimeTooSkewed")
        self.assertEqual(len(self.local.violations()), 6)
        self.assertEqual(self.local.s3("GET", "/conf/big", payload="UNSIGNED-PAYLOAD").status, 200)
        self.assertEqual(self.local.calls()[-1]["names"], ["conf/big"])

    def test_what_is_not_offered(self):
        self.refused(self.local.s3("GET", "/conf"), 501, "NotImplemented")
        self.refused(self.local.s3("GET", "/conf/big", query="acl="), 501, "NotImplemented")
        self.assertEqual(self.local.s3("GET", "/conf/big", query="x-id=GetObject").status, 200)
        self.assertEqual(self.local.s3("GET", f"/{ACCOUNT}", keys=None).status, 404)


if __name__ == "__main__":
    unittest.main()
