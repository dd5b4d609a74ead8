#!/usr/bin/env bash
# llama.cpp for this machine, from the source that the npm package node-llama-cpp carries (no other download).
#   tools/bench/build_llama_cpp.sh FOLDER      leaves FOLDER/llama.cpp/build/bin; needs git, npm, CMake and a compiler
# $GGML: options that choose instruction sets, instead of those that are best here.
set -euo pipefail
folder=${1:?a folder to work in}
version=${NODE_LLAMA_CPP:-3.22.1}
mkdir -p "$folder"
cd "$folder"
if [ ! -e llama.cpp ]; then
  npm pack --silent "node-llama-cpp@$version"
  tar xzf "node-llama-cpp-$version.tgz" package/llama/gitRelease.bundle
  git clone --quiet package/llama/gitRelease.bundle llama.cpp
  rm -r package
fi
cmake -S llama.cpp -B llama.cpp/build -DCMAKE_BUILD_TYPE=Release ${GGML:--DGGML_NATIVE=ON} -DGGML_CCACHE=OFF -DLLAMA_CURL=OFF \
  -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF
cmake --build llama.cpp/build --parallel "${JOBS:-2}" --target llama-bench llama-mtmd-cli
