#!/usr/bin/env bash
# Everything from nothing: train (goes on where it stopped), convert, measure, held-out questions, model card. Needs the built owl3.
# Usage: make.sh RUN_FOLDER CHECKPOINT_FOLDER
set -euo pipefail
run=$1 checkpoint=$2 python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
model=$root/models/owl3-demo.gguf
"$python" "$here/train.py" "$run" --seed 1
"$python" "$here/export.py" "$run" "$checkpoint"
mkdir -p "$root/models"
node "$root/bin/owl3.js" convert "$checkpoint" -o "$model" --type q8_0
node "$root/bin/owl3.js" convert "$checkpoint" -o "$run/f32.gguf" --type f32
evaluate() { "$python" "$here/evaluate.py" "$run" --gguf "$model" --json "$run/$1.json" "${@:2}"; }
evaluate trained --packs 60
evaluate hidden --packs 20 --hidden
evaluate untrained --packs 5 --untrained
evaluate no-cut --packs 20 --no-cut
"$python" "$here/fixtures.py" "$run" "$model" "$root/test/fixtures/demo-eval"
node "$here/eval.mjs" "$model" --json "$run/eval.json" --also "checkpoint, f32, exact=$run/f32.gguf"
"$python" "$here/card.py" "$run" "$checkpoint" "$model" "$root/models/README.md"
