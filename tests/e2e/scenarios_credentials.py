"""Where the agent's own keys come from, apart from the environment and the instance's role."""
import json
import os

from harness import KEY_ID, SECRET, check, container, contains, equal, poll
from scenarios_local import Files, wait_run

NO_KEYS = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
WEB_ROLE = "arn:aws:iam::123456789012:role/e2e-web"


def put(path, text):
    with open(path + ".new", "w", encoding="ascii") as out:
        out.write(text)
    os.rename(path + ".new", path)
    return path


def source(agent):
    return agent.berth_json("status")[0]["credentials"]


def signers(c):
    return {r["signer"] for r in c.requests("RegisterContainerInstance") if r["status"] == 200}


def e2e_credentials_profile(t):
    """The keys of a profile; a role that another profile assumes with them; a program that
    prints keys."""
    with t.cluster(start=False, env=NO_KEYS) as c:
        keys = put(os.path.join(c.dir, "credentials"),
                   f"[web]\naws_access_key_id = {KEY_ID}\naws_secret_access_key={SECRET}\n")
        answer = put(os.path.join(c.dir, "answer.json"), json.dumps(
            {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET}))
        config = put(os.path.join(c.dir, "config"),
                     f"[profile chain]\nrole_arn = {WEB_ROLE}\nsource_profile = web\n"
                     f"[profile program]\ncredential_process = /bin/cat {answer}\n")
        c.agent.env.update(AWS_SHARED_CREDENTIALS_FILE=keys, AWS_CONFIG_FILE=config)
        c.agent.start(AWS_PROFILE="web").wait_connected()
        equal(signers(c), {KEY_ID}, "keys of the profile")
        contains(source(c.agent)["source"], "profile web", "source of the keys")
        c.agent.stop()

        c.agent.start(AWS_PROFILE="chain").wait_connected()
        (call,) = c.calls("AssumeRole")
        equal((call["signer"], call["names"]), (KEY_ID, [WEB_ROLE]), "AssumeRole")
        (assumed,) = signers(c) - {KEY_ID}
        check(assumed.startswith("ASIA"), f"keys of the role: {assumed}")
        contains(source(c.agent)["source"], "profile chain", "source of the keys")
        c.agent.stop()

        c.agent.start(AWS_PROFILE="program").wait_connected()
        equal(len(signers(c)), 2, "keys that registered")
        check(SECRET not in c.agent.stderr(), "the secret key is in the log")


def e2e_credentials_web_identity(t):
    """A token in a file, which is exchanged for keys without being signed for; it is read anew
    when it has been replaced."""
    with t.cluster(start=False, env=NO_KEYS) as c:
        c.cloud(roles=[{"arn": WEB_ROLE, "web_identity_token": "the-first-token"}])
        token = put(os.path.join(c.dir, "token"), "the-first-token")
        c.agent.start(AWS_WEB_IDENTITY_TOKEN_FILE=token, AWS_ROLE_ARN=WEB_ROLE,
                      AWS_ROLE_SESSION_NAME="berth-e2e").wait_connected()
        first = signers(c)
        check(next(iter(first)).startswith("ASIA"), f"keys that registered: {first}")
        c.cloud(roles=[{"arn": WEB_ROLE, "web_identity_token": "the-second-token"}])
        put(token, "the-second-token")
        c.local("POST", "expire-keys", {"accessKeyId": next(iter(first))})
        c.local("POST", "drop-websockets")
        poll(lambda: len(c.calls("AssumeRoleWithWebIdentity")) == 2, "keys are asked for anew")
        c.agent.wait_connected()
        check("-token" not in c.agent.stderr(), "the token is in the log")


def e2e_credentials_none(t):
    """Nobody has keys: the agent ends, to be started again, and the log says where they were
    looked for. Local tasks go on; when a file brings keys, the next start registers."""
    with t.cluster(start=False, env=NO_KEYS) as c:
        files = Files(c).make()
        files.put("probe", container("main"))
        path = os.path.join(c.dir, "credentials")
        env = dict(files.env, AWS_SHARED_CREDENTIALS_FILE=path)
        c.agent.start(**env)
        equal(c.agent.wait_exit(), 1, "exit code")
        line = c.agent.wait_log("level=error .*registration failed.*")
        for place in ("AWS_ACCESS_KEY_ID is not set", path, "instance metadata is turned off"):
            contains(line, place, "where keys were looked for")
        equal(c.requests("RegisterContainerInstance"), [], "calls without keys")
        put(path, f"[default]\naws_access_key_id={KEY_ID}\naws_secret_access_key={SECRET}\n")
        c.agent.start(**env).wait_connected()
        wait_run(c.agent, "probe")
        equal(len(c.containers()), 1, "containers of the local task")
        files.drop("probe")
        wait_run(c.agent, "probe", status="STOPPED")


def e2e_credentials_metadata_versions(t):
    """A metadata service without tokens is asked without; one that wants a token and refuses
    to give one says so in the log."""
    with t.cluster(metadata=True, start=False) as c:
        c.local("POST", "metadata-mode", {"token": "none"})
        c.agent.start().wait_connected()
        equal(len(signers(c)), 1, "keys that registered")
        c.agent.stop()
        equal({r["status"] for r in c.local("GET", "metadata-log")["requests"]
               if r["path"] == "/latest/api/token"}, {404}, "answers to the call for a token")
        c.agent.start(AWS_EC2_METADATA_V1_DISABLED="true")
        c.agent.wait_log("level=warn .*metadata.*gives no session token.*disabled")
