#!/usr/bin/env bash
# Makes a machine one that images of container instances are made of: a container engine, the
# package of Berth, settings, units; then looks whether it is fit, and removes who it was. A second
# time it changes nothing but what has changed. For Debian and Ubuntu (apt), Amazon Linux 2023 and
# Fedora (dnf), Amazon Linux 2 (yum).
set -euo pipefail

# Settings of the image are those of the instance; /etc/ecs/ecs.config, which wins, is its user's.
SETTINGS=/var/lib/ecs/ecs.config
MARK='# Settings of this machine image, by packaging/ami/provision.sh of Berth.'

usage() {
    cat <<'END'
usage: provision.sh [OPTION]... PACKAGE
  PACKAGE           the package of Berth (.deb or .rpm), or a folder with the packages; of several
                    versions the newest
  --set NAME=VALUE  a setting of every instance, in /var/lib/ecs/ecs.config; as often as needed.
                    /etc/ecs/ecs.config wins: it is left to the user data
  --image           this machine is only for making the image: it also loses its machine id, its
                    SSH host keys, cloud-init's memory of it, its journal, and the engine's id
  --chroot          nothing can be started here: no preflight
Exit code 0: done; 1: it is not fit, or something failed.
END
}

say() { printf '== %s\n' "$*"; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

PACKAGE='' IMAGE='' CHROOT='' SET=()
while [ $# -gt 0 ]; do
    case $1 in
    --set)
        [[ ${2-} =~ ^[A-Za-z_][A-Za-z_0-9]*= ]] || { usage >&2; exit 2; }
        SET+=("$2")
        shift
        ;;
    --image) IMAGE=yes ;;
    --chroot) CHROOT=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*)
        usage >&2
        exit 2
        ;;
    *)
        [ -z "$PACKAGE" ] || { usage >&2; exit 2; }
        PACKAGE=$1
        ;;
    esac
    shift
done
[ -n "$PACKAGE" ] || { usage >&2; exit 2; }
[ "$(id -u)" -eq 0 ] || die "only root can do this"
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

# ---- packages ----

if command -v apt-get >/dev/null; then
    FAMILY=deb ARCHITECTURE=$(dpkg --print-architecture)
elif command -v dnf >/dev/null; then
    FAMILY=rpm ARCHITECTURE=$(uname -m) RPM_TOOL=dnf
elif command -v yum >/dev/null; then
    FAMILY=rpm ARCHITECTURE=$(uname -m) RPM_TOOL=yum
else
    die "neither apt-get nor dnf nor yum is here"
fi

install_engine() {
    local name
    command -v dockerd >/dev/null && return
    say "installing a container engine"
    if [ $FAMILY = deb ]; then
        apt-get -q update
        apt-get -q -y --no-install-recommends install docker.io ca-certificates
        return
    fi
    # Amazon Linux 2 has it in a repository of its own; Fedora has it under another name.
    if command -v amazon-linux-extras >/dev/null; then
        amazon-linux-extras install -y docker
        return
    fi
    for name in docker moby-engine; do
        ! $RPM_TOOL -q -y install "$name" || return 0
    done
    die "no container engine can be installed: neither docker nor moby-engine"
}

# The path of the package, absolute: apt takes others for names.
find_package() {
    local name="berth_*_$ARCHITECTURE.deb" found=$PACKAGE
    [ $FAMILY = deb ] || name="berth-[0-9]*.$ARCHITECTURE.rpm"
    if [ -d "$PACKAGE" ]; then
        found=$(find "$PACKAGE" -maxdepth 1 -name "$name" | sort -V | tail -n 1)
        [ -n "$found" ] || die "$PACKAGE has no .$FAMILY of berth for $ARCHITECTURE"
    fi
    [ -f "$found" ] || die "$found is not there"
    [[ $found == *.$FAMILY ]] || die "$found is no .$FAMILY, which this system takes"
    readlink -f "$found"
}

install_berth() {
    local file
    file=$(find_package)
    say "installing ${file##*/}"
    if [ $FAMILY = deb ]; then
        # The package manager's own user must be able to read it, or it warns.
        apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold install "$file"
    elif ! rpm -q --quiet "$(rpm -qp "$file")"; then
        $RPM_TOOL -q -y install "$file"
    fi
    berth version
}

# ---- settings ----

settings() {
    local setting
    printf '%s\n' "$MARK" '# /etc/ecs/ecs.config wins over it; see ecs.config(5).'
    # For bash 4.2 of Amazon Linux 2 an array without elements is an unbound variable.
    for setting in ${SET[@]+"${SET[@]}"}; do
        printf '%s\n' "$setting"
    done
}

write_settings() {
    mkdir -p "${SETTINGS%/*}"
    if [ -e "$SETTINGS" ] && ! head -n 1 "$SETTINGS" | grep -qxF "$MARK"; then
        [ ${#SET[@]} -eq 0 ] || die "$SETTINGS is another's, and --set would overwrite it"
        say "$SETTINGS is another's and stays as it is"
    elif [ ! -e "$SETTINGS" ] || ! settings | cmp -s - "$SETTINGS"; then
        say "writing $SETTINGS"
        (umask 077 && settings >"$SETTINGS.new" && mv "$SETTINGS.new" "$SETTINGS")
    fi
    # Only what is said in no file is left to be said: the cluster, mostly.
    berth check-config
}

# ---- services ----

runs_systemd() { [ -d /run/systemd/system ]; }

enable_units() {
    say "enabling docker.service and ecs.service"
    systemctl -q enable docker.service ecs.service
    [ -n "$CHROOT" ] && return
    runs_systemd || die "systemd does not run here; --chroot does without"
    # An agent that runs here already would be the image's.
    systemctl stop ecs.service
    systemctl start docker.service
}

check() {
    if [ -n "$CHROOT" ]; then
        say "no preflight: nothing can be started here"
    else
        say "berth preflight --offline"
        berth preflight --offline || die "this machine is not fit, see above"
    fi
}

# ---- who this machine was ----

seal() {
    say "berth seal"
    if [ -n "$CHROOT" ]; then
        berth seal --force
    else
        berth seal
    fi
}

clean_machine() {
    say "removing who this machine was"
    [ -n "$CHROOT" ] || systemctl stop docker.socket docker.service
    rm -f /var/lib/docker/engine-id /etc/docker/key.json
    if command -v cloud-init >/dev/null; then
        # It makes new host keys for an instance that it does not know.
        cloud-init clean --logs
        rm -f /etc/ssh/ssh_host_*
    fi
    rm -f /var/lib/systemd/random-seed /var/lib/dbus/machine-id /var/lib/systemd/credential.secret
    rm -rf /var/log/journal/* /run/log/journal/*
    # Empty, not gone: the first start fills it before anything else needs it.
    : >/etc/machine-id
    if [ $FAMILY = deb ]; then
        apt-get clean
    else
        $RPM_TOOL -q clean all
    fi
}

install_engine
install_berth
write_settings
enable_units
check
seal
[ -z "$IMAGE" ] || clean_machine
say "done"
