// Tensors of a changed model file, copied and packed into another one: it must be refused, or hold the same tensors in
// the types and shapes that were asked for, without a number that is not finite. Nothing may be left beside it.
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "convert/conversion.h"
#include "model_file.h"

using namespace owl3;
using fuzz::Input;
using fuzz::require;

namespace {

/// A folder of this process in memory, which goes with it.
struct Folder {
  std::string path = "/dev/shm/owl3-fuzz-" + std::to_string(getpid());
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<int64_t>(bytes.size()));
}

std::vector<convert::TensorPlan> plans(const gguf::File& file, const std::string& path, Input& in) {
  std::vector<convert::TensorPlan> out;
  const size_t some = 1 + in.below(4), first = in.below(file.tensors().size());
  for (size_t i = 0; i < some && first + i < file.tensors().size(); i++) {
    const gguf::Tensor& t = file.tensors()[first + i];
    convert::TensorPlan plan{{t.name, gguf::formats()[in.below(gguf::formats().size())].type, t.shape},
                             {path, t.name, t.type, t.shape, t.offset}};
    if (in.byte() % 2) plan.spec.shape[0] = (t.shape[0] + 255) / 256 * 256;
    if (plan.spec.shape.size() > 1 && in.byte() % 4 == 0) plan.spec.shape[1] += 3;
    if (in.byte() % 16 == 0) plan.source.offset = in.integer();
    if (in.byte() % 16 == 0) plan.source.shape[0] = static_cast<int64_t>(in.integer());
    out.push_back(std::move(plan));
  }
  return out;
}

void check(const std::string& path, const std::vector<convert::TensorPlan>& plan) {
  const auto file = gguf::File::open(path);
  require(file->tensors().size() == plan.size());
  for (const convert::TensorPlan& p : plan) {
    const gguf::Tensor* t = file->find(p.spec.name);
    require(t != nullptr && t->type == p.spec.type && t->shape == p.spec.shape);
    std::vector<float> row(static_cast<size_t>(t->cols()));
    gguf::dequantize_row(t->type, file->data(*t), row.data(), t->cols());
    const bool copied = gguf::quantised(p.source.type) && p.source.type == p.spec.type;
    for (const float v : row) require(copied || std::isfinite(v));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  static const fuzz::ModelFile base(fuzz::one_layer());
  Input in(data, size);
  fuzz::ModelFile changed = base;
  for (int changes = in.byte() % 3; changes > 0; changes--) changed.change(in);
  const std::string bytes = changed.bytes(), source = folder.path + "/in", path = folder.path + "/out";
  bool written = false;
  try {
    const auto file = gguf::File::from_memory("fuzz", bytes);
    write(source, bytes);
    const std::vector<convert::TensorPlan> plan = plans(*file, source, in);
    // Larger ones would be right, and slow.
    for (const convert::TensorPlan& p : plan) {
      int64_t values = 1;
      for (const int64_t n : p.spec.shape)
        if (n < 1 || __builtin_mul_overflow(values, n, &values) || values > 1 << 20) return 0;
    }
    convert::Conversion conversion(path, {}, plan, 1);
    while (conversion.left() > 0) conversion.write_next();
    conversion.finish();
    written = true;
    check(path, plan);
  } catch (const Error& e) {
    require(e.code == ErrorCode::bad_model || (!written && e.code == ErrorCode::invalid_argument) ||
            (!written && e.code == ErrorCode::unreadable));
  }
  require(!std::filesystem::exists(path + ".partial") && std::filesystem::exists(path) == written);
  std::filesystem::remove(path);
  return 0;
}
