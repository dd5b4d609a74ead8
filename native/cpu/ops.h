// The operations on weights and rows behind the verbs of ops/backend.h (their contracts are there).
#pragma once
#include <memory>
#include <span>

#include "base/isa.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"
#include "ops/backend.h"

namespace owl3::cpu {

/// What an operation works with. Only one operation of a backend runs at a time.
struct Context {
  ThreadPool& pool;
  Scratch& scratch;
  Isa isa;
  ops::Precision precision;
  unsigned forms = 0;  ///< of activations that the matrices loaded so far want, a bit each (linear.cpp)
};

std::unique_ptr<ops::Matrix> load_matrix(Context& c, const ops::HostTensor& t);
void get_rows(Context& c, const ops::Matrix& w, std::span<const int32_t> ids, float* y);
void linear(Context& c, const ops::LinearParams& p);
void patchify(Context& c, const ops::PatchifyParams& p);

/// Grows the scratch of linear() to what `rows` rows of up to `cols` inputs need with the matrices loaded so far.
void reserve_linear(Context& c, int64_t rows, int64_t cols);

}  // namespace owl3::cpu
