#!/usr/bin/env bash
# What only a GPU can show, in one go, for whoever has one: golden checkpoints, hashes, NVIDIA's checkers, figures of ours
# and of the peers that are there.
#   tools/bench/gpu.sh [--dry-run] [FILE]     writes FILE (gpu.json); --dry-run says what would be done, and needs no GPU
# $SHAPES names the models to measure ("2b 7b"). $PEERS is a folder as compare.py leaves it, with a llama.cpp that was built
# for CUDA and the models llama-SHAPE-TYPE.gguf. $PYTHON has torch ("python3").
# It takes build/Release/owl3-cuda.node and cuda_hashes as they are, so that they can be carried along, and builds them
# where they are absent.
set -euo pipefail
cd "$(dirname "$0")/../.."
dry=
if [ "${1:-}" = --dry-run ]; then
  dry=1
  shift
fi
out=${1:-gpu.json}
shapes=${SHAPES:-2b 7b}
python=${PYTHON:-python3}
llama=${PEERS:+$PEERS/llama.cpp/build/bin/llama-bench}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

gpus=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || true)
if [ -z "$dry" ]; then
  if [ -z "$gpus" ]; then
    echo "There is no NVIDIA GPU here (nvidia-smi names none), so nothing was measured and $out was not written." >&2
    exit 1
  fi
  [ -e build/Release/owl3-cuda.node ] && [ -e build/Release/cuda_hashes ] || npm run --silent build:cuda
  [ -e dist/index.js ] || npm run --silent build
  node bin/owl3.js doctor --json >"$parts/doctor.json"
  reason=$(node -p '
    const found = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
    const [, gpu] = Object.entries(found).find(([name]) => name.startsWith("device cuda")) ?? [];
    gpu?.ok ? "" : (gpu?.value ?? "owl3 lists none.")' "$parts/doctor.json")
  if [ -n "$reason" ]; then
    echo "The GPU can't be used, so nothing was measured and $out was not written: $reason" >&2
    exit 1
  fi
  echo "$gpus" >&2
fi

# step NAME FUNCTION: does one piece of the work. What fails is told and noted, and the others go on.
step() {
  echo "$1" >&2
  [ -z "$dry" ] || return 0
  local status=0
  "$2" "${@:3}" 2>"$parts/stderr" || status=$?
  [ "$status" -eq 0 ] || tail -n 20 "$parts/stderr" >&2
  printf '%s\t%s\n' "$1" "$status" >>"$parts/steps.txt"
}
left_out() {
  echo "$1 is left out: $2" >&2
  printf '%s\tleft out: %s\n' "$1" "$2" >>"$parts/steps.txt"
}

golden() {
  OWL3_TEST_DEVICE=cuda npx vitest run test/model/cuda-sim.test.ts --reporter=json --outputFile="$parts/tests.json" >&2
}
# Products of quantised weights have the bits that the simulation has.
hashes() {
  build/Release/cuda_hashes cuda >"$parts/hashes.txt"
  diff tools/bench/cuda_hashes.txt "$parts/hashes.txt" >&2
}
# Each checker runs an answer with a picture: the vision tower, which a cache would pass over, prefill and some steps.
sanitizer() {
  compute-sanitizer --tool "$1" --error-exitcode 99 node bin/owl3.js chat -m models/owl3-demo.gguf --device cuda \
    --temp 0 --max-tokens 4 --no-cache -q examples/print.png "Where is the triangle?" >&2
}
bench() {
  node bin/owl3.js bench --device cuda --shape "$1" -t "$2" --json >"$parts/bench-$1-$2.json"
}
libraries() {
  "$python" tools/bench/gpu_peers.py >"$parts/libraries.jsonl"
}
torch() {
  "$python" tools/bench/torch_peer.py bf16 vision prefill:74 prefill:512 decode --size "$1" --device cuda >"$parts/torch-$1.jsonl"
}
llama_cpp() {
  "$llama" -m "$PEERS/llama-$1-$2.gguf" -ngl 99 -p 74,512 -n 64 -o json >"$parts/llama-$1-$2.json"
}

step "golden checkpoints" golden
step "hashes of products" hashes
for tool in memcheck racecheck initcheck synccheck; do
  if command -v compute-sanitizer >/dev/null; then
    step "compute-sanitizer $tool" sanitizer "$tool"
  else
    left_out "compute-sanitizer $tool" "compute-sanitizer is not installed"
  fi
done
for shape in $shapes; do
  for type in q4_k_m q8_0; do step "owl3 bench, $shape as $type" bench "$shape" "$type"; done
done
if "$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
  step "cuBLASLt and FlashAttention" libraries
  for shape in $shapes; do step "PyTorch, $shape in bf16" torch "$shape"; done
else
  left_out "PyTorch with cuBLASLt and FlashAttention" "$python has no torch that sees a GPU"
fi
for shape in $shapes; do
  for type in q4_k_m q8_0; do
    if [ -n "$llama" ] && [ -x "$llama" ] && [ -e "$PEERS/llama-$shape-$type.gguf" ]; then
      step "llama.cpp, $shape as $type" llama_cpp "$shape" "$type"
    else
      left_out "llama.cpp, $shape as $type" "\$PEERS has no llama-bench, or no llama-$shape-$type.gguf"
    fi
  done
done
[ -z "$dry" ] || exit 0

commit=$(git rev-parse HEAD 2>/dev/null || true)
node tools/bench/gpu_report.mjs "$parts" "$out" "$gpus" "$commit"
echo "$out is written; please send it along with the name of the machine." >&2
