#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test; then all but the lint once more
# under the address and undefined-behavior sanitizers.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
    cat <<'END'
usage: tests/run.sh [--quick] [--only LABEL]
  --quick       without the second round under sanitizers
  --only LABEL  only the tests with this label: lint, unit, component, sim, e2e
Exit code 0: all passed.
END
}

QUICK='' ONLY=''
while [ $# -gt 0 ]; do
    case $1 in
    --quick) QUICK=yes ;;
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

FAILED=()
finish() {
    remove_images 'berth-test/*'
    stop_docker
}
stopped() { exit 130; }

# tests NAME DIR: all tests of one build; the containers come last, two at a time.
tests() {
    local name=$1 dir=$2 part without=e2e
    [ "$name" = normal ] || without='e2e|lint'
    for part in "all but end to end" "end to end"; do
        local select=(-LE "$without")
        [ "$part" = "all but end to end" ] || select=(-L e2e)
        if [ -n "$ONLY" ]; then
            [ "$ONLY" = e2e ] && [ "$part" = "all but end to end" ] && continue
            [ "$ONLY" != e2e ] && [ "$part" = "end to end" ] && continue
            select=(-L "$ONLY")
        fi
        say
        say "== $name build, $part =="
        (cd "$dir" && ctest --output-on-failure --no-tests=error -j "$(($(nproc) + 1))" "${select[@]}") ||
            FAILED+=("$name build, $part")
    done
}

need_root
trap finish EXIT
trap stopped INT TERM HUP
install_missing "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}" "${CHECK_PACKAGES[@]}"
start_docker

say "Building in build/ (warnings are errors)"
configure "$ROOT/build" -DWERROR=ON -DSANITIZE= -DCMAKE_BUILD_TYPE=RelWithDebInfo
build "$ROOT/build"
tests normal "$ROOT/build"
if [ -z "$QUICK" ] && [ "$ONLY" != lint ]; then
    say
    say "Building in build/asan (address and undefined-behavior sanitizers)"
    configure "$ROOT/build/asan" -DWERROR=ON -DSANITIZE=address,undefined \
        -DCMAKE_BUILD_TYPE=Debug
    build "$ROOT/build/asan"
    tests sanitizer "$ROOT/build/asan"
fi

say
took="$((SECONDS / 60)) min $((SECONDS % 60)) s"
if [ ${#FAILED[@]} -gt 0 ]; then
    printf 'FAILED in %s: %s\n' "$took" "$(printf '%s; ' "${FAILED[@]}")"
    exit 1
fi
say "All tests passed in $took."
