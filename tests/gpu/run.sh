#!/usr/bin/env bash
# On a machine with a GPU, Python and torch: is the engine right there, how fast, how many streams. Tables to OUT/tables.md.
# README.md beside this tells how; without a network it takes what wheels.sh fetched elsewhere.
#
#   tests/gpu/run.sh OUT [parity|precision|engine|peers|article|load ...]     default: all, in some eight minutes
#
# WHEELS (.whl), MODEL (weights of the full size; made from a seed where they are not there), WORKERS (8), CLIENTS to begin with (600),
# SECONDS_SPOKEN by each (20), STREAMER_PRECISION as for the server.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=$(realpath -m "${1:?where to write the tables}")
shift
steps=("${@:-all}")
wheels=${WHEELS:-.whl} model=${MODEL:-${TMPDIR:-/tmp}/streamer-full-size}
mkdir -p "$out"
if compgen -G "$wheels/*.whl" >/dev/null; then
    site=${TMPDIR:-/tmp}/streamer-site
    [[ -d $site ]] || python3 -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target "$site" "$wheels"/*.whl || exit 1
    export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
    python3 -c 'import moonshine_voice' 2>/dev/null || PYTHONPATH=$PYTHONPATH:$(realpath "$wheels/speech")
fi
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
failed=()

wanted() { [[ " ${steps[*]} " == *" $1 "* || " ${steps[*]} " == *" all "* ]]; }

step() { # NAME SECONDS COMMAND...: its table joins the others, and what else it says is kept
    local name=$1 limit=$2 began=$SECONDS
    shift 2
    printf '\n## %s\n\n' "$name" >>"$out/tables.md"
    timeout "$limit" "$@" 2>"$out/$name.log" | tee -a "$out/tables.md"
    local code=${PIPESTATUS[0]}
    ((code == 0)) || failed+=("$name ($code)")
    echo "$name: exit code $code after $((SECONDS - began)) s" | tee -a "$out/$name.log"
}

bench() { # NAME SECONDS ARGUMENTS...
    local name=$1 limit=$2
    shift 2
    step "$name" "$limit" python3 -m streamer bench "$@" --json "$out/$name.json" --table
}

{ nvidia-smi --query-gpu=name,driver_version --format=csv,noheader; python3 -c 'import torch; print("torch", torch.__version__)'; } | tee "$out/tables.md"
[[ -f $model/model.pt ]] || python3 -m streamer bench weights "$model" || exit 1
# Warnings of packages that nobody pinned are no failure here.
wanted parity && step parity 120 python3 -m pytest tests/engine/test_packed.py tests/engine/test_packing.py -q -o filterwarnings=default
wanted precision && bench precision 90 precision --model "$model" miniature
wanted engine && bench engine 120 engine --model "$model" --device cuda --precision float32 tf32 bfloat16 --seconds 0.2 \
    --batch 1 4 16 64 128 256 --length-s 1 2.5 5 10 30
wanted engine && bench engine-unread 90 engine --model "$model" --device cuda --precision tf32 bfloat16 --unread --seconds 0.2 \
    --batch 64 128 256 --length-s 1 2.5 5
wanted peers && bench peers 120 peers --model "$model" --device cuda --servers --segments 96 --turns 3 --batch 16 64
wanted article && bench article 90 load --article --model "$model" --device cuda --workers 2
wanted load && bench load 240 load --find-capacity --model "$model" --device cuda --workers "${WORKERS:-8}" \
    --clients "${CLIENTS:-600}" --seconds "${SECONDS_SPOKEN:-20}" --limit 4000
((${#failed[@]} == 0)) || { echo "not as it should be: ${failed[*]}; see the logs in $out" >&2; exit 1; }
