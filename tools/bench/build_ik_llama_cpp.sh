#!/usr/bin/env bash
# ik_llama.cpp for this machine (no package carries its source, so it comes from a git repository).
#   tools/bench/build_ik_llama_cpp.sh FOLDER [GIT]   leaves FOLDER/ik_llama.cpp/build/bin/llama-bench; needs git, CMake and a compiler
# $GGML: options that choose instruction sets, instead of those that are best here.
set -euo pipefail
folder=${1:?a folder to work in}
git=${2:-https://github.com/ikawrakow/ik_llama.cpp}
mkdir -p "$folder"
cd "$folder"
[ -e ik_llama.cpp ] || git clone --quiet --depth 1 "$git" ik_llama.cpp
# Attention kernels for quantised KV caches take long to compile, and nothing here uses them.
cmake -S ik_llama.cpp -B ik_llama.cpp/build -DCMAKE_BUILD_TYPE=Release ${GGML:--DGGML_NATIVE=ON} -DGGML_CCACHE=OFF -DGGML_IQK_FA_ALL_QUANTS=OFF \
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF
cmake --build ik_llama.cpp/build --parallel "${JOBS:-2}" --target llama-bench
