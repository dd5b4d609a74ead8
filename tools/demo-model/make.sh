#!/usr/bin/env bash
# Everything from nothing: train (goes on where it stopped), export, convert, held-out questions, tables. Usage: make.sh RUN_FOLDER CHECKPOINT_FOLDER
set -euo pipefail
run=$1 checkpoint=$2 python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
"$python" "$here/train.py" "$run" --seed 1
"$python" "$here/export.py" "$run" "$checkpoint"
"$python" "$here/evaluate.py" "$run" --packs 60 | tee "$run/trained.txt"
"$python" "$here/evaluate.py" "$run" --packs 20 --blind | tee "$run/blind.txt"
"$python" "$here/evaluate.py" "$run" --packs 5 --untrained | tee "$run/untrained.txt"
"$python" "$here/evaluate.py" "$run" --packs 20 --no-cut | tee "$run/no-cut.txt"
"$python" "$here/fixtures.py" "$run" "$root/test/fixtures/demo-eval"
mkdir -p "$root/models"
node "$root/bin/owl3.js" convert "$checkpoint" -o "$root/models/owl3-demo.gguf" --type q8_0
node "$here/eval.mjs" "$root/models/owl3-demo.gguf"
