#!/usr/bin/env bash
# How fast the registry serves, beside docker-registry and nginx (sendfile off), with the same files on one machine.
#
#   benches/registry.sh [BINARY]      about 7 minutes; RUNS and SECONDS_EACH change that
#
# The server runs on processor 0 and the client (wrk) on processor 1. What counts is answers for each second of the
# server's own processor time, which other work on the machine changes least. The last table is what to read: medians.
cd "$(dirname "$0")/.."
. scripts/lib.sh

RUNS=${RUNS:-5} SECONDS_EACH=${SECONDS_EACH:-3}
need wrk wrk
need docker-registry docker-registry
need nginx nginx-light
need curl curl
BINARY=${1:-$UNDISTRO}
[ -x "$BINARY" ] || build_undistro

WORK=$(mktemp -d)
PIDS=()
finish() {
    local pid
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$WORK"
}
trap finish EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
await() {
    local _
    for _ in $(seq 100); do curl -s -o /dev/null "$1" && return 0; sleep 0.1; done
    die "nothing answers at $1"
}

echo "# $(date -u +%Y-%m-%dT%H:%MZ), $(nproc) processors ($(grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs)), load $(cut -d' ' -f1-3 /proc/loadavg)"
echo "# $("$BINARY" --version), $(sha256sum "$BINARY" | cut -c1-16), ${BUILD:-release}; $(docker-registry --version 2>&1 | head -n 1); $(nginx -v 2>&1)"
echo "SKIP zot: it is in no package registry that is reached from here; nothing here says how we compare with it"
say "the files"
head -c 1000000 /dev/urandom >"$WORK/1MB"
head -c 100000000 /dev/urandom >"$WORK/100MB"
echo '{}' >"$WORK/config"
sum() { sha256sum "$1" | cut -d' ' -f1; }
cat >"$WORK/manifest" <<EOF
{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"sha256:$(sum "$WORK/config")","size":3},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","digest":"sha256:$(sum "$WORK/1MB")","size":1000000},{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","digest":"sha256:$(sum "$WORK/100MB")","size":100000000}]}
EOF

# push ADDRESS: the image, as every client pushes it.
push() {
    local file place
    for file in config 1MB 100MB; do
        place=$(curl -fsS -X POST -D - -o /dev/null "http://$1/v2/bench/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
        case $place in http*) ;; *) place="http://$1$place" ;; esac
        case $place in *\?*) place="$place&" ;; *) place="$place?" ;; esac
        curl -fsS -X PUT -T "$WORK/$file" -H 'Content-Type: application/octet-stream' "${place}digest=sha256:$(sum "$WORK/$file")" -o /dev/null
    done
    curl -fsS -X PUT --data-binary "@$WORK/manifest" -H 'Content-Type: application/vnd.docker.distribution.manifest.v2+json' \
        "http://$1/v2/bench/manifests/1" -o /dev/null
}

say "the servers"
taskset -c 0 "$BINARY" serve --listen 127.0.0.1:0 --store "$WORK/store" >"$WORK/undistro.out" 2>"$WORK/undistro.err" &
UNDISTRO_PID=$! && PIDS+=($!)
for _ in $(seq 100); do [ -s "$WORK/undistro.out" ] && break; sleep 0.1; done
UNDISTRO_AT=$(sed 's,http://,,' "$WORK/undistro.out")

DOCKER_AT=127.0.0.1:$(free_port)
cat >"$WORK/docker.yml" <<EOF
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $WORK/docker}, cache: {blobdescriptor: inmemory}}
http: {addr: "$DOCKER_AT"}
EOF
taskset -c 0 docker-registry serve "$WORK/docker.yml" >"$WORK/docker.log" 2>&1 &
DOCKER_PID=$! && PIDS+=($!)

NGINX_AT=127.0.0.1:$(free_port)
cat >"$WORK/nginx.conf" <<EOF
daemon off; master_process off; pid $WORK/nginx.pid; error_log $WORK/nginx.err;
events {}
http { access_log off; sendfile off; keepalive_requests 1000000; server { listen $NGINX_AT; root $WORK/www; } }
EOF
mkdir -p "$WORK/www/v2/bench/manifests" "$WORK/www/v2/bench/blobs"
cp "$WORK/manifest" "$WORK/www/v2/bench/manifests/1"
for file in 1MB 100MB; do cp "$WORK/$file" "$WORK/www/v2/bench/blobs/sha256:$(sum "$WORK/$file")"; done
chmod -R a+rX "$WORK"
taskset -c 0 nginx -c "$WORK/nginx.conf" -p "$WORK" >"$WORK/nginx.log" 2>&1 &
NGINX_PID=$! && PIDS+=($!)

await "http://$UNDISTRO_AT/v2/" && await "http://$DOCKER_AT/v2/" && await "http://$NGINX_AT/"
rss() { awk '/VmRSS/ {print $2 " kB"}' "/proc/$1/status"; }
echo "undistro $("$BINARY" --version); idle memory before any request: $(rss "$UNDISTRO_PID")"
push "$UNDISTRO_AT"
push "$DOCKER_AT"

# cpu PID: processor time of a process so far, in hundredths of a second.
cpu() { sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'; }

# answers WHAT: how many answers wrk got. Of the large blob by the bytes that came, since most are on their way at the end.
answers() {
    awk -v what="$1" '/requests in/ { n = $1; size = $5; unit = size; sub(/^[0-9.]+/, "", unit); size += 0
        if (unit ~ /^G/) size *= 1073741824; else if (unit ~ /^M/) size *= 1048576; else if (unit ~ /^K/) size *= 1024
        print what == "100MB" ? size / 1e8 : n }'
}

# measured NAME PID ADDRESS WHAT PATH CONNECTIONS: one line for each run.
measured() {
    local name=$1 pid=$2 address=$3 what=$4 path=$5 connections=$6 before after answers run
    for run in $(seq "$RUNS"); do
        before=$(cpu "$pid")
        answers=$(taskset -c 1 wrk -t1 -c"$connections" -d"${SECONDS_EACH}s" --timeout 30s \
            -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://$address$path" | tee -a "$WORK/wrk.log" \
            | answers "$what")
        after=$(cpu "$pid")
        awk -v answers="$answers" -v ticks=$((after - before)) -v what="$what" -v c="$connections" -v name="$name" -v run="$run" \
            -v seconds="$SECONDS_EACH" 'BEGIN { printf "%s %s %s %d: %.1f answers in %d s, %.2f s of the server = %.1f/cpu-s\n",
                what, c, name, run, answers, seconds, ticks / 100, ticks ? answers * 100 / ticks : 0 }'
    done
}

# pushed NAME PID ADDRESS: a blob of 100 MB that nobody has, in one request each time.
pushed() {
    local name=$1 pid=$2 address=$3 before after place run
    for run in $(seq "$RUNS"); do
        head -c 100000000 /dev/urandom >"$WORK/new"
        place=$(curl -fsS -X POST -D - -o /dev/null "http://$address/v2/bench/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
        case $place in http*) ;; *) place="http://$address$place" ;; esac
        case $place in *\?*) place="$place&" ;; *) place="$place?" ;; esac
        place="${place}digest=sha256:$(sum "$WORK/new")"
        before=$(cpu "$pid")
        taskset -c 1 curl -fsS -X PUT -T "$WORK/new" -H 'Content-Type: application/octet-stream' "$place" -o /dev/null
        after=$(cpu "$pid")
        awk -v ticks=$((after - before)) -v name="$name" -v run="$run" 'BEGIN { printf "push-100MB 1 %s %d: 1 answers, %.2f s of the server = %.1f/cpu-s\n",
            name, run, ticks / 100, ticks ? 100 / ticks : 0 }'
    done
}

say "measuring: $RUNS runs of $SECONDS_EACH s each"
for what in manifest 1MB 100MB; do
    case $what in manifest) path=/v2/bench/manifests/1 ;; *) path=/v2/bench/blobs/sha256:$(sum "$WORK/$what") ;; esac
    for connections in 1 16 64; do
        measured undistro "$UNDISTRO_PID" "$UNDISTRO_AT" $what "$path" $connections
        measured docker-registry "$DOCKER_PID" "$DOCKER_AT" $what "$path" $connections
        measured nginx "$NGINX_PID" "$NGINX_AT" $what "$path" $connections
    done
done | tee "$WORK/results"
{ pushed undistro "$UNDISTRO_PID" "$UNDISTRO_AT"; pushed docker-registry "$DOCKER_PID" "$DOCKER_AT"; } | tee -a "$WORK/results"
if grep -E 'Non-2xx|Socket errors' "$WORK/wrk.log"; then note "wrk met errors: see above"; fi

say "medians for each second of the server's processor time, and what they are of the others'"
awk '{ key = $1 " " $2; sub(/:$/, "", $4); value = $0; sub(/.* = /, "", value); sub("/cpu-s", "", value)
       all[key, $3] = all[key, $3] " " value; if (!(key in seen)) { seen[key] = 1; order[++n] = key } }
     function median(text, list, count, i, j, t) { count = split(text, list, " ")
       for (i = 1; i <= count; i++) for (j = i + 1; j <= count; j++) if (list[j] + 0 < list[i] + 0) { t = list[i]; list[i] = list[j]; list[j] = t }
       return list[int((count + 1) / 2)] }
     END { for (i = 1; i <= n; i++) { u = median(all[order[i], "undistro"]); d = median(all[order[i], "docker-registry"]); g = median(all[order[i], "nginx"])
       printf "%-12s undistro %10.1f   docker-registry %10.1f (x %.1f)   nginx %10.1f (%.0f %%)\n", order[i], u, d, d ? u / d : 0, g, g ? 100 * u / g : 0 } }' "$WORK/results"
echo "memory of undistro after it: $(rss "$UNDISTRO_PID"); of docker-registry: $(rss "$DOCKER_PID")"
