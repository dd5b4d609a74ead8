#include "convert/conversion.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/checked.h"

namespace owl3::convert {
namespace {

constexpr int64_t piece_values = 1 << 18;  // a thread works on this many values at a time, and on at least a row
constexpr int64_t max_row_values = 1 << 26;

[[noreturn]] void fail_aborted() {
  throw Error(ErrorCode::invalid_argument, "the writer was aborted");
}

std::vector<gguf::TensorSpec> specs(const std::vector<TensorPlan>& tensors) {
  std::vector<gguf::TensorSpec> out;
  for (const TensorPlan& t : tensors) {
    const auto bad = [&](const char* what) {
      throw Error(ErrorCode::invalid_argument, "tensor " + t.spec.name + " " + what);
    };
    const std::vector<int64_t>&from = t.source.shape, &to = t.spec.shape;
    if (from.size() != to.size() || from.empty()) bad("must have as many dimensions as its source");
    for (size_t i = 0; i < from.size(); i++)
      if (from[i] < 1 || from[i] > to[i] || (i > 1 && from[i] != to[i]))
        bad("must be as large as its source, or have more rows or columns");
    if (to[0] > max_row_values) bad("has rows that are too long");
    out.push_back(t.spec);
  }
  return out;
}

int64_t row_count(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (size_t i = 1; i < shape.size(); i++) n *= shape[i];
  return n;
}

void check_values(const TensorPlan& t, const std::vector<float>& values, int64_t n) {
  const float limit = t.spec.type == DType::f16 ? 65520.0f : std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < n; i++)
    if (!(std::abs(values[static_cast<size_t>(i)]) < limit))
      throw Error(ErrorCode::bad_model, t.source.path + ": tensor " + t.source.name + " holds the value " +
                                            std::to_string(values[static_cast<size_t>(i)]) + ", which " +
                                            gguf::format(t.spec.type).name + " can't hold");
}

}  // namespace

struct Conversion::Buffers {
  std::vector<char> raw, packed;
  std::vector<float> values, widened;
};

Conversion::Conversion(const std::string& path, const std::vector<gguf::Entry>& entries,
                       std::vector<TensorPlan> tensors, int threads)
    : tensors_(std::move(tensors)), writer_(path, entries, specs(tensors_)), pool_(threads) {}

const gguf::InputFile& Conversion::input(const std::string& path) {
  std::unique_ptr<gguf::InputFile>& slot = inputs_[path];
  if (!slot) slot = std::make_unique<gguf::InputFile>(path);
  return *slot;
}

/// Writes rows [first, first + rows) of the stored tensor.
void Conversion::convert_rows(const TensorPlan& t, const gguf::InputFile& in, int64_t first, int64_t rows, Buffers& b) {
  const int64_t cols = t.spec.shape[0], source_cols = t.source.shape[0];
  const int64_t source_rows = std::clamp<int64_t>(row_count(t.source.shape) - first, 0, rows);  // others are zeros
  const uint64_t raw_row = gguf::row_bytes(t.source.type, source_cols), packed_row = gguf::row_bytes(t.spec.type, cols);
  b.raw.resize(raw_row * static_cast<uint64_t>(source_rows));
  in.read(checked_add(t.source.offset, raw_row * static_cast<uint64_t>(first), "source"), b.raw.data(), b.raw.size());
  const int64_t n = source_rows * source_cols;
  const uint64_t at = packed_row * static_cast<uint64_t>(first), bytes = packed_row * static_cast<uint64_t>(rows);
  const size_t index = static_cast<size_t>(&t - tensors_.data());
  const bool same_type = t.source.type == t.spec.type;
  if (same_type && gguf::quantised(t.spec.type) && cols == source_cols && rows == source_rows)
    return writer_.write(index, at, b.raw.data(), bytes);  // packed already: unpacking and packing would lose

  b.values.resize(static_cast<size_t>(n));
  gguf::dequantize_row(t.source.type, b.raw.data(), b.values.data(), n);
  check_values(t, b.values, n);
  const float* values = b.values.data();
  if (cols != source_cols || rows != source_rows) {
    b.widened.assign(static_cast<size_t>(rows * cols), 0.0f);
    for (int64_t r = 0; r < source_rows; r++)
      std::copy_n(values + r * source_cols, source_cols, b.widened.data() + r * cols);
    values = b.widened.data();
  }
  b.packed.resize(bytes);
  gguf::quantize_row(t.spec.type, values, b.packed.data(), rows * cols, isa_);
  writer_.write(index, at, b.packed.data(), bytes);
}

/// Fills a tensor with normal values of standard deviation 0.02 (around 1 in vectors that scale). The same piece_values
/// values repeat, so that packing them once is enough.
void Conversion::write_random(const TensorPlan& t) {
  const bool scales = t.spec.shape.size() == 1 && t.spec.name.ends_with(".weight");
  std::vector<float> values(piece_values);
  std::minstd_rand random;
  std::normal_distribution<float> normal(scales ? 1.0f : 0.0f, 0.02f);
  for (float& v : values) v = normal(random);
  std::vector<char> packed(gguf::row_bytes(t.spec.type, piece_values));
  gguf::quantize_row(t.spec.type, values.data(), packed.data(), piece_values, isa_);
  const uint64_t bytes = gguf::row_bytes(t.spec.type, t.spec.shape[0]) * static_cast<uint64_t>(row_count(t.spec.shape));
  for (uint64_t at = 0; at < bytes && !aborted_; at += packed.size()) {
    const uint64_t n = std::min<uint64_t>(packed.size(), bytes - at);
    writer_.write(static_cast<size_t>(&t - tensors_.data()), at, packed.data(), n);
    done_ += n;
  }
}

void Conversion::begin() {
  if (!begun_) writer_.begin();
  begun_ = true;
}

const TensorPlan& Conversion::write_next() {
  if (aborted_) fail_aborted();
  if (next_ == tensors_.size()) throw Error(ErrorCode::invalid_argument, "every tensor is written already");
  begin();
  const TensorPlan& t = tensors_[next_];
  if (t.source.path.empty()) {
    write_random(t);
    if (aborted_) fail_aborted();
    next_++;
    return t;
  }
  const gguf::InputFile& in = input(t.source.path);
  const int64_t rows = row_count(t.spec.shape), piece = std::max<int64_t>(1, piece_values / t.spec.shape[0]);
  const int64_t pieces = (rows + piece - 1) / piece;
  std::vector<Buffers> buffers(static_cast<size_t>(pool_.threads()));
  std::atomic<bool> failed = false;
  pool_.parallel_for(pieces, [&](int64_t i, int worker) {
    if (aborted_ || failed) return;
    try {
      const int64_t n = std::min(piece, rows - i * piece);
      convert_rows(t, in, i * piece, n, buffers[static_cast<size_t>(worker)]);
      done_ += gguf::row_bytes(t.spec.type, t.spec.shape[0]) * static_cast<uint64_t>(n);
    } catch (...) {
      failed = true;  // no thread starts a further piece
      throw;
    }
  });
  if (aborted_) fail_aborted();
  next_++;
  return t;
}

void Conversion::finish() {
  if (aborted_) fail_aborted();
  if (left() > 0)
    throw Error(ErrorCode::invalid_argument, "tensor " + tensors_[next_].spec.name + " is not written yet");
  begin();
  writer_.finish();
}

void Conversion::abort() {
  aborted_ = true;
  writer_.abort();
}

}  // namespace owl3::convert
