#!/usr/bin/env python3
"""Every row of what a task may say has its end-to-end scenario: rows.py ROOT

tests/e2e/rows.txt gives each row its scenarios. ROWS below is the same list of rows, kept
a second time, so that a row cannot be lost by taking its line away.
"""
import pathlib
import re
import sys

ROWS = {
    "1.2": """name; image; containerArn; command; entryPoint; environment; environmentFiles;
        secrets; cpu; memory; memory reservation of hostConfig; essential; links; portMappings;
        portMappings, containerPortRange; mountPoints; volumesFrom; dependsOn;
        dockerConfig.config; dockerConfig.hostConfig; dockerConfig.version; overrides;
        registryAuthentication; logsAuthStrategy; healthCheckType; firelensConfiguration;
        restartPolicy.enabled; restartPolicy.ignoredExitCodes;
        restartPolicy.restartAttemptPeriod; startTimeout; stopTimeout; managedAgents;
        credentialSpecs; linuxParameters, privileged, networkInterfaceNames (unused);
        unknown members""",
    "2.3": """environment of the task; AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
        ECS_CONTAINER_METADATA_URI; ECS_CONTAINER_METADATA_URI_V4; ECS_AGENT_URI;
        NVIDIA_VISIBLE_DEVICES; these overwrite; FLUENT_*; secrets; environment files;
        AWS_REGION; AWS_DEFAULT_REGION; neither when the task names one;
        neither when the image names one; ECS_CONTAINER_METADATA_FILE;
        none for the pause container""",
    "2.4": """Image; Cmd; Entrypoint; Env; ExposedPorts; dockerConfig.config on top; labels last;
        health check without a check; no StopTimeout, RestartPolicy, Hostname; Links; Binds;
        PortBindings; VolumesFrom; Memory; CpuShares; GroupAdd; Runtime, DeviceRequests;
        dockerConfig.hostConfig on top; scalars and lists replaced; maps merged; null clears;
        unknown members dropped; config that cannot be decoded; hostConfig that cannot be decoded;
        ulimits; tmpfs; shared memory; devices; sysctls; capabilities; init; read-only root;
        user, working directory, terminal; swap; security options; DNS servers and search list;
        extra hosts; health check; log driver and options; log buffer of a non-blocking driver;
        CgroupParent; limits of the task's cgroup; NetworkingConfig;
        memory of the task for its containers (cgroup 2); NetworkMode awsvpc;
        NetworkMode service connect; NetworkMode bridge; NetworkMode host; NetworkMode none;
        pidMode host; pidMode task; ipcMode host; ipcMode task; ipcMode none; host port as given;
        host port chosen; host ports for a range; a port that another program holds;
        no host port left; no contiguous host ports left; volume: directory of the host;
        volume: anonymous; volume: scope task; volume: scope shared, made;
        volume: scope shared, found; volume: scope shared, missing; volume: EFS, FSx""",
    "5.1": """name and message; on every later report; no reason of the task otherwise;
        words of the daemon; redacted ECR URLs""",
    "5.2": """CannotPullImageManifestError; CannotPullContainerError; CannotPullECRContainerError;
        CannotPullContainerAuthError; TaskStoppedBeforePullBeginError; CannotCreateContainerError;
        CannotStartContainerError; CannotStopContainerError; CannotInspectContainerError;
        CannotDescribeContainerError; DockerTimeoutError, pulled;
        DockerTimeoutError, pullBegin and inactivity;
        DockerTimeoutError, created, started, stopped; OutOfMemoryError; DockerStateError;
        HostConfigError; DockerClientConfigError; CannotGetDockerClientVersionError;
        ContainerNetworkingError; ContainerVanishedError; ResourceInitializationError;
        ImpossibleStateTransitionError, UnparsablePort, UnrecognizedTransportProtocol""",
    "5.2 prefix": """not authorized to perform ecr:BatchGetImage;
        requested access to the resource is denied; request canceled while waiting for
        connection""",
    "5.3": """has timed out; does not exist; did not exit successfully; will never start;
        the dependency and its exit code""",
    "5.4": """blanks and first letter; ssm; asm; asmauth; environment file; cgroup; volume;
        firelens; resource cannot be initialized; UnrecogniedTaskError; TaskStateError;
        dependency cycle; containers carry no reason""",
}
# What a later change may bring; a row cannot wait for anything else.
LATER = re.compile(r"later: .*\b(awsvpc|EFS|EBS|FireLens|execute command|GPU|service connect|gMSA|"
                   r"metadata endpoints)\b")


def wanted_rows():
    return {(section, " ".join(row.split()))
            for section, text in ROWS.items() for row in text.split(";")}


def scenarios_of(folder):
    names = set()
    for path in sorted(folder.glob("scenarios_*.py")):
        names |= set(re.findall(r"^def e2e_(\w+)\(", path.read_text(encoding="utf-8"), re.M))
    return names


def check(text, scenarios, wanted):
    """One line for each thing that is wrong with the text of rows.txt."""
    seen = set()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != 3 or not all(cells):
            yield f"{number}: not 'section | row | scenarios'"
            continue
        row, shown = (cells[0], cells[1]), cells[2]
        if row in seen:
            yield f"{number}: twice: {row[0]} {row[1]}"
        if row not in wanted:
            yield f"{number}: a row that rows.py does not know: {row[0]} {row[1]}"
        seen.add(row)
        if shown.startswith("later:"):
            if not LATER.match(shown):
                yield f"{number}: {row[1]} cannot wait for this: {shown}"
        elif shown.startswith("never:"):
            if len(shown) < len("never: ") + 8:
                yield f"{number}: {row[1]}: why never?"
        else:
            for name in shown.split():
                if name not in scenarios:
                    yield f"{number}: there is no scenario {name}"
            if len(set(shown.split())) < len(shown.split()):
                yield f"{number}: a scenario twice: {shown}"
    for section, row in sorted(wanted - seen):
        yield f"no line for {section} {row}"


def main(argv):
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = pathlib.Path(argv[1]) / "tests" / "e2e"
    problems = list(check((folder / "rows.txt").read_text(encoding="utf-8"),
                          scenarios_of(folder), wanted_rows()))
    for problem in problems:
        print(f"tests/e2e/rows.txt:{problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
