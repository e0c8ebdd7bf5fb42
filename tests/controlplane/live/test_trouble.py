"""What a test may ask berth-local to do wrong: faults of each service, keys that
expire, a clock that lies."""
import email.utils
import http.client
import socket
import time
import unittest
from types import SimpleNamespace

from world import LocalTest, WebSocket, role_arn


class Trouble(LocalTest):
    def setUp(self):
        super().setUp()
        self.local.cloud(parameters=[{"name": "a", "value": "1"}],
                         buckets=[{"name": "b", "objects": {"k": "v"}}])

    def requests(self, **more):
        """One good request of each service."""
        yield "GetParameters", lambda **m: self.local.call("ssm", "GetParameters", {"Names": ["a"]},
                                                           **more, **m)
        yield "GetAuthorizationToken", lambda **m: self.local.call("ecr", "GetAuthorizationToken",
                                                                   {}, **more, **m)
        yield "GetObject", lambda **m: self.local.s3("GET", "/b/k", **more, **m)
        yield "GetCallerIdentity", lambda **m: self.local.form(
            "sts", Action="GetCallerIdentity", Version="2011-06-15", **more, **m)
        yield "DescribeTags", lambda **m: self.local.form(
            "ec2", Action="DescribeTags", Version="2016-11-15", **more, **m)

    def fault(self, operation, action, **more):
        self.local.admin("POST", "faults", {"match": {"target": operation}, "action": action,
                                            **more})

    def each(self, action, wants, **more):
        for (operation, send), (status, error) in zip(self.requests(), wants):
            with self.subTest(operation=operation):
                self.fault(operation, action, **more)
                self.refused(send(), status, error)
                self.assertEqual(send().status, 200)

    def test_throttled(self):
        self.each("throttle", [(400, "ThrottlingException"), (400, "ThrottlingException"),
                               (503, "SlowDown"), (400, "Throttling"),
                               (503, "RequestLimitExceeded")])

    def test_broken(self):
        self.each("status", [(500, "InternalServerError"), (500, "InternalServerError"),
                             (500, "InternalError"), (500, "InternalFailure"),
                             (500, "InternalError")])
        json_error, xml_error = (503, "ServiceUnavailableException"), (503, "ServiceUnavailable")
        self.each("status", [json_error, json_error, xml_error, xml_error, (503, "Unavailable")],
                  status=503)

    def test_refused(self):
        self.each("refuse", [(400, "AccessDeniedException"), (400, "AccessDeniedException"),
                             (403, "AccessDenied"), (403, "AccessDenied"),
                             (403, "UnauthorizedOperation")])
        self.each("refuse", [(400, "Own"), (400, "Own"), (403, "Own"), (403, "Own"), (403, "Own")],
                  type="Own")

    def test_html_drop_delay_hang(self):
        for operation, send in self.requests():
            with self.subTest(operation=operation):
                self.fault(operation, "html")
                answer = send()
                self.assertEqual((answer.status, answer.headers["content-type"]), (502,
                                                                                   "text/html"))
                self.fault(operation, "drop")
                with self.assertRaises((http.client.HTTPException, ConnectionError)):
                    send()
                self.fault(operation, "delay", delay_ms=150)
                began = time.monotonic()
                self.assertEqual(send().status, 200)
                self.assertGreaterEqual(time.monotonic() - began, 0.145)  # whole milliseconds
        self.fault("GetParameters", "hang")
        connection = socket.create_connection(("127.0.0.1", self.local.port))
        connection.settimeout(0.3)
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n"
                           b"X-Amz-Target: AmazonSSM.GetParameters\r\n"
                           b"Content-Length: 0\r\n\r\n")
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        connection.close()

    def test_requests_are_named_by_operation(self):
        for _, send in self.requests():
            send()
        self.assertEqual([r["target"] for r in self.local.admin("GET", "requests")["requests"]],
                         ["AmazonSSM.GetParameters",
                          "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
                          "s3.GetObject", "sts.GetCallerIdentity", "ec2.DescribeTags"])

    EXPIRED = [(400, "ExpiredTokenException"), (400, "ExpiredTokenException"), (400,
                                                                                "ExpiredToken"),
               (403, "ExpiredToken"), (400, "RequestExpired")]

    def expired(self, keys):
        for (operation, send), (status, error) in zip(self.requests(keys=keys), self.EXPIRED):
            with self.subTest(operation=operation):
                self.refused(send(), status, error)

    def test_an_expired_key(self):
        keys, others = self.local.assume("one"), self.local.assume("two")
        self.assertEqual(self.local.admin("POST", "expire-keys", {"accessKeyId": keys.id}),
                         {"expired": 1})
        self.expired(keys)
        for _, send in self.requests(keys=others):
            self.assertEqual(send().status, 200)
        self.assertEqual(self.local.violations(), [])
        self.assertEqual(self.local.admin("POST", "expire-keys", {"accessKeyId": keys.id}),
                         {"expired": 0})

    def test_expired_by_role_and_by_task(self):
        keys = self.local.assume("one", "a" * 32)
        self.local.assume("one", "b" * 32)
        task = "arn:aws:ecs:us-west-2:123456789012:task/c/" + "a" * 32
        self.assertEqual(self.local.admin("POST", "expire-keys", {"task": task}), {"expired": 1})
        self.expired(keys)
        self.assertEqual(self.local.admin("POST", "expire-keys", {"role": role_arn("one")}),
                         {"expired": 1})
        self.local.admin("POST", "expire-keys", {}, status=400)

    def test_a_lying_clock(self):
        skewed = [(400, "InvalidSignatureException"), (400, "InvalidSignatureException"),
                  (403, "RequestTimeTooSkewed"), (403, "SignatureDoesNotMatch"),
                  (400, "RequestExpired")]
        for offset, words in ((900, "Signature expired: "), (-900, "Signature not yet current: ")):
            self.assertEqual(self.local.admin("POST", "clock", {"offset_s": offset}),
                             {"offset_s": offset})
            for (operation, send), (status, error) in zip(self.requests(), skewed):
                with self.subTest(operation=operation, offset=offset):
                    answer = send()
                    message = self.refused(answer, status, error)
                    if status == 400 and error == "InvalidSignatureException":
                        self.assertIn(words, message)
                    told = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
                    self.assertAlmostEqual(told, time.time() + offset, delta=5)
                    self.assertEqual(send(offset_s=offset).status, 200)
        self.assertEqual(self.local.violations(), [])
        self.local.admin("POST", "clock", {"offset_s": 0})
        self.assertEqual(next(self.requests())[1]().status, 200)
        self.local.call("ssm", "GetParameters", {"Names": ["a"]}, offset_s=-400)
        self.assertEqual(len(self.local.violations()), 1)
        self.local.admin("POST", "clock", {"offset": 1}, status=400)

    def test_a_lying_clock_and_websockets(self):
        self.local.admin("POST", "clock", {"offset_s": 600})
        ws = WebSocket(self.local, "/acs/ws", {"x": "y"})
        self.assertEqual(ws.status, 400)
        self.assertIn("Signature expired", ws.data.decode())
        told = [line[6:] for line in ws.head.split("\r\n") if line.lower().startswith("date: ")]
        self.assertAlmostEqual(email.utils.parsedate_to_datetime(told[0]).timestamp(), time.time()
                               + 600, delta=5)
        ws.close()
        ws = WebSocket(self.local, "/acs/ws", {"x": "y"}, offset_s=600)
        self.assertIn("A parameter of the query is missing", ws.data.decode())
        ws.close()

    def test_an_unknown_key_is_a_violation(self):
        keys = SimpleNamespace(id="NOBODY", secret="x", token=None)
        for _, send in self.requests(keys=keys):
            self.assertIn(send().status, (400, 401, 403))
        self.assertEqual(len(self.local.violations()), 5)


if __name__ == "__main__":
    unittest.main()
