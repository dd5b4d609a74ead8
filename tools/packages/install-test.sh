#!/usr/bin/env bash
# Installs the packed owl3 as a user would: an empty home, no compiler in PATH, the newest npm; then asks the first question.
#
#   npm run build:packages -- linux-x64 && tools/packages/install-test.sh [VERSION OF NPM]
#
# The tarballs of prebuilds/ come from a registry of the test's own (registry.mjs), everything else from that of npm.
# The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/../.."
npm_version=${1:-latest}
passed=0 failed=0
tmp=$(mktemp -d)
registry_pid=
trap '[ -z "$registry_pid" ] || kill "$registry_pid"; rm -rf "$tmp"' EXIT

# check WHAT COMMAND...: counts whether the command succeeds.
check() {
  local what=$1
  shift
  if "$@" >"$tmp/log" 2>&1; then
    echo "ok $what"
    passed=$((passed + 1))
  else
    echo "FAIL $what"
    tail -n 40 "$tmp/log"
    failed=$((failed + 1))
  fi
}
finish() {
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
  exit
}

# npm with nothing but node and a shell in PATH. What the network needs, certificates and proxies, stays.
mkdir "$tmp/bin" "$tmp/home" "$tmp/project"
for tool in node sh; do ln -s "$(command -v "$tool")" "$tmp/bin/$tool"; done
npm install --silent --no-audit --no-fund --prefix "$tmp/npm" "npm@$npm_version" || { echo "npm@$npm_version can't be fetched"; exit 1; }
node tools/packages/registry.mjs prebuilds >"$tmp/address" &
registry_pid=$!
for _ in $(seq 50); do [ -s "$tmp/address" ] || sleep 0.1; done
kept=()
for name in NODE_EXTRA_CA_CERTS http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  [ -z "${!name:-}" ] || kept+=("$name=${!name}")
done
user() { env -i PATH="$tmp/bin" HOME="$tmp/home" npm_config_registry="$(cat "$tmp/address")" "${kept[@]}" "$@"; }
npm() { user node "$tmp/npm/node_modules/npm/bin/npm-cli.js" "$@"; }
question=(chat "$tmp/project/node_modules/owl3/examples/shapes.png" -q "What is in this picture?")
answer="A large red circle at the top left, a small blue star in the center and a large green ring at the bottom right."
answers() { [ "$("$@" </dev/null 2>/dev/null)" = "$answer" ]; }

echo "npm $(npm --version), node $(user node --version)"
no_compiler() { ! user sh -c 'command -v c++ || command -v g++ || command -v clang++ || command -v cmake || command -v make'; }
check "no compiler is in PATH" no_compiler

echo '{ "name": "user", "version": "1.0.0", "type": "module" }' >"$tmp/project/package.json"
cd "$tmp/project" || exit 1
check "npm install owl3" npm install --no-audit --no-fund owl3
no_scripts() { ! grep -iE 'install.scripts?|blocked' "$tmp/log.install"; }
cp "$tmp/log" "$tmp/log.install"
check "nothing of it wants to run a script" no_scripts
check "the first question" answers user node node_modules/owl3/bin/owl3.js "${question[@]}"
cat >ask.mjs <<'JS'
import { Owl } from "owl3";
const owl = await Owl.open("node_modules/owl3/models/owl3-demo.gguf");
const question = [{ type: "image", path: process.argv[2] }, { type: "text", text: "\nWhat is in this picture?" }];
for await (const piece of owl.chat().ask(question)) process.stdout.write(piece.text);
await owl.dispose();
JS
check "the first question, as a library" answers user node ask.mjs "${question[1]}"
echo "installed: $(du -sm node_modules | cut -f1) MB in $(find node_modules -name package.json -path '*node_modules/*' | grep -cE 'node_modules/(@[^/]+/)?[^/@]+/package.json$') packages; owl3 itself $(du -sm node_modules/owl3 | cut -f1) MB, the engine $(du -sk node_modules/@owl3 2>/dev/null | cut -f1) kB"

check "npm install --global owl3" npm install --no-audit --no-fund --global --prefix "$tmp/global" owl3
check "the first question to the global owl3" answers user "$tmp/global/bin/owl3" "${question[@]}"
# npm links them to where man looks up to version 11.
check "its man pages" test -e "$tmp/global/lib/node_modules/owl3/dist/man/owl3-chat.1"

rm -rf node_modules/@owl3
sentence() {
  local said
  said=$(user node node_modules/owl3/bin/owl3.js "${question[@]}" 2>&1 </dev/null)
  [ $? -eq 1 ] && [ "$(wc -l <<<"$said")" -eq 1 ] && [[ $said == "owl3: the native engine is missing"*'"owl3 build"'* ]]
}
check "without the engine's package one sentence names owl3 build" sentence
finish
