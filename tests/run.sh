#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test; then all but the lint once more
# under the address and undefined-behavior sanitizers, and what has threads under the
# thread sanitizer.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
    cat <<'END'
usage: tests/run.sh [--quick | --all] [--only LABEL] | --analysis | --valgrind
  --quick       without the rounds under sanitizers
  --all         all scenarios under sanitizers, not every third of the short ones; and each fuzz
                target for a minute
  --only LABEL  only the tests with this label: lint, unit, component, sim, fuzz, e2e, threads
For a night, instead of all that:
  --analysis    clang-tidy and cppcheck over all of agent/ (ten minutes the first time)
  --valgrind    unit tests, and component tests with threads, under memcheck
BERTH_FUZZ_SECONDS=N: so long is each fuzz target run beside the tests under sanitizers (default 0:
they only replay their corpora); BERTH_FUZZ_PICK=N: only so many of them, others with each commit
Exit code 0: all passed.
END
}

QUICK='' ALL='' ONLY='' NIGHT=''
while [ $# -gt 0 ]; do
    case $1 in
    --quick) QUICK=yes ;;
    --all) ALL=yes BERTH_FUZZ_SECONDS=${BERTH_FUZZ_SECONDS:-60} ;;
    --analysis | --valgrind) NIGHT=${1#--} ;;
    --only)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        ONLY=$2
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done

FAILED=() UNSTABLE=() FUZZING='' BUILDING='' THREADS=''
finish() {
    [ -z "$FUZZING" ] || kill -- "-$FUZZING" || true
    [ -z "$BUILDING" ] || kill -- "-$BUILDING" || true
    [ -z "$THREADS" ] || kill "$THREADS" || true
    remove_images 'berth-test/*'
    stop_docker
}
stopped() { exit 130; }

# tests NAME DIR PART: one half of the tests of one build; those with containers are one half.
tests() {
    local name=$1 dir=$2 part=$3 jobs select=(-L e2e)
    if [ "$part" = "end to end" ]; then
        jobs=$((2 * $(nproc) + 1)) # they mostly wait
        # Every third one, and none of the long ones: all of it has to end in 20 minutes.
        [ "$name" = normal ] || [ -n "$ALL" ] || select+=(-LE long -I ",,3")
    else
        jobs=$((2 * $(nproc)))
        select=(-LE 'e2e|lint')
        [ "$name" != normal ] || select=(-LE e2e)
    fi
    if [ -n "$ONLY" ]; then
        [ "$ONLY" = e2e ] && [ "$part" != "end to end" ] && return 0
        [ "$ONLY" != e2e ] && [ "$part" = "end to end" ] && return 0
        select=(-L "$ONLY")
    fi
    say
    say "== $name build, $part =="
    (cd "$dir" && ctest --output-on-failure --no-tests=error -j "$jobs" "${select[@]}") ||
        alone "$name build" "$dir" || FAILED+=("$name build, $part")
}

# alone NAME DIR: a second chance, and the last one, for one to three tests of timing that failed
# among others on a busy machine; the last line names them. None for what decides by its inputs
# or seeds: there, one failure in any number of runs is a fault.
alone() {
    local name=$1 dir=$2 list=Testing/Temporary/LastTestsFailed.log failed test
    mapfile -t failed < <(cut -d: -f2 "$dir/$list")
    [ ${#failed[@]} -ge 1 ] && [ ${#failed[@]} -le 3 ] || return 1
    for test in "${failed[@]}"; do
        [[ $test =~ ^(component|controlplane|e2e)/ && $test != e2e/torture ]] || return 1
    done
    say "Once more, alone: ${failed[*]}"
    (cd "$dir" && ctest --output-on-failure --rerun-failed) || return 1
    UNSTABLE+=("${failed[@]/%/ ($name)}")
}

# The other command of the README.
demo() {
    [ -z "$ONLY" ] || return 0
    say
    say "== tests/demo.sh =="
    "$ROOT/tests/demo.sh" >"$ROOT/build/demo.log" 2>&1 </dev/null || {
        cat "$ROOT/build/demo.log"
        FAILED+=(tests/demo.sh)
    }
    tail -n 1 "$ROOT/build/demo.log"
}

sanitized() { [ -z "$QUICK$NIGHT" ] && [ "$ONLY" != lint ]; }
with_threads() { [[ $ONLY =~ ^(component|threads)?$ ]]; }
with_fuzzing() { [[ $ONLY =~ ^(fuzz)?$ ]] && [ "${BERTH_FUZZ_SECONDS:-0}" -gt 0 ]; }

fuzz() {
    local pick=()
    [ -n "$ALL" ] || [ -z "${BERTH_FUZZ_PICK:-}" ] || pick=(--pick "$BERTH_FUZZ_PICK")
    "$ROOT/tests/fuzz/run" --seconds "$BERTH_FUZZ_SECONDS" --jobs 1 "${pick[@]}" "$@"
}

# At the lowest priority, for the containers' tests mostly wait; in a process group of its own.
start_building() {
    sanitized || return 0
    set -m
    (
        renice -n 19 -p "$BASHPID" >/dev/null
        configure "$ROOT/build/asan" -DWERROR=ON -DSANITIZE=address,undefined \
            -DCMAKE_BUILD_TYPE=Debug
        build "$ROOT/build/asan"
        if with_threads; then
            configure "$ROOT/build/tsan" -DWERROR=ON -DSANITIZE=thread -DCMAKE_BUILD_TYPE=Debug
            build "$ROOT/build/tsan" threads
        fi
        ! with_fuzzing || fuzz --only-build
    ) >"$ROOT/build/sanitized.log" 2>&1 </dev/null &
    BUILDING=$!
    set +m
}

end_building() {
    local done=0
    wait "$BUILDING" || done=$?
    BUILDING=''
    [ "$done" -eq 0 ] || { cat "$ROOT/build/sanitized.log" >&2; die "the sanitizers' build failed"; }
}

start_fuzzing() {
    with_fuzzing || return 0
    set -m
    (renice -n 19 -p "$BASHPID" >/dev/null && fuzz) >"$ROOT/build/fuzz.log" 2>&1 </dev/null &
    FUZZING=$!
    set +m
}

end_fuzzing() {
    [ -n "$FUZZING" ] || return 0
    say
    say "== fuzzing =="
    wait "$FUZZING" || FAILED+=(fuzzing)
    FUZZING=''
    cat "$ROOT/build/fuzz.log"
}

# Beside the other component tests: most of these wait, too.
start_threads() {
    with_threads || return 0
    (cd "$ROOT/build/tsan" && exec ctest --output-on-failure --no-tests=error -L threads) \
        >"$ROOT/build/threads.log" 2>&1 </dev/null &
    THREADS=$!
}

end_threads() {
    [ -n "$THREADS" ] || return 0
    say
    say "== thread sanitizer, what has threads =="
    wait "$THREADS" || FAILED+=("thread sanitizer")
    THREADS=''
    cat "$ROOT/build/threads.log"
}

# What analyzers say of everything, not only of what has changed.
analysis() {
    local what
    for what in cppcheck tidy; do
        python3 -B "$ROOT/tests/lint/analyze.py" "$ROOT" "$ROOT/build" "$what" || FAILED+=("$what")
    done
}

# One report for each test program, in build/valgrind. Left out: what looks for itself in
# /proc, and what expects posix_spawn to fail, which it never does there.
NOT_VALGRIND='unit_(config_test_sample|io_test_port_holder|host_test_(cgroup|rules|run))'
NOT_VALGRIND+='|unit_aws_test_creds_process'
valgrind() {
    local program reports=$ROOT/build/valgrind
    mkdir -p "$reports"
    # shellcheck disable=SC2016 # the inner shell expands
    while read -r program; do
        FAILED+=("valgrind of $program")
        tail -n 40 "$reports/$program"
    done < <(cd "$ROOT/build/tests" &&
        { find .. -maxdepth 1 -name 'unit_*' -type f -printf '%f\n' &&
            ctest -N -L threads | sed -n 's|.*: component/|component_|p'; } |
        grep -vxE "$NOT_VALGRIND" | sort |
        xargs -P "$(nproc)" -I{} sh -c 'valgrind -q --leak-check=full --error-exitcode=9 \
            --errors-for-leak-kinds=definite --child-silent-after-fork=yes \
            ../{} >"$1/{}" 2>&1 || echo {}' sh "$reports")
}

need_root
trap finish EXIT
trap stopped INT TERM HUP
install_missing "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}" "${CHECK_PACKAGES[@]}"
start_docker

say "Building in build/ (warnings are errors)"
configure "$ROOT/build" -DWERROR=ON -DSANITIZE= -DCMAKE_BUILD_TYPE=RelWithDebInfo
build "$ROOT/build"
if [ -n "$NIGHT" ]; then
    "$NIGHT"
else
    tests normal "$ROOT/build" "all but end to end"
    start_building
    tests normal "$ROOT/build" "end to end"
    demo
fi
if sanitized; then
    end_building
    start_fuzzing
    start_threads
    tests sanitizer "$ROOT/build/asan" "all but end to end"
    end_threads
    tests sanitizer "$ROOT/build/asan" "end to end"
    end_fuzzing
fi

say
took="$((SECONDS / 60)) min $((SECONDS % 60)) s"
if [ ${#FAILED[@]} -gt 0 ]; then
    printf 'FAILED in %s: %s\n' "$took" "$(printf '%s; ' "${FAILED[@]}")"
    exit 1
fi
if [ ${#UNSTABLE[@]} -gt 0 ]; then
    printf 'All tests passed in %s, these only alone: %s\n' "$took" "${UNSTABLE[*]}"
else
    say "All tests passed in $took."
fi
