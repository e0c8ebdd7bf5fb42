# shellcheck shell=bash
# shellcheck disable=SC2034 # the lists and AWS are for the scripts that source this
# What demo.sh and run.sh share: packages, a Docker Engine, the build. Sourced by bash.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD_PACKAGES=(gcc libc6-dev make cmake ninja-build pkg-config git libuv1-dev
    libcurl4-openssl-dev libjansson-dev libseccomp-dev libcap-dev libwslay-dev
    libmicrohttpd-dev libsqlite3-dev libssl-dev libpcre2-dev uthash-dev libcmocka-dev)
# A package, or package:command where another installation of the command will do; of several
# packages the first one that the release has.
RUN_PACKAGES=(docker.io:dockerd 'docker-cli|docker.io:docker' busybox-static awscli:aws python3:python3
    curl:curl jq:jq iproute2:ip procps:ps)
CHECK_PACKAGES=(clang-format:clang-format clang:clang libclang-rt-dev clang-tidy:clang-tidy
    cppcheck:cppcheck binutils:readelf shellcheck:shellcheck valgrind:valgrind
    docker-registry:docker-registry apache2-utils:htpasswd openssl:openssl
    tinyproxy-bin:tinyproxy iptables:iptables systemd:systemd-analyze)

DOCKERD_PID=
DOCKERD_DIR=
CGROUPS_MOUNTED=

say() { printf '%s\n' "$*"; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" -eq 0 ] || die "it starts containers, so it must run as root: sudo $0"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local limit=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$limit" ] || die "$what: not so after its time limit"
        sleep 0.1
    done
}

# ---- packages ----

installed() {
    local name=${1%%:*} command=${1#*:}
    if [ "$command" != "$name" ] || [[ $1 == *:* ]]; then
        type -P "$command" >/dev/null && return 0 # no function of that name
    fi
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ]
}

# install_missing PACKAGE...: through apt, only what is not there.
install_missing() {
    local wanted missing=()
    for wanted in "$@"; do
        installed "$wanted" || missing+=("${wanted%%:*}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "these packages are missing, and there is no apt to install them: ${missing[*]}"
    local log
    log=$(mktemp)
    apt_get "$log" update
    mapfile -t missing < <(for wanted in "${missing[@]}"; do offered "$wanted"; done | sort -u)
    say "Installing: ${missing[*]}"
    apt_get "$log" -y --no-install-recommends install "${missing[@]}"
    rm -f "$log"
}

# apt_get LOG ARGUMENT...
apt_get() {
    local log=$1
    shift
    DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$log" 2>&1 </dev/null && return 0
    tail -n 30 "$log" >&2
    rm -f "$log"
    die "apt-get $*: it failed"
}

offered() {
    local name names
    IFS='|' read -ra names <<<"$1"
    for name in "${names[@]}"; do
        apt-cache show "$name" >/dev/null 2>&1 && break
    done
    say "$name"
}

# The AWS command line client; Debian's own where there are several.
find_aws() {
    if [ -x /usr/bin/aws ]; then
        AWS=/usr/bin/aws
    else
        AWS=$(type -P aws) || die "the aws command is missing"
    fi
}

# ---- the Docker Engine ----

docker_answers() { docker info >/dev/null 2>&1; }

docker_answers_or_ended() {
    docker_answers && return 0
    kill -0 "$DOCKERD_PID" 2>/dev/null && return 1
    tail -n 20 "$DOCKERD_DIR/log" >&2
    die "dockerd ended while it started; its last lines are above"
}

# A machine without an init system may have no cgroups mounted.
mount_cgroups() {
    [ -e /sys/fs/cgroup/cgroup.controllers ] || [ -d /sys/fs/cgroup/memory ] && return 0
    install_missing cgroupfs-mount
    cgroupfs-mount
    CGROUPS_MOUNTED=yes
}

# Leaves a running engine alone. Starts one with data of its own where none answers and
# systemd does not run; stop_docker takes that one down again.
start_docker() {
    docker_answers && return 0
    if [ -d /run/systemd/system ]; then
        say "Starting Docker (systemctl start docker)"
        systemctl start docker
        wait_for 60 "Docker answers" docker_answers
        return 0
    fi
    say "Starting dockerd, for as long as this runs"
    mount_cgroups
    DOCKER0_WAS_THERE=$(ip link show docker0 2>/dev/null || true)
    DOCKERD_DIR=$(mktemp -d /var/tmp/berth-docker.XXXXXX)
    setsid dockerd --host "${DOCKER_HOST:-unix:///var/run/docker.sock}" \
        --data-root "$DOCKERD_DIR/data" --exec-root "$DOCKERD_DIR/exec" \
        --pidfile "$DOCKERD_DIR/pid" >"$DOCKERD_DIR/log" 2>&1 </dev/null &
    DOCKERD_PID=$!
    wait_for 60 "dockerd answers" docker_answers_or_ended
}

stop_docker() {
    [ -n "$DOCKERD_PID" ] || return 0
    kill "$DOCKERD_PID" 2>/dev/null || true
    wait "$DOCKERD_PID" 2>/dev/null || true
    DOCKERD_PID=
    awk -v dir="$DOCKERD_DIR/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | sort -r |
        xargs -r umount -l 2>/dev/null || true
    rm -rf "$DOCKERD_DIR"
    [ -n "$DOCKER0_WAS_THERE" ] || ip link delete docker0 2>/dev/null || true
    [ -z "$CGROUPS_MOUNTED" ] || cgroupfs-umount || true
}

# remove_containers CLUSTER: whatever an agent of that cluster has left.
remove_containers() {
    docker ps -aq --filter "label=com.amazonaws.ecs.cluster=$1" 2>/dev/null |
        xargs -r docker rm -f -v >/dev/null 2>&1 || true
}

remove_images() {
    docker image ls -q --filter "reference=$1" 2>/dev/null | sort -u |
        xargs -r docker image rm -f >/dev/null 2>&1 || true
}

# make_image NAME: the statically linked busybox with a link for each of its programs.
make_image() {
    local tree
    tree=$(mktemp -d)
    mkdir -p "$tree/bin" "$tree/tmp" "$tree/www"
    cp /bin/busybox "$tree/bin/"
    /bin/busybox --list | while read -r program; do
        [ "$program" = busybox ] || ln -s busybox "$tree/bin/$program"
    done
    tar -C "$tree" -c . | docker import - "$1" >/dev/null
    rm -rf "$tree"
}

# ---- the build ----

# configure DIR OPTION...: a tree that was moved, or made by hand, is no obstacle.
configure() {
    local dir=$1 options=()
    shift
    if [ -f "$dir/CMakeCache.txt" ] &&
        ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$ROOT" "$dir/CMakeCache.txt"; then
        rm -rf "$dir"
    fi
    [ -f "$dir/CMakeCache.txt" ] || options=(-G Ninja)
    mkdir -p "$dir"
    # The interpreter itself: a version manager's stand-in takes as long as many a test.
    options+=("-DPython3_EXECUTABLE=$(python3 -c 'import sys; print(sys.executable)')")
    if ! cmake -S "$ROOT" -B "$dir" "${options[@]}" "$@" >"$dir/configure.log" 2>&1; then
        tail -n 30 "$dir/configure.log" >&2
        die "cmake could not configure $dir"
    fi
}

# build DIR TARGET...: progress on a terminal; otherwise only what goes wrong.
build() {
    local dir=$1
    shift
    if [ -t 1 ]; then
        cmake --build "$dir" --parallel "$(nproc)" ${1:+--target "$@"} || die "the build failed"
    elif ! cmake --build "$dir" --parallel "$(nproc)" ${1:+--target "$@"} >"$dir/build.log" 2>&1; then
        grep -E -A 5 'error:|FAILED|warning:' "$dir/build.log" | head -n 60 >&2
        die "the build failed; all of it is in $dir/build.log"
    fi
}
