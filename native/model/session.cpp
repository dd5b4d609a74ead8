#include "model/session.h"

#include <algorithm>
#include <set>

namespace owl3::model {
namespace {

[[noreturn]] void invalid(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, what);
}

SessionOptions checked(const Config& c, const SessionOptions& o) {
  if (o.context < 1 || o.context > c.context)
    invalid("a context of " + std::to_string(o.context) + " positions: it must be between 1 and the model's " +
            std::to_string(c.context));
  if (o.prefill_chunk < 1) invalid("a prefill chunk must hold at least one position");
  return {o.context, o.kv_type, std::min(o.prefill_chunk, o.context)};
}

int32_t largest(const float* row, int32_t n) {
  return static_cast<int32_t>(std::max_element(row, row + n) - row);
}

}  // namespace

Session::Session(std::shared_ptr<Model> model, const SessionOptions& options)
    : model_(std::move(model)),
      options_(checked(model_->config(), options)),
      cache_(model_->backend(), page_shape(model_->config(), options.kv_type)),
      visual_(visual_shape(model_->config(), options.kv_type)) {}

const Session::Slot& Session::at(int32_t sequence) const {
  const auto found = slots_.find(sequence);
  if (found == slots_.end()) invalid("there is no sequence " + std::to_string(sequence));
  return found->second;
}

int32_t Session::create() {
  slots_[next_].tokens = std::make_unique<Sequence>(cache_);
  return next_++;
}

int32_t Session::fork(int32_t sequence) {
  const Slot& from = at(sequence);
  Slot copy{from.tokens->fork(), from.has_logits ? from.logits : std::vector<float>(), from.has_logits};
  slots_.emplace(next_, std::move(copy));
  return next_++;
}

void Session::remove(int32_t sequence) {
  at(sequence);
  slots_.erase(sequence);
}

void Session::truncate(int32_t sequence, int32_t length) {
  Slot& slot = at(sequence);
  if (length < 0 || length > slot.tokens->length())
    invalid("a sequence of " + std::to_string(slot.tokens->length()) + " positions can't be cut to " +
            std::to_string(length));
  if (length == slot.tokens->length()) return;
  slot.tokens->truncate(length);
  slot.has_logits = false;
}

void Session::prefill(int32_t sequence, std::span<const int32_t> ids, std::span<const MediaSlot> media) {
  Slot& slot = at(sequence);
  Sequence& tokens = *slot.tokens;
  const Config& c = config();
  if (ids.empty() || ids.size() > static_cast<size_t>(options_.prefill_chunk))
    invalid("a prefill takes 1 to " + std::to_string(options_.prefill_chunk) + " ids, not " +
            std::to_string(ids.size()));
  check_ids(ids);
  check_room(slot, ids.size());
  const int32_t start = tokens.length(), n = static_cast<int32_t>(ids.size());
  for (const MediaSlot& m : media) {
    if (m.offset < start || m.offset >= start + n)
      invalid("a picture's offset " + std::to_string(m.offset) + " lies outside the positions being appended, " +
              std::to_string(start) + " to " + std::to_string(start + n - 1));
    if (m.embeds == nullptr || m.crop < 0 || m.crop >= m.embeds->n)
      invalid("a picture's crop does not exist in its embeddings");
  }

  const std::lock_guard lock(model_->run_mutex());
  const LanguageScratch s = model_->language_scratch(options_.prefill_chunk, 1);
  slot.has_logits = false;
  std::vector<VisibleCrop> seen;
  for (const MediaSlot& m : media) {
    auto kv = std::make_shared<VisualKv>(VisualKv{model_->backend().allocate(visual_.bytes())});
    model_->language().visual_kv(m.embeds->crop(c, m.crop), m.offset, visual_, kv->memory.get(), s, lists_);
    seen.push_back({m.offset, std::move(kv)});
  }
  tokens.prepare(n);
  for (VisibleCrop& crop : seen) tokens.see(std::move(crop));
  try {
    const Run run{&tokens, ids};
    model_->language().forward(std::span(&run, 1), visual_, s, lists_, n - 1, 1);
  } catch (...) {
    tokens.truncate(start);  // also drops the crops just added
    throw;
  }
  tokens.advance(n);
  keep_logits(slot, s.logits);
}

std::vector<int32_t> Session::verify(int32_t sequence, std::span<const int32_t> ids) {
  Slot& slot = at(sequence);
  const Config& c = config();
  if (ids.empty() || ids.size() > static_cast<size_t>(options_.prefill_chunk))
    invalid("a draft has 1 to " + std::to_string(options_.prefill_chunk) + " ids, not " + std::to_string(ids.size()));
  check_ids(ids);
  check_room(slot, ids.size());
  const std::lock_guard lock(model_->run_mutex());
  const int64_t n = static_cast<int64_t>(ids.size());
  const LanguageScratch s = model_->language_scratch(n, n);
  slot.has_logits = false;
  slot.tokens->prepare(static_cast<int32_t>(n));
  const Run run{slot.tokens.get(), ids};
  model_->language().forward(std::span(&run, 1), visual_, s, lists_, 0, n);
  slot.tokens->advance(static_cast<int32_t>(n));
  keep_logits(slot, s.logits + (n - 1) * c.vocab);
  const size_t vocab = static_cast<size_t>(c.vocab);
  verified_.resize(ids.size() * vocab);
  model_->backend().copy_to_host(verified_.data(), s.logits, verified_.size() * sizeof(float));
  std::vector<int32_t> best;
  for (size_t i = 0; i < ids.size(); i++) best.push_back(largest(verified(i).data(), c.vocab));
  return best;
}

std::span<const float> Session::verified(size_t i) const {
  const size_t vocab = static_cast<size_t>(config().vocab);
  if (i >= verified_.size() / vocab) invalid("no draft of so many ids was verified");
  return std::span(verified_).subspan(i * vocab, vocab);
}

void Session::keep(int32_t sequence, size_t n) {
  const size_t drafted = verified_.size() / static_cast<size_t>(config().vocab);
  Slot& slot = at(sequence);
  const size_t length = static_cast<size_t>(slot.tokens->length());
  if (n < 1 || n > drafted || drafted > length) invalid("a draft keeps at least one of its ids and at most all");
  if (n == drafted) return;
  slot.tokens->truncate(static_cast<int32_t>(length - drafted + n));
  const std::span<const float> row = verified(n - 1);
  slot.logits.assign(row.begin(), row.end());
}

void Session::step(std::span<const int32_t> sequences, std::span<const int32_t> ids) {
  if (sequences.empty() || sequences.size() != ids.size()) invalid("a step takes one id for each of its sequences");
  if (std::set<int32_t>(sequences.begin(), sequences.end()).size() != sequences.size())
    invalid("a sequence is named twice in one step");
  check_ids(ids);
  for (int32_t sequence : sequences) check_room(at(sequence), 1);

  const std::lock_guard lock(model_->run_mutex());
  const int64_t n = static_cast<int64_t>(ids.size());
  const LanguageScratch s = model_->language_scratch(n, n);
  runs_.clear();
  for (size_t i = 0; i < ids.size(); i++) {
    Slot& slot = at(sequences[i]);
    slot.has_logits = false;
    slot.tokens->prepare(1);
    runs_.push_back({slot.tokens.get(), ids.subspan(i, 1)});
  }
  model_->language().forward(runs_, visual_, s, lists_, 0, n);
  for (size_t i = 0; i < ids.size(); i++) {
    Slot& slot = at(sequences[i]);
    slot.tokens->advance(1);
    keep_logits(slot, s.logits + static_cast<int64_t>(i) * config().vocab);
  }
}

std::span<const float> Session::logits(int32_t sequence) const {
  const Slot& slot = at(sequence);
  if (!slot.has_logits)
    invalid("sequence " + std::to_string(sequence) + " has no logits: nothing was appended since it was made or cut");
  return slot.logits;
}

uint64_t Session::bytes() const {
  std::set<const VisualKv*> crops;
  uint64_t logits = 0;
  for (const auto& [number, slot] : slots_) {
    for (const VisibleCrop& crop : slot.tokens->crops()) crops.insert(crop.kv.get());
    logits += slot.logits.size() * sizeof(float);
  }
  return cache_.in_use() * cache_.shape().bytes() + crops.size() * visual_.bytes() + logits;
}

void Session::check_ids(std::span<const int32_t> ids) const {
  for (int32_t id : ids)
    if (id < 0 || id >= config().vocab)
      invalid("token id " + std::to_string(id) + " is not among the " + std::to_string(config().vocab) +
              " rows of this model's embedding");
}

void Session::check_room(const Slot& slot, size_t n) const {
  const size_t length = static_cast<size_t>(slot.tokens->length());
  if (n > static_cast<size_t>(options_.context) - length)
    invalid("the context of " + std::to_string(options_.context) + " positions is full: " + std::to_string(length) +
            " are taken and " + std::to_string(n) + " more were given");
}

void Session::keep_logits(Slot& slot, const float* row) {
  slot.logits.resize(static_cast<size_t>(config().vocab));
  model_->backend().copy_to_host(slot.logits.data(), row, slot.logits.size() * sizeof(float));
  slot.has_logits = true;
}

}  // namespace owl3::model
