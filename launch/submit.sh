#!/usr/bin/env bash
# Runs a config on a Ray cluster that is up, streams its log and exits with its outcome.
#   launch/submit.sh [--no-wait] CONFIG [--section.field value ...]
#
#   RAY_ADDRESS       the cluster's dashboard; default http://127.0.0.1:8265
#   RAYRL_COMMAND     rayrl's command; default grpo
#   RAYRL_RUNS        folder of runs on the cluster, seen by every machine of it. Default: the config's own if that is
#                     absolute, else runs/ of this checkout. (Relative, it would lie in the job's temporary folder.)
#   RAYRL_ENTRYPOINT  another shell command instead of rayrl, run with the same files and settings
#
# The checkout (at most 100 MiB) is uploaded, so the job runs the code and the plugins that are here; its root and the
# config's folder are on PYTHONPATH. Packages are the cluster's own. Ctrl-C stops the job.
# Exit: 0 the job succeeded, 1 it failed or was stopped, 2 wrong use or too large an upload, 3 no cluster,
# 130 interrupted.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
say() { echo "submit: $*" >&2; }
fail() { local code=$1; shift; say "$@"; exit "$code"; }
quoted() { local text=${1//\\/\\\\}; printf '"%s"' "${text//\"/\\\"}"; }

wait_for_end=true
if [ "${1:-}" = --no-wait ]; then wait_for_end=false; shift; fi
command=${RAYRL_COMMAND:-grpo}
if [ $# -eq 0 ] && [ -z "${RAYRL_ENTRYPOINT:-}" ]; then
    fail 2 "usage: launch/submit.sh [--no-wait] CONFIG [--section.field value ...]"
fi

# The job sees the upload: a config is named relative to its root.
folder=
arguments=()
if [ $# -gt 0 ]; then
    config=$1
    shift
    [ -f "$config" ] || fail 2 "config file '$config' does not exist"
    config=$(cd "$(dirname "$config")" && pwd -P)/$(basename "$config")
    case $config in
        "$root"/*) ;;
        *) fail 2 "$config lies outside $root, which is what is uploaded; copy it to configs/" ;;
    esac
    arguments=("${config#"$root"/}" "$@")
    folder=$(dirname "${config#"$root"/}")
    case " $* " in
        *" --run.dir "* | *" --run.dir="*) ;;
        *)
            if [ -n "${RAYRL_RUNS:-}" ] || ! grep -Eq "^ +dir: *[\"']?/" "$config"; then
                arguments+=(--run.dir "${RAYRL_RUNS:-$root/runs}")
            fi
            ;;
    esac
fi
if [ -n "${RAYRL_ENTRYPOINT:-}" ]; then
    entrypoint=(bash -c "$RAYRL_ENTRYPOINT" rayrl "${arguments[@]}")
else
    entrypoint=(python -m rayrl.cli "$command" "${arguments[@]}")
fi

ray=$root/.venv/bin/ray
[ -x "$ray" ] || ray=$(command -v ray) || fail 2 "no ray in .venv/bin or on PATH; run launch/setup.sh"
excludes='["/.git", "/.venv", "/runs", "__pycache__"]'
# Ray leaves out what .gitignore names. Its own default list is turned off, as it warns of each entry.
export RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES=
python=$(dirname "$ray")/python
[ -x "$python" ] || python=python3
"$python" "$root/launch/upload.py" "$root" "$excludes" || fail 2 "nothing was submitted"
address=${RAY_ADDRESS:-http://127.0.0.1:8265}
export RAY_API_SERVER_ADDRESS=$address RAY_ADDRESS=$address  # the first wins over the second and over --address
ask() { answer=$(timeout 60 "$ray" job list 2>&1); }
# `ray start` asks for tokens once ~/.ray/auth_token exists (Ray makes it by itself); its clients must be told to send it.
if ! ask && ! { [[ $answer = *"authentication token"* ]] && export RAY_AUTH_MODE=token && ask; }; then
    say "no Ray cluster answers at $address: $(tail -n 1 <<<"$answer")"
    fail 3 "start one (ray start --head) or name its dashboard: RAY_ADDRESS=http://HOST:8265"
fi

# On a cluster of this machine `python` is the checkout's; elsewhere this entry of PATH does not exist and harms nothing.
environment="{\"PATH\": $(quoted "$root/.venv/bin:\${PATH}"), \"PYTHONPATH\": $(quoted "$folder")"
# The driver hands its whole PYTHONPATH on to its actors: Ray must not take that for a conflict with this one.
environment+=', "RAY_OVERRIDE_JOB_RUNTIME_ENV": "1"}'
runtime_env="{\"excludes\": $excludes, \"env_vars\": $environment}"
job=rayrl-$(date +%Y%m%d-%H%M%S)-$$
submit=("$ray" job submit --submission-id "$job" --working-dir "$root" --runtime-env-json "$runtime_env")
if ! $wait_for_end; then exec "${submit[@]}" --no-wait -- "${entrypoint[@]}"; fi

# In the background, so that a signal reaches this shell at once; there SIGINT is ignored, so the log goes on to the end.
"${submit[@]}" -- "${entrypoint[@]}" &
stream=$!
# shellcheck disable=SC2317  # called by the trap
interrupted() {
    trap 'exit 130' INT TERM
    say "stopping job $job (again: leave at once)"
    stop=(timeout 60 "$ray" job stop "$job")
    if ! "${stop[@]}" >/dev/null 2>&1; then  # perhaps not submitted yet
        kill "$stream" 2>/dev/null || true
        "${stop[@]}" >/dev/null 2>&1 || say "job $job was not submitted yet, or cannot be stopped: see $ray job list"
    fi
    kill "$stream" 2>/dev/null || true
    exit 130
}
trap interrupted INT TERM
streamed=0
wait "$stream" || streamed=$?

# `ray job submit` also returns 0 for a stopped job, and for a log stream that broke off while the job goes on.
lost=0 told=false
while [ $lost -lt 12 ]; do
    status=$(timeout 60 "$ray" job status "$job" 2>&1) || status="unknown: $(tail -n 1 <<<"$status")"
    case $status in
        *"Job '$job' succeeded"*) exit 0 ;;
        *"Job '$job' failed"*) exit 1 ;;
        *"Job '$job' was stopped"*) fail 1 "job $job was stopped" ;;
        *"Status for job"*)
            $told || say "the log broke off, job $job goes on: waiting for its end (its log: $ray job logs -f $job)"
            told=true lost=0
            ;;
        *"does not exist"*) fail 1 "job $job was not submitted (ray job submit: exit code $streamed)" ;;
        *) lost=$((lost + 1)) ;;
    esac
    sleep 5 &
    wait $! || true
done
fail 1 "lost sight of job $job at $address: ${status##*$'\n'}"
