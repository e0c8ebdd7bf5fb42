"""A small signed client of the JSON 1.1 services that berth-local serves.

The scenarios poll with it because it answers in a millisecond; what people see is
checked with the real `aws` command (see Cluster.aws in harness.py).
"""
import datetime
import hashlib
import hmac
import http.client
import json
import urllib.parse

TARGETS = {
    "ecs": "AmazonEC2ContainerServiceV20141113",
    "logs": "Logs_20140328",
}


class ApiError(Exception):
    """What a service answered instead of a result."""

    def __init__(self, operation, status, kind, message):
        super().__init__(f"{operation}: {status} {kind}: {message}")
        self.status, self.kind, self.message = status, kind, message


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def sign(headers, body, service, region, key_id, secret):
    """Adds the Authorization header of Signature Version 4 for POST /."""
    date = headers["x-amz-date"][:8]
    names = sorted(headers)
    canonical = "\n".join(["POST", "/", ""] + [f"{n}:{headers[n]}" for n in names]
                          + ["", ";".join(names), hashlib.sha256(body).hexdigest()])
    scope = f"{date}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = _hmac(key, part)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, "
                                f"SignedHeaders={';'.join(names)}, Signature={signature}")


class Api:
    """One service at one URL. Not for use by two threads."""

    def __init__(self, url, service, region, key_id, secret):
        self.netloc = urllib.parse.urlsplit(url).netloc
        self.service, self.region = service, region
        self.key_id, self.secret = key_id, secret
        self.clock_offset = 0  # seconds; the service's clock may be wrong
        self.connection = None

    def call(self, operation, **request):
        body = json.dumps(request).encode()
        now = datetime.datetime.now(datetime.timezone.utc)
        now += datetime.timedelta(seconds=self.clock_offset)
        headers = {
            "host": self.netloc,
            "content-type": "application/x-amz-json-1.1",
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
            "x-amz-target": f"{TARGETS[self.service]}.{operation}",
        }
        sign(headers, body, self.service, self.region, self.key_id, self.secret)
        status, answer = self._exchange(body, headers)
        try:
            result = json.loads(answer or b"{}")
        except ValueError:
            raise ApiError(operation, status, "NotJson", answer[:200].decode("latin-1")) from None
        if status != 200:
            kind = str(result.get("__type", "?")).split("#")[-1]
            raise ApiError(operation, status, kind, result.get("message", ""))
        return result

    def _exchange(self, body, headers):
        """A kept connection may have been closed by the other side: one more try."""
        for fresh in (False, True):
            if fresh or not self.connection:
                self.connection = http.client.HTTPConnection(self.netloc, timeout=30)
            try:
                self.connection.request("POST", "/", body, headers)
                response = self.connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException):
                self.connection = None
                if fresh:
                    raise
        raise AssertionError("unreachable")
