#!/usr/bin/env bash
# Starts compose.yaml on a real container engine and checks it from outside, as its user would.
#
#   cargo xtask compose-test     gets the tools, builds Spark, runs this (as root)
#
# Nothing is pulled: images that would come from a registry are stand-ins under exactly the names that compose.yaml
# pins, made from Debian packages and the programs that the other tests use. Grafana has none and is not started.
#
# The engine, its containers and the checks live in network, mount and process namespaces of their own. So every port
# is free, no firewall rule or container of this machine is touched, and nothing survives this script, however it ends.
# What is worth keeping (the base image's files, and the logs of a failed run) is in target/compose.
#
# Taken from the environment when set: SPARK_BIN, SPARK_TEST_NATS_SERVER, SPARK_TEST_PROMETHEUS, SPARK_TEST_PROMTOOL,
# CARGO_TARGET_DIR, SPARK_COMPOSE_MIRROR (of Debian packages; otherwise the machine's own).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/compose
spark=${SPARK_BIN:-$target/release/spark}
nats_server=${SPARK_TEST_NATS_SERVER:-$target/tools/venv/bin/nats-server}
prometheus=${SPARK_TEST_PROMETHEUS:-$(command -v prometheus || true)}
promtool=${SPARK_TEST_PROMTOOL:-$(command -v promtool || true)}
PATH=$PATH:/usr/sbin:/sbin

debian_suite=bookworm
web=http://127.0.0.1:3003
prometheus_url=http://127.0.0.1:9090

say() { echo "compose: $*" >&2; }
give_up() {
    say "$*"
    exit 2
}

need() {
    [ "$(id -u)" = 0 ] || give_up "a container engine needs root"
    local tool
    for tool in dockerd docker docker-compose debootstrap iptables ip unshare flock curl python3; do
        command -v "$tool" >/dev/null || give_up "$tool is missing; 'cargo xtask compose-test' gets what Debian has"
    done
    for tool in "$spark" "$nats_server" "$prometheus" "$promtool"; do
        [ -x "$tool" ] || give_up "no program '$tool'; run 'cargo xtask compose-test'"
    done
}

# --- Before the namespaces: what needs the network ----------------------------------------------------------------

# The mirror of Debian packages that this machine itself uses.
mirror() {
    if [ -n "${SPARK_COMPOSE_MIRROR:-}" ]; then
        echo "$SPARK_COMPOSE_MIRROR"
        return
    fi
    local uri
    uri=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $debian_suite" 'Origin: Debian' 2>/dev/null | head -n 1)
    echo "${uri:-http://deb.debian.org/debian}"
}

# The files of a small Debian, once. busybox comes along for the stand-ins and stays out of the base image.
make_base() {
    [ -f "$work/base.tar" ] && [ -x "$work/busybox" ] && return
    say "making a Debian base image"
    rm -rf "$work/rootfs"
    debootstrap --variant=minbase --include=busybox-static "$debian_suite" "$work/rootfs" "$(mirror)" \
        >"$work/debootstrap.log" 2>&1 || give_up "debootstrap failed; see $work/debootstrap.log"
    cp "$work/rootfs/bin/busybox" "$work/busybox"
    tar --create --file "$work/base.tar.new" --directory "$work/rootfs" --one-file-system \
        --exclude='./bin/busybox' --exclude='./usr/bin/busybox' --exclude='./var/cache/apt/*' \
        --exclude='./var/lib/apt/lists/*' --exclude='./dev/*' .
    mv "$work/base.tar.new" "$work/base.tar" # under its own name only when it is whole
    rm -rf "$work/rootfs"
}

# --- The engine ---------------------------------------------------------------------------------------------------

start_engine() {
    mount -t tmpfs tmpfs /run # seen by nobody outside, and gone with the namespace
    export DOCKER_HOST=unix:///run/docker.sock DOCKER_CONFIG=/run/docker-client DOCKER_BUILDKIT=0
    export COMPOSE_PROJECT_NAME=spark-test COMPOSE_INTERACTIVE_NO_CLI=1
    mkdir -p "$DOCKER_CONFIG"
    # Nothing of an earlier run may decide this one: its volumes would hold its log.
    rm -rf "$work/engine" "$work/logs"
    ip link set lo up
    dockerd --data-root "$work/engine" --exec-root /run/docker --pidfile /run/docker.pid --host "$DOCKER_HOST" \
        --bridge none >"$work/dockerd.log" 2>&1 &
    engine=$!
    within 60 docker info || give_up "the engine does not start; see $work/dockerd.log"
    say "engine $(docker version --format '{{.Server.Version}}') on $(docker info --format '{{.Driver}}') is up"
}

stop_engine() {
    [ -n "${engine:-}" ] && kill "$engine" 2>/dev/null && wait "$engine" 2>/dev/null || true
    rm -rf "$work/engine" "$work/images"
}

# within SECONDS COMMAND...: tries until the command succeeds or the time is up.
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.5
    done
}

# --- Images -------------------------------------------------------------------------------------------------------

# The image that compose.yaml pins for a service.
image_of() {
    docker-compose config | python3 -c '
import sys
name, inside = sys.argv[1], None
for line in sys.stdin:
    if line.startswith("  ") and not line.startswith("   "):
        inside = line.strip().rstrip(":")
    elif inside == name and line.startswith("    image: "):
        print(line.split(None, 1)[1].strip())
' "$1"
}

# stand_in SERVICE PROGRAM...: an image with these programs and what a health check needs. The rest of its Dockerfile
# comes on standard input.
stand_in() {
    local service=$1 folder image
    shift
    folder=$work/images/$service
    mkdir -p "$folder"
    cp "$@" "$work/busybox" "$folder/"
    {
        echo "FROM debian:$debian_suite-slim"
        echo "COPY ${*##*/} /usr/local/bin/"
        echo "COPY busybox /usr/local/bin/wget"
        cat
    } >"$folder/Dockerfile"
    image=$(image_of "$service")
    [ -n "$image" ] || give_up "compose.yaml names no image for $service"
    build "$image" "$folder"
}

# build IMAGE FOLDER [OPTION...]
build() {
    local image=$1 folder=$2
    shift 2
    docker build --network none --tag "$image" "$@" "$folder" >>"$work/build.log" 2>&1 ||
        give_up "the image $image can't be built; see $work/build.log"
}

make_images() {
    say "making images"
    : >"$work/build.log"
    rm -rf "$work/images"
    docker import "$work/base.tar" "debian:$debian_suite-slim" >>"$work/build.log"
    stand_in nats "$nats_server" <<'EOF'
CMD ["nats-server"]
EOF
    # As the real image does: nobody's, with the data directory.
    stand_in prometheus "$prometheus" "$promtool" <<'EOF'
RUN mkdir /prometheus && chown 65534:65534 /prometheus
USER 65534
ENTRYPOINT ["prometheus"]
EOF
    local folder=$work/images/spark
    mkdir -p "$folder"
    cp "$spark" "$folder/spark"
    cp /etc/ssl/certs/ca-certificates.crt "$folder/" 2>/dev/null || : >"$folder/ca-certificates.crt"
    build "$(image_of web)" "$folder" --target prebuilt --file Dockerfile
}

# --- Checks -------------------------------------------------------------------------------------------------------

passed=0
failed=0

# check NAME COMMAND...: one line each, and the command's output when it fails.
check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
        echo "ok      $name"
        [ -z "$output" ] || sed 's/^/          /' <<<"$output"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        sed 's/^/          /' <<<"$output"
    fi
}

# eventually SECONDS COMMAND...: like `within`, and shows what the last attempt printed.
eventually() {
    local deadline=$((SECONDS + $1)) output status
    shift
    while true; do
        status=0
        output=$("$@" 2>&1) || status=$?
        [ "$status" != 0 ] && [ "$SECONDS" -lt "$deadline" ] || break
        sleep 1
    done
    echo "$output"
    return "$status"
}

# quietly COMMAND...: shows the output only when it fails.
quietly() {
    local output
    output=$("$@" 2>&1) || { echo "$output" && return 1; }
}

containers() { docker ps --all --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" "$@"; }

# Every container is there; those that stay run and are healthy, those that run once ended well.
all_healthy() {
    local wanted there name state health code bad=0
    wanted=$(docker-compose config --services | grep -cvx grafana) # the old docker-compose lists it without its profile
    there=$(containers --quiet | wc -l)
    [ "$there" = "$wanted" ] || { echo "$there containers, expected $wanted" && bad=1; }
    while read -r name state health code; do
        case "$name $state $health $code" in
        nats-init' exited none 0' | *' running healthy '*) ;;
        *) echo "$name: $state, health $health, exit code $code" && bad=1 ;;
        esac
    done < <(containers --quiet | xargs --no-run-if-empty docker inspect --format \
        '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.State.ExitCode}}')
    [ "$bad" = 0 ] && echo "$wanted of $wanted"
}

smoke_six() { "$spark" smoke --url "$web" | tee /dev/stderr | grep -qx 'smoke: 6/6'; }

gate_passes() { "$spark" gate --url "$web" --strict | tee /dev/stderr | grep -q '^gate: pass, 6/6 '; }

# Asks Prometheus; the rest is Python that gets the answer as `data` and exits with what is wrong.
prometheus_says() {
    curl --silent --show-error --fail --max-time 5 "$prometheus_url$1" | python3 -c "
import json, sys
data = json.load(sys.stdin)['data']
$2"
}

targets_up() {
    prometheus_says /api/v1/targets '
targets = sorted((t["labels"]["job"], t["health"], t["lastError"]) for t in data["activeTargets"])
for target in targets: print(*target)
jobs = {job for job, _, _ in targets}
wanted = {"prometheus", "spark-aggregator", "spark-probe", "spark-web"}
sys.exit(jobs != wanted or any(health != "up" for _, health, _ in targets))'
}

rules_loaded() {
    prometheus_says /api/v1/rules '
rules = [rule for group in data["groups"] for rule in group["rules"]]
bad = [(rule["name"], rule["health"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"]
for rule in bad: print(*rule)
print(len(rules), "rules")
sys.exit(not rules or bool(bad))'
}

# Every expression of every dashboard has data in the running Prometheus.
dashboards_have_data() { python3 tests/compose/dashboards.py "$prometheus_url" grafana/dashboards; }

# What the stack promises about its containers, as the engine sees them.
hardened() {
    containers --quiet | xargs docker inspect | python3 -c '
import json, sys
bad = []
for c in json.load(sys.stdin):
    name, host = c["Name"], c["HostConfig"]
    if not host["ReadonlyRootfs"]: bad.append(f"{name}: its root can be written")
    if host["CapDrop"] != ["ALL"] or host["CapAdd"]: bad.append(f"{name}: has capabilities")
    if "no-new-privileges:true" not in host["SecurityOpt"]: bad.append(f"{name}: can gain privileges")
    if not host["Memory"]: bad.append(f"{name}: has no memory limit")
    if "spark:" in c["Config"]["Image"] and c["Config"]["User"] in ("", "0", "root"): bad.append(f"{name}: is root")
    for port, published in (c["NetworkSettings"]["Ports"] or {}).items():
        bad += [f"{name}: {port} is open to others" for p in published or [] if p["HostIp"] != "127.0.0.1"]
print("\n".join(bad), end="")
sys.exit(bool(bad))'
}

# Each of Spark's services below 50 MiB, everything together below 300 MiB.
small() {
    docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' | python3 -c '
import re, sys
units, spark, total = {"B": 2**-20, "KiB": 2**-10, "MiB": 1, "GiB": 2**10}, 0, 0
for line in sys.stdin:
    print(line, end="")
    figure, unit = re.search(r" ([0-9.]+)([A-Za-z]+) /", line).groups()
    mib = float(figure) * units[unit]
    total += mib
    if not re.search("nats|prometheus", line): spark = max(spark, mib)
print(f"largest of Spark: {spark:.0f} MiB, all together: {total:.0f} MiB")
sys.exit(not total or spark >= 50 or total >= 300)'
}

# The log and the windows are in volumes.
survives_down_and_up() {
    local before after
    before=$(observations)
    { docker-compose down --timeout 30 && docker-compose up --detach --no-build; } >/dev/null 2>&1
    eventually 120 all_healthy
    after=$(observations)
    echo "observations: $before before, $after after"
    [ "$before" -gt 0 ] && [ "$after" -ge "$before" ]
}

observations() {
    curl --silent --fail --max-time 5 "$web/api/v1/log" | python3 -c 'import json, sys; print(json.load(sys.stdin)["observations"])'
}

keep_logs() {
    rm -rf "$work/logs"
    mkdir -p "$work/logs"
    docker-compose logs --no-color >"$work/logs/containers.log" 2>&1 || true
    containers >"$work/logs/containers.txt" 2>&1 || true
    cp "$work/dockerd.log" "$work/build.log" "$work/logs/" 2>/dev/null || true
    say "logs are in $work/logs"
}

check_files() {
    check "the compose file is valid" docker-compose --profile grafana config --quiet
    check "the stack's spark.toml is valid" quietly docker-compose run --rm --no-deps -T probe check
    check "Prometheus's configuration and rules are valid" quietly "$promtool" check config prometheus/prometheus.yml
    check "the rules do what they say" quietly "$promtool" test rules prometheus/tests/*.yml
}

check_stack() {
    check "docker-compose up" quietly docker-compose up --detach --no-build
    check "every container is healthy" eventually 120 all_healthy
    [ "$failed" = 0 ] || return 0 # the rest would only wait in vain
    check "smoke 6/6" eventually 30 smoke_six
    check "gate passes" eventually 120 gate_passes
    check "Prometheus's targets are up" eventually 60 targets_up
    check "Prometheus evaluates every rule" eventually 60 rules_loaded
    check "every dashboard expression has data" eventually 90 dashboards_have_data
    check "containers are hardened" hardened
    check "the stack is small" small
    check "observations survive down and up" survives_down_and_up
    check "gate passes again" eventually 120 gate_passes
}

inside() {
    trap stop_engine EXIT
    start_engine
    make_images
    say "checking"
    check_files
    check_stack
    [ "$failed" = 0 ] || keep_logs
    docker-compose down --volumes --timeout 10 >/dev/null 2>&1 || true
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}

if [ "${1:-}" = inside ]; then
    inside
else
    need
    mkdir -p "$work"
    exec 9>"$work/lock"
    flock --nonblock 9 || give_up "another run is under way in $work"
    make_base
    # --kill-child: when this script dies, the engine and every container die with it.
    exec unshare --net --mount --pid --fork --kill-child --mount-proc "${BASH_SOURCE[0]}" inside
fi
