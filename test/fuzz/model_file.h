// A tiny model's GGUF file in memory, any of whose keys, counts and tensors an input may change.
#pragma once
#include <string>
#include <vector>

#include "gguf/gguf.h"
#include "input.h"
#include "support/tiny_model.h"

namespace owl3::fuzz {

class ModelFile {
 public:
  explicit ModelFile(const test::TinyModel& model);
  /// Makes one change that the input chooses.
  void change(Input& in);
  /// The file's bytes.
  std::string bytes() const;

 private:
  struct Key {
    std::string name, value;  // the value with its type in front
  };
  struct Tensor {
    std::string name;
    std::vector<uint64_t> shape;
    uint32_t type;
    uint64_t offset;
  };
  Key& key(Input& in) { return keys_[in.below(keys_.size())]; }
  Tensor& tensor(Input& in) { return tensors_[in.below(tensors_.size())]; }
  static std::string value(Input& in);
  void add_key(Input& in);
  void change_tensor(Input& in);

  uint32_t version_ = 3;
  uint64_t more_keys_ = 0, more_tensors_ = 0;  // added to the true counts
  size_t cut_ = 0;                             // bytes that the end lacks
  std::vector<Key> keys_;
  std::vector<Tensor> tensors_;
  std::string data_;
};

/// A model of a single layer in each part.
inline test::TinyModel one_layer(model::HyperKind kind = model::HyperKind::fused) {
  test::TinyModel m(kind);
  m.integers("block_count", 1), m.integers("vision.block_count", 1), m.hyper({0});
  std::erase_if(m.tensors, [](const gguf::TensorSpec& t) {
    return t.name.starts_with("blk.1.") || t.name.starts_with("blk.2.") || t.name.starts_with("v.blk.1.");
  });
  return m;
}

namespace detail {

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
inline void put_text(std::string& out, const std::string& text) {
  put<uint64_t>(out, text.size());
  out += text;
}
constexpr size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};  // of the kinds of scalars; strings and arrays: 0

/// Reads well-formed bytes.
struct Reader {
  const char* at;
  template <class T>
  T take() {
    T value;
    std::memcpy(&value, at, sizeof value);
    at += sizeof value;
    return value;
  }
  std::string text() {
    const auto n = take<uint64_t>();
    at += n;
    return std::string(at - n, n);
  }
  void skip(uint32_t kind) {
    if (kind == static_cast<uint32_t>(gguf::Kind::string))
      text();
    else
      at += sizes[kind];
  }
};

}  // namespace detail

inline ModelFile::ModelFile(const test::TinyModel& model) {
  const auto path = model.write();
  const auto file = gguf::File::open(*path);
  const char* const start = reinterpret_cast<const char*>(file->data(file->tensors()[0])) - file->tensors()[0].offset;
  detail::Reader in{start + 8};
  const auto tensors = in.take<uint64_t>(), keys = in.take<uint64_t>();
  for (uint64_t i = 0; i < keys; i++) {
    std::string name = in.text();
    const char* const value = in.at;
    const auto kind = in.take<uint32_t>();
    if (kind == static_cast<uint32_t>(gguf::Kind::array)) {
      const auto element = in.take<uint32_t>();
      for (auto n = in.take<uint64_t>(); n > 0; n--) in.skip(element);
    } else {
      in.skip(kind);
    }
    keys_.push_back({std::move(name), std::string(value, in.at)});
  }
  const uint64_t data = file->tensors()[0].offset;
  for (uint64_t i = 0; i < tensors; i++) {
    const gguf::Tensor& t = file->tensors()[i];
    tensors_.push_back({t.name, {t.shape.begin(), t.shape.end()}, static_cast<uint32_t>(t.type), t.offset - data});
  }
  data_.assign(start + data, file->file_bytes() - data);
}

inline std::string ModelFile::bytes() const {
  std::string out = "GGUF";
  out.reserve(data_.size() + 8192);
  detail::put(out, version_);
  detail::put<uint64_t>(out, tensors_.size() + more_tensors_);
  detail::put<uint64_t>(out, keys_.size() + more_keys_);
  for (const Key& k : keys_) detail::put_text(out, k.name), out += k.value;
  for (const Tensor& t : tensors_) {
    detail::put_text(out, t.name);
    detail::put(out, static_cast<uint32_t>(t.shape.size()));
    for (const uint64_t n : t.shape) detail::put(out, n);
    detail::put(out, t.type);
    detail::put(out, t.offset);
  }
  out.resize((out.size() + 31) / 32 * 32);
  out += data_;
  out.resize(out.size() - std::min(cut_, out.size()));
  return out;
}

/// A value of any kind with its type, or what only looks like one.
inline std::string ModelFile::value(Input& in) {
  using gguf::Kind;
  std::string out;
  const auto scalar = [&](Kind kind) {
    const size_t size = kind <= Kind::f64 ? detail::sizes[static_cast<size_t>(kind)] : 1;
    if (kind == Kind::string) {
      static const std::string texts[] = {"", "mplugowl3", "gated_head", "gated_channel", "fused", "v2", "\x1b[2J"};
      const size_t i = in.below(std::size(texts) + 1);
      if (i < std::size(texts)) return detail::put_text(out, texts[i]);
      detail::put(out, in.integer());  // a length alone
    } else if (kind == Kind::f32) {
      detail::put(out, static_cast<float>(in.number()));
    } else if (kind == Kind::f64) {
      detail::put(out, in.number());
    } else {
      const uint64_t integer = in.integer();
      out.append(reinterpret_cast<const char*>(&integer), size);
    }
  };
  static constexpr Kind likely[] = {Kind::u32, Kind::u32, Kind::f32, Kind::i32, Kind::u64, Kind::i64, Kind::string};
  const auto any_kind = [&] {
    const size_t i = in.below(std::size(likely) + 14);
    return i < std::size(likely) ? likely[i] : static_cast<Kind>(i - std::size(likely));
  };
  Kind kind = any_kind();
  detail::put(out, kind);
  if (kind != Kind::array) return scalar(kind), out;
  kind = any_kind();
  detail::put(out, kind);
  const size_t count = in.below(6);
  const uint8_t wrong = in.byte();
  detail::put<uint64_t>(out, wrong < 240 ? count : in.integer());
  for (size_t i = 0; i < count; i++) scalar(kind);
  return out;
}

inline void ModelFile::add_key(Input& in) {
  static const std::string names[] = {"mplugowl3.vision.crop_size",
                                      "mplugowl3.hyper_attention.kind",
                                      "mplugowl3.hyper_attention.media_offset",
                                      "tokenizer.ggml.tokens",
                                      "tokenizer.ggml.eos_token_id",
                                      "tokenizer.ggml.padding_token_id",
                                      "general.alignment",
                                      "general.file_type",
                                      ""};
  const std::string& name = names[in.below(std::size(names))];
  keys_.push_back({name, value(in)});
}

inline void ModelFile::change_tensor(Input& in) {
  Tensor& t = tensor(in);
  switch (in.below(8)) {
    case 0:
      if (!t.shape.empty()) t.shape[in.below(t.shape.size())] = in.integer();
      break;
    case 1:
      t.type = in.byte() % 44;
      break;
    case 2:
      t.offset = in.integer() * 32;
      break;
    case 3:
      t.offset = in.integer();
      break;
    case 4:
      t.shape.resize(in.byte() % 6, 1);
      break;
    case 5:
      t.name = tensor(in).name;
      break;
    case 6: {  // damaged values
      const size_t at = in.below(data_.size() / 4);
      const float v = static_cast<float>(in.number());
      std::memcpy(data_.data() + at * 4, &v, sizeof v);
      break;
    }
    default: {
      // The gates and matrices of other releases, and ones that nobody reads
      static const std::string names[] = {"blk.0.attn_v_gate.weight", "blk.0.attn_v_gate.bias", "output.weight", "x"};
      Tensor added = t;
      added.name = names[in.below(std::size(names))];
      added.offset = data_.size();
      if (in.byte() % 2) added.shape = {16};
      data_.append(4096, '\0');
      tensors_.push_back(std::move(added));
    }
  }
}

inline void ModelFile::change(Input& in) {
  switch (in.below(12)) {
    case 0:
    case 1:
    case 2:
      key(in).value = value(in);
      break;
    case 3: {  // a number of the same kind
      Key& k = key(in);
      const uint64_t number = in.integer();
      if (k.value.size() == 8) std::memcpy(k.value.data() + 4, &number, 4);
      break;
    }
    case 4:
      if (keys_.size() > 1) keys_.erase(keys_.begin() + static_cast<int64_t>(in.below(keys_.size())));
      break;
    case 5:
      key(in).name = key(in).name;
      break;
    case 6:
      add_key(in);
      break;
    case 7:
      if (tensors_.size() > 1) tensors_.erase(tensors_.begin() + static_cast<int64_t>(in.below(tensors_.size())));
      break;
    case 8: {
      const uint64_t number = in.integer();
      const size_t what = in.below(4);
      if (what == 0) version_ = static_cast<uint32_t>(number);
      if (what == 1) more_keys_ = number;
      if (what == 2) more_tensors_ = number;
      if (what == 3) cut_ = in.below(1 << 14);
      break;
    }
    default:
      change_tensor(in);
  }
}

}  // namespace owl3::fuzz
