#!/usr/bin/env bash
# The main job of Berth with real containers and the real AWS command line client,
# against berth-local on this machine. Leaves nothing behind.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

IMAGE=berth-test/busybox:demo
CLUSTER="demo-$$"
GROUP=/demo/sidecar
WORK=
LOCAL_PID=
AGENT_PID=

finish() {
    local code=$?
    trap '' INT TERM HUP
    [ "$code" -eq 0 ] || show_logs
    end_process "$AGENT_PID"
    end_process "$LOCAL_PID"
    remove_containers "$CLUSTER"
    remove_images "$IMAGE"
    stop_docker
    [ -z "$WORK" ] || rm -rf "$WORK"
}
stopped() { exit 130; }

end_process() {
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

show_logs() {
    local log
    for log in agent local; do
        [ -s "$WORK/$log.log" ] || continue
        say "---- the end of the log of berth $log ----"
        tail -n 20 "$WORK/$log.log"
    done
} >&2

STEP=0
step() {
    STEP=$((STEP + 1))
    printf '\n\033[1m%d. %s\033[0m\n' "$STEP" "$*"
}

# Shows a command as one would type it.
show() {
    local word text='$'
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./:=-]*) text+=" '$word'" ;;
        *) text+=" $word" ;;
        esac
    done
    printf '%s\n' "$text"
}
run() {
    show "$@"
    "$@"
}

# berth COMMAND...: with a terminal, because people get tables and programs get JSON.
berth() {
    show berth "$@"
    script -qefc "'$ROOT/build/berth' $*" /dev/null </dev/null | tr -d '\r' | tee "$WORK/out"
}
berth_json() { "$ROOT/build/berth" "$@" --json; }

aws() { "$AWS" --endpoint-url "$URL" "$@"; }
show_aws() {
    show aws --endpoint-url "$URL" "$@"
    aws "$@"
}

described() { aws ecs describe-tasks --cluster "$CLUSTER" --tasks "${TASKS[@]}" --output json; }
all_have_status() {
    described >"$WORK/described"
    jq -e --arg s "$1" '[.tasks[].lastStatus] | length == 2 and all(. == $s)' \
        "$WORK/described" >/dev/null
}
connected() {
    kill -0 "$AGENT_PID" 2>/dev/null || die "the agent ended"
    berth_json status 2>/dev/null | jq -e .control.acs.connected >/dev/null
}
start_agent() {
    "$ROOT/build/berth" agent --config "$WORK/ecs.config" >>"$WORK/agent.log" 2>&1 &
    AGENT_PID=$!
    wait_for 30 "the agent is connected" connected
}
# Names, ids and start times of the demo's containers.
containers() {
    docker ps -q --filter "label=com.amazonaws.ecs.cluster=$CLUSTER" |
        xargs -r docker inspect --format '{{slice .Id 0 12}}  {{.State.StartedAt}}  {{.Name}}' | sort
}

need_root
trap finish EXIT
trap stopped INT TERM HUP

step "Build"
install_missing "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}"
find_aws
start_docker
configure "$ROOT/build"
build "$ROOT/build" berth berth-local
"$ROOT/build/berth" version
SECONDS=0
WORK=$(mktemp -d)
make_image "$IMAGE"

step "Start the control plane for one machine, and the agent"
export AWS_ACCESS_KEY_ID=AKIDBERTHDEMO AWS_DEFAULT_REGION=us-west-2 AWS_PAGER='' \
    AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null \
    AWS_SHARED_CREDENTIALS_FILE=/dev/null BERTH_SOCKET="$WORK/berth.sock" BERTH_NETWORK_RULES=remove
AWS_SECRET_ACCESS_KEY=$(head -c 20 /dev/urandom | base64)
export AWS_SECRET_ACCESS_KEY
unset AWS_SESSION_TOKEN AWS_PROFILE
"$ROOT/build/berth-local" --port-file "$WORK/port" >>"$WORK/local.log" 2>&1 &
LOCAL_PID=$!
wait_for 30 "berth-local listens" test -s "$WORK/port"
URL="http://127.0.0.1:$(cat "$WORK/port")"
aws ecs create-cluster --cluster-name "$CLUSTER" >/dev/null
cat >"$WORK/ecs.config" <<END
ECS_CLUSTER=$CLUSTER
ECS_BACKEND_HOST=$URL
AWS_ENDPOINT_URL=$URL
ECS_DATADIR=$WORK/data
ECS_IMAGE_PULL_BEHAVIOR=prefer-cached
ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=1s
END
run cat "$WORK/ecs.config"
start_agent
berth status
grep -q '^Control plane *connected' "$WORK/out" || die "berth status does not say connected"

step "Register a task definition: a web server, and a sidecar that waits until it is healthy"
cat >"$WORK/web.json" <<'END'
[ { "name": "web", "image": "berth-test/busybox:demo", "memory": 32, "essential": true,
    "command": ["sh", "-c", "echo \"Hello from $(hostname).\" > /www/index.html; trap 'exit 0' TERM; httpd -f -h /www & wait"],
    "portMappings": [{ "containerPort": 80, "hostPort": 0 }],
    "healthCheck": { "command": ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1/"], "interval": 5 } },
  { "name": "sidecar", "image": "berth-test/busybox:demo", "memory": 32, "essential": true,
    "command": ["sh", "-c", "trap 'exit 0' TERM; n=0; while :; do n=$((n+1)); echo \"request $n: $(wget -q -O - http://web/)\"; sleep 1 & wait $!; done"],
    "links": ["web"],
    "dependsOn": [{ "containerName": "web", "condition": "HEALTHY" }],
    "logConfiguration": { "logDriver": "awslogs", "options": {
      "awslogs-group": "/demo/sidecar", "awslogs-create-group": "true",
      "awslogs-stream-prefix": "demo", "awslogs-region": "us-west-2" } } } ]
END
run cat "$WORK/web.json"
show_aws ecs register-task-definition --family web \
    --container-definitions "file://$WORK/web.json" \
    --query 'taskDefinition.taskDefinitionArn' --output text

step "Run two copies on this one host; what do they wait for?"
show_aws ecs run-task --cluster "$CLUSTER" --task-definition web --count 2 \
    --query 'tasks[].[taskArn,lastStatus]' --output text | tee "$WORK/started"
mapfile -t TASKS < <(sed -n 's/^\(arn:[^[:space:]]*\).*/\1/p' "$WORK/started")
[ ${#TASKS[@]} -eq 2 ] || die "run-task started ${#TASKS[@]} tasks, not 2"
webs_run() {
    berth_json tasks | jq -se '[.[].containers[] | select(.name == "web" and .status == "RUNNING")]
        | length == 2' >/dev/null
}
wait_for 30 "both web servers run" webs_run
berth tasks
for task in "${TASKS[@]}"; do
    berth why "${task##*/}"
    grep -q '^sidecar waits for container web to become healthy' "$WORK/out" ||
        die "berth why does not say that the sidecar waits"
done

step "Healthy, so the sidecars run; fetch a page from each copy's host port"
wait_for 60 "both tasks RUNNING" all_have_status RUNNING
berth tasks
mapfile -t PORTS < <(jq -r '.tasks[].containers[] | select(.name == "web") |
    .networkBindings[0].hostPort' "$WORK/described")
[ "${PORTS[0]}" != "${PORTS[1]}" ] || die "both copies have host port ${PORTS[0]}"
for port in "${PORTS[@]}"; do
    run curl -sS --max-time 10 "http://127.0.0.1:$port/" | tee "$WORK/page"
    grep -q '^Hello from [0-9a-f]\{12\}\.$' "$WORK/page" || die "that is not the page"
done
berth why "${TASKS[0]##*/}"
grep -q 'waits for nothing' "$WORK/out" || die "berth why: a running task waits for something"

step "The sidecars' lines, as the log service has them"
logged() {
    aws logs filter-log-events --log-group-name "$GROUP" --output json 2>/dev/null |
        jq -e '[.events[] | select(.message | test("^request [0-9]+: Hello from"))] |
            (map(.logStreamName) | unique | length) == 2' >/dev/null
}
wait_for 30 "lines of both sidecars in the log service" logged
show_aws logs filter-log-events --log-group-name "$GROUP" --max-items 8 \
    --query 'events[].[logStreamName,message]' --output text

step "Kill the agent (SIGKILL); the same containers go on, and the next agent knows them"
containers >"$WORK/before"
[ "$(wc -l <"$WORK/before")" -eq 4 ] || die "there are not four containers"
run kill -9 "$AGENT_PID"
wait "$AGENT_PID" 2>/dev/null || true
say "Containers without an agent:"
containers | tee "$WORK/during"
cmp -s "$WORK/before" "$WORK/during" || die "the containers changed when the agent was killed"
say "The agent again:"
start_agent
berth tasks
berth_json tasks | jq -se 'length == 2 and all(.[]; .status == "RUNNING")' >/dev/null ||
    die "the new agent does not know both tasks as RUNNING"
containers >"$WORK/after"
cmp -s "$WORK/before" "$WORK/after" || die "containers were started again"
say "Ids and start times are the same as before."

step "Stop the tasks; exit codes and reasons"
for task in "${TASKS[@]}"; do
    show_aws ecs stop-task --cluster "$CLUSTER" --task "$task" --reason "end of the demo" \
        --query 'task.desiredStatus' --output text
done
wait_for 60 "both tasks STOPPED" all_have_status STOPPED
show_aws ecs describe-tasks --cluster "$CLUSTER" --tasks "${TASKS[@]}" --output table --query \
    'tasks[].{status: lastStatus, reason: stoppedReason, containers: containers[].{name: name, exit: exitCode}}'
jq -e 'all(.tasks[]; .stoppedReason == "end of the demo" and
    ([.containers[].exitCode] == [0, 0]))' "$WORK/described" >/dev/null ||
    die "a task does not have exit codes 0 and the reason that was given"

step "Nothing is left"
none_left() {
    [ -z "$(docker ps -aq --filter "label=com.amazonaws.ecs.cluster=$CLUSTER")" ]
}
wait_for 30 "the agent has removed its containers" none_left
kill "$AGENT_PID"
code=0
wait "$AGENT_PID" || code=$?
AGENT_PID=
[ "$code" -eq 0 ] || die "the agent ended with code $code"
curl -sS "$URL/_local/violations" | jq -e '.violations == []' >/dev/null ||
    die "berth-local saw violations of the protocol: $(curl -sS "$URL/_local/violations")"
say "The agent removed its containers and ended with code 0. The demo took $SECONDS s after the build."
