#include "model/session.h"

#include <algorithm>
#include <set>

namespace owl3::model {
namespace {

[[noreturn]] void invalid(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, what);
}

SessionOptions checked(const Config& c, const SessionOptions& o) {
  if (o.context < 1 || o.context > c.context_length)
    invalid("a context of " + std::to_string(o.context) + " positions: it must be between 1 and the model's " +
            std::to_string(c.context_length));
  if (o.max_rows < 1) invalid("a pass must be allowed at least one row");
  if (o.max_pages < 0) invalid("the number of pages must not be negative");
  return o;
}

}  // namespace

Session::Session(std::shared_ptr<Model> model, const SessionOptions& options)
    : model_(std::move(model)),
      options_(checked(model_->config(), options)),
      cache_(model_->config(), model_->stages(), options.kv_type) {}

const Sequence& Session::at(int32_t sequence) const {
  const auto found = sequences_.find(sequence);
  if (found == sequences_.end()) invalid("there is no sequence " + std::to_string(sequence));
  return *found->second;
}

int32_t Session::create() {
  sequences_[next_] = std::make_unique<Sequence>(cache_);
  return next_++;
}

int32_t Session::fork(int32_t sequence) {
  sequences_[next_] = at(sequence).fork();
  return next_++;
}

void Session::remove(int32_t sequence) {
  at(sequence);
  sequences_.erase(sequence);
}

void Session::truncate(int32_t sequence, int32_t length) {
  Sequence& s = at(sequence);
  if (length < 0 || length > s.length())
    invalid("a sequence of " + std::to_string(s.length()) + " positions can't be cut to " + std::to_string(length));
  s.truncate(length);
}

std::vector<Logits> Session::advance(std::span<const Part> parts) {
  check(parts);
  const std::lock_guard lock(model_->run_mutex());
  std::vector<Logits> logits;
  try {
    logits = compute(parts);
  } catch (...) {  // forget what was prepared, and new crops
    for (const Part& part : parts) truncate(part.sequence, length(part.sequence));
    throw;
  }
  for (const Part& part : parts) at(part.sequence).advance(static_cast<int32_t>(part.ids.size()));
  return logits;
}

/// The pass and what is wanted of its logits; all done when it returns, also by an exception: devices write into what it
/// returns, and what goes wrong on them is told once.
std::vector<Logits> Session::compute(std::span<const Part> parts) {
  std::vector<Logits> all(parts.size());
  try {
    enqueue(parts, all);
    ops::Backend& last = *model_->stages().back().backend;
    last.wait(last.submit());
  } catch (...) {
    for (const Stage& stage : model_->stages()) try {
        stage.backend->wait(stage.backend->submit());
      } catch (const Error&) {  // the first error is the one to tell
      }
    throw;
  }
  return all;
}

void Session::enqueue(std::span<const Part> parts, std::span<Logits> all) {
  int64_t rows = 0, wanted = 0;
  for (const Part& part : parts) rows += static_cast<int64_t>(part.ids.size()), wanted += part.wanted;
  const Language& language = model_->language();
  language.reserve(rows, wanted);
  table_.clear();
  for (const Part& part : parts) {
    Sequence& sequence = at(part.sequence);
    for (const MediaSlot& m : part.media) {
      std::shared_ptr<const int32_t> crop = cache_.acquire_crop();
      const int32_t position = m.offset + config().media_shift;
      language.visual_kv(m.embeds->crop(config(), m.crop), position, *crop, cache_);
      sequence.see({m.offset, position, std::move(crop)});
    }
    sequence.prepare(static_cast<int32_t>(part.ids.size()));
    sequence.list(part.ids, table_);
    for (int32_t i = part.wanted; i > 0; i--) table_.wanted.push_back(static_cast<int32_t>(table_.rows()) - i);
  }
  const float* row = language.forward(table_, cache_);

  ops::Backend& backend = *model_->stages().back().backend;
  const size_t vocab = static_cast<size_t>(config().vocab_size);
  for (size_t i = 0; i < parts.size(); i++) {
    const size_t n = static_cast<size_t>(parts[i].wanted);
    if (n == 0) continue;
    all[i].picked.resize(n);
    backend.pick(row, config().vocab_size, parts[i].picked, all[i].picked);
    if (parts[i].whole) {
      all[i].whole.resize(n * vocab);
      backend.copy_to_host(all[i].whole.data(), row, n * vocab * sizeof(float));
    }
    row += n * vocab;
  }
}

uint64_t Session::bytes() const {
  return static_cast<uint64_t>(cache_.pages_in_use()) * page_bytes(config(), options_.kv_type) +
         static_cast<uint64_t>(cache_.crops_in_use()) * crop_bytes(config(), options_.kv_type);
}

void Session::check(std::span<const Part> parts) const {
  if (parts.empty()) invalid("a pass needs at least one part");
  std::set<int32_t> sequences;
  size_t rows = 0;
  int64_t pages = pages_in_use();
  for (const Part& part : parts) {
    if (!sequences.insert(part.sequence).second)
      invalid("sequence " + std::to_string(part.sequence) + " is named twice in one pass");
    check_part(part);
    rows += part.ids.size();
    pages += at(part.sequence).pages_for(static_cast<int32_t>(part.ids.size()));
  }
  if (rows > static_cast<size_t>(options_.max_rows))
    invalid("a pass takes 1 to " + std::to_string(options_.max_rows) + " ids, not " + std::to_string(rows));
  if (options_.max_pages > 0 && pages > options_.max_pages)
    throw Error(ErrorCode::out_of_memory, "the KV cache is full: " + std::to_string(pages) + " pages are needed and " +
                                              std::to_string(options_.max_pages) + " are allowed");
}

void Session::check_part(const Part& part) const {
  const Sequence& sequence = at(part.sequence);
  const int64_t start = sequence.length(), n = static_cast<int64_t>(part.ids.size());
  if (n == 0) invalid("a part of a pass needs at least one id");
  for (int32_t id : part.ids)
    if (id < 0 || id >= config().vocab_size)
      invalid("token id " + std::to_string(id) + " is not among the " + std::to_string(config().vocab_size) +
              " rows of this model's embedding");
  if (n > options_.context - start)
    invalid("the context of " + std::to_string(options_.context) + " positions is full: " + std::to_string(start) +
            " are taken and " + std::to_string(n) + " more were given");
  for (const MediaSlot& m : part.media) {
    if (m.offset < start || m.offset >= start + n)
      invalid("a picture's offset " + std::to_string(m.offset) + " lies outside the positions being appended, " +
              std::to_string(start) + " to " + std::to_string(start + n - 1));
    if (m.embeds == nullptr || m.crop < 0 || m.crop >= m.embeds->n)
      invalid("a picture's crop does not exist in its embeddings");
  }
  if (part.wanted < 0 || part.wanted > n) invalid("a part has no more rows than ids");
}

}  // namespace owl3::model
