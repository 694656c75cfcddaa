#!/usr/bin/env bash
# A Ray cluster of several machines for as long as one command runs. Start this on every machine:
#   srun --nodes=2 --ntasks-per-node=1 launch/node.sh .venv/bin/rayrl grpo configs/maths/grpo.yaml
# or by any other means, with these set:
#
#   RAYRL_HEAD         address of the first machine. Slurm: the first of the job's
#   RAYRL_NODES        how many machines. Slurm: the job's
#   RAYRL_NODE_RANK    0 on the first machine, which runs the command. Slurm: SLURM_PROCID
#   RAYRL_PORT         of the cluster on the first machine; default 6379
#   RAYRL_DEADLINE_S   within which all machines must be there; default 600
#   RAYRL_RAY_OPTIONS  more words for `ray start` on this machine, such as --num-gpus=8, or on machines with several
#                      networks --node-ip-address=...
#
# The checkout, or a copy of it, must be at the same path on all machines, and run.dir a folder that all see. Where Ray
# asks for tokens (~/.ray/auth_token is there), that file must be the same on all.
# Exit: on the first machine the command's code; 2 wrong use, 3 machines that did not come. On the others 0 once the
# cluster was up and has ended, 3 if it never was.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
say() { echo "node: $*" >&2; }
fail() { local code=$1; shift; say "$@"; exit "$code"; }
[ $# -gt 0 ] || fail 2 "usage: launch/node.sh COMMAND [ARGUMENT ...], on every machine"

rank=${RAYRL_NODE_RANK:-${SLURM_PROCID:-}}
nodes=${RAYRL_NODES:-${SLURM_JOB_NUM_NODES:-}}
head=${RAYRL_HEAD:-}
if [ -z "$head" ] && [ -n "${SLURM_JOB_NODELIST:-}" ]; then
    head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
fi
[ -n "$head" ] || fail 2 "set RAYRL_HEAD to the address of the first machine"
[[ $rank =~ ^[0-9]+$ ]] || fail 2 "set RAYRL_NODE_RANK: 0 on the first machine, 1, 2, ... on the others (is '$rank')"
[[ $nodes =~ ^[1-9][0-9]*$ ]] || fail 2 "set RAYRL_NODES to the number of machines (is '$nodes')"
address=$head:${RAYRL_PORT:-6379}
deadline=${RAYRL_DEADLINE_S:-600}
ray=$root/.venv/bin/ray
[ -x "$ray" ] || ray=$(command -v ray) || fail 2 "no ray in .venv/bin or on PATH; run launch/setup.sh"
python=$(dirname "$ray")/python
[ -x "$python" ] || python=python3
read -ra options <<<"${RAYRL_RAY_OPTIONS:-}"

# A machine whose head is gone gives up after this, not after Ray's own minutes.
export RAY_gcs_rpc_server_reconnect_timeout_s=${RAY_gcs_rpc_server_reconnect_timeout_s:-20}
unset RAY_ADDRESS  # would be taken for a cluster to join
# Ray asks for tokens once this file is there (it makes it by itself), and must be told to send them.
[ ! -f ~/.ray/auth_token ] || export RAY_AUTH_MODE=${RAY_AUTH_MODE:-token}
ray_pid=
log=$(mktemp)
# shellcheck disable=SC2317  # called by the trap
stop() {
    trap - EXIT
    [ -z "$ray_pid" ] || { kill -TERM "$ray_pid" 2>/dev/null && wait "$ray_pid" 2>/dev/null; } || true
    rm -f "$log"
}
trap stop EXIT
trap 'exit 130' INT TERM

if [ "$rank" -ne 0 ]; then
    while [ $SECONDS -lt "$deadline" ]; do
        "$ray" start --address="$address" --block --disable-usage-stats "${options[@]}" > >(tee "$log" >&2) 2>&1 &
        ray_pid=$!
        wait "$ray_pid" || true
        ray_pid=
        if grep -q "Ray runtime started" "$log"; then say "the cluster at $address has ended"; exit 0; fi
        sleep 2 &  # the head is not there yet
        wait $! || true
    done
    fail 3 "no cluster came up at $address within $deadline s: $(tail -n 1 "$log")"
fi

for _ in 1 2 3; do  # Ray gives its processes half a minute, which a busy machine can miss
    "$ray" start --head --block --port="${address##*:}" --disable-usage-stats "${options[@]}" >&2 &
    ray_pid=$!
    whole=0
    "$python" "$root/launch/wait_for_nodes.py" "$address" "$nodes" "$deadline" "$ray_pid" || whole=$?
    if [ "$whole" -eq 0 ] || kill -0 "$ray_pid" 2>/dev/null; then break; fi
done
[ "$whole" -eq 0 ] || fail 3 "the cluster is not whole"
code=0
RAY_ADDRESS=$address "$@" || code=$?  # in the foreground, where Ctrl-C reaches it
exit "$code"
