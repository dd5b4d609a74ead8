#!/usr/bin/env bash
# What only a GPU can show, in one go, for whoever has one: golden checkpoints, NVIDIA's checkers and figures.
#   tools/bench/gpu.sh [FILE]     writes FILE (gpu.json); $SHAPES names the models to measure ("2b 7b")
# It takes build/Release/owl3-cuda.node as it is, so that it can be carried along, and builds it where it is absent.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-gpu.json}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

gpus=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || true)
if [ -z "$gpus" ]; then
  echo "There is no NVIDIA GPU here (nvidia-smi names none), so nothing was measured and $out was not written." >&2
  exit 1
fi
[ -e build/Release/owl3-cuda.node ] || npm run --silent build:cuda
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

echo "golden checkpoints" >&2
OWL3_TEST_DEVICE=cuda npx vitest run test/model/cuda-sim.test.ts --reporter=json --outputFile="$parts/tests.json" >&2 || true

# Each checker runs an answer with a picture: the vision tower, which a cache would pass over, prefill and some steps.
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck initcheck synccheck; do
    echo "compute-sanitizer $tool" >&2
    status=0
    compute-sanitizer --tool "$tool" --error-exitcode 99 node bin/owl3.js chat -m models/owl3-demo.gguf --device cuda \
      --temp 0 --max-tokens 4 --no-cache -q examples/print.png "Where is the triangle?" >"$parts/$tool.txt" 2>&1 || status=$?
    echo "$tool $status" >>"$parts/sanitizer.txt"
    [ "$status" -eq 0 ] || tail -n 40 "$parts/$tool.txt" >&2
  done
else
  echo "compute-sanitizer is not installed; its checks are left out" >&2
fi

for shape in ${SHAPES:-2b 7b}; do
  for type in q4_k_m q8_0; do
    echo "owl3 bench, $shape as $type" >&2
    node bin/owl3.js bench --device cuda --shape "$shape" -t "$type" --json >"$parts/bench-$shape-$type.json"
  done
done

commit=$(git rev-parse HEAD 2>/dev/null || true)
node -e '
  const fs = require("fs");
  const [parts, out, gpus, commit] = process.argv.slice(1);
  const read = (name) => fs.readFileSync(`${parts}/${name}`, "utf8");
  const { numPassedTests: passed, numFailedTests: failed, testResults } = JSON.parse(read("tests.json"));
  const failures = testResults.flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === "failed")
    .map(({ fullName, failureMessages }) => ({ test: fullName, message: failureMessages[0]?.split("\n")[0] }));
  const sanitizer = fs.existsSync(`${parts}/sanitizer.txt`)
    ? Object.fromEntries(read("sanitizer.txt").trim().split("\n").map((line) => line.split(" ")).map(([tool, code]) => [tool, code === "0" ? "clean" : `exit code ${code}`]))
    : "not installed";
  const bench = fs.readdirSync(parts).filter((name) => name.startsWith("bench-")).map((name) => ({ run: name.slice(6, -5), ...JSON.parse(read(name)) }));
  const result = { date: new Date().toISOString(), commit, gpus: gpus.trim().split("\n"), doctor: JSON.parse(read("doctor.json")), tests: { passed, failed, failures }, sanitizer, bench };
  fs.writeFileSync(out, `${JSON.stringify(result, null, 2)}\n`);
' "$parts" "$out" "$gpus" "$commit"
echo "$out is written; please send it along with the name of the machine." >&2
