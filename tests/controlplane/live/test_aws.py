"""The real `aws` command as a client of the stand-ins."""
import json
import os
import shutil
import subprocess
import unittest

from world import ACCOUNT, LocalTest


@unittest.skipUnless(shutil.which("aws"), "there is no aws command")
class Aws(LocalTest):
    def aws(self, *args, fails=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        env.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secretexample",
                   AWS_MAX_ATTEMPTS="1", AWS_DEFAULT_REGION="us-west-2",
                   AWS_EC2_METADATA_DISABLED="true", AWS_PAGER="", AWS_CONFIG_FILE="/dev/null",
                   AWS_SHARED_CREDENTIALS_FILE="/dev/null")
        done = subprocess.run(["aws", "--endpoint-url", self.local.url, "--output", "json", *args],
                              env=env, capture_output=True, text=True, timeout=60, check=False)
        if fails:
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(fails, done.stderr)
            return None
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def test_each_service(self):
        self.local.cloud(parameters=[{"name": "/a", "value": "va", "type": "SecureString"}],
                         secrets=[{"name": "db", "string": "vs"}], tags={"i-1": {"Name": "web"}},
                         buckets=[{"name": "conf", "objects": {"a/b c.env": "A=1\n"}}],
                         registries=[{"id": ACCOUNT, "password": "p"}])
        found = self.aws("ssm", "get-parameters", "--names", "/a", "none", "--with-decryption")
        self.assertEqual(found["Parameters"][0]["Value"], "va")
        self.assertEqual(found["InvalidParameters"], ["none"])
        self.assertEqual(self.aws("secretsmanager", "get-secret-value", "--secret-id",
                                  "db")["SecretString"], "vs")
        self.assertEqual(len(self.aws("ecr", "get-authorization-token")["authorizationData"]), 1)
        out = os.path.join(self.local.folder.name, "object")
        self.aws("s3api", "get-object", "--bucket", "conf", "--key", "a/b c.env", out)
        with open(out, "rb") as f:
            self.assertEqual(f.read(), b"A=1\n")
        self.aws("s3api", "get-object", "--bucket", "conf", "--key", "none", out, fails="NoSuchKey")
        self.aws("s3api", "head-bucket", "--bucket", "conf")
        role = self.aws("sts", "assume-role", "--role-arn", f"arn:aws:iam::{ACCOUNT}:role/x",
                        "--role-session-name", "me")
        self.assertEqual(role["AssumedRoleUser"]["Arn"],
                         f"arn:aws:sts::{ACCOUNT}:assumed-role/x/me")
        tags = self.aws("ec2", "describe-tags", "--filters", "Name=resource-id,Values=i-1")
        self.assertEqual([(t["Key"], t["Value"]) for t in tags["Tags"]], [("Name", "web")])
        self.assertEqual(self.local.violations(), [])


if __name__ == "__main__":
    unittest.main()
