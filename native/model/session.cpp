#include "model/session.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace owl3::model {
namespace {

[[noreturn]] void invalid(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, what);
}

/// After a pass that was computed ahead for nothing so many go without one, so that clients whose next step can't be guessed
/// lose little by it.
constexpr int32_t pause_after_waste = 4;

SessionOptions checked(const Config& c, const SessionOptions& o) {
  if (o.context < 1 || o.context > c.context_length)
    invalid("a context of " + std::to_string(o.context) + " positions: it must be between 1 and the model's " +
            std::to_string(c.context_length));
  if (o.max_rows < 1) invalid("a pass must be allowed at least one row");
  if (o.max_pages < 0) invalid("the number of pages must not be negative");
  return o;
}

PassSize size_of(const ops::PassTable& table) {
  PassSize size{.rows = table.rows(),
                .wanted = static_cast<int64_t>(table.wanted.size()),
                .sequences = static_cast<int64_t>(table.sequences.size())};
  for (const ops::TableSequence& s : table.sequences) {
    size.positions = std::max<int64_t>(size.positions, s.first_position + s.rows);
    size.crops = std::max<int64_t>(size.crops, s.crops);
  }
  return size;
}

}  // namespace

Session::Session(std::shared_ptr<Model> model, const SessionOptions& options)
    : model_(std::move(model)),
      options_(checked(model_->config(), options)),
      cache_(model_->config(), model_->stages(), options.kv_type) {
  if (const size_t bytes = next_ids_bytes(model_->stages(), options_.max_rows); bytes > 0)
    next_ids_ = model_->backend().allocate(bytes);
}

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
    const std::vector<size_t> rows = rows_ahead(parts);
    logits = rows.empty() ? compute(parts) : take(parts, rows);
  } catch (...) {  // forget what was prepared, and new crops
    drop_ahead();
    for (const Part& part : parts) truncate(part.sequence, length(part.sequence));
    throw;
  }
  for (const Part& part : parts) at(part.sequence).advance(static_cast<int32_t>(part.ids.size()));
  if (ahead_)
    for (size_t i = 0; i < parts.size(); i++) ahead_->rows[i].id = logits[i].picked.back().ids.front();
  return logits;
}

/// The pass and what is wanted of its logits; all done when it returns, also by an exception: devices write into what it
/// returns, and what goes wrong on them is told once.
std::vector<Logits> Session::compute(std::span<const Part> parts) {
  std::vector<Logits> all(parts.size());
  if (ahead_) pause_ = pause_after_waste;
  drop_ahead();
  try {
    enqueue(parts, all);
    ops::Backend& last = *model_->stages().back().backend;
    const ops::Backend::Ticket ticket = last.submit();
    run_ahead(parts);
    last.wait(ticket);
  } catch (...) {
    settle();
    throw;
  }
  return all;
}

void Session::enqueue(std::span<const Part> parts, std::span<Logits> all) {
  PassSize size{.sequences = static_cast<int64_t>(parts.size())};
  for (const Part& part : parts) {
    const Sequence& sequence = at(part.sequence);
    const auto n = static_cast<int64_t>(part.ids.size());
    size.rows += n;
    size.wanted += part.wanted;
    size.positions = std::max(size.positions, sequence.length() + n);
    size.crops = std::max(size.crops, sequence.crops() + static_cast<int64_t>(part.media.size()));
  }
  const Language& language = model_->language();
  language.reserve(size);
  table_.clear();
  bool has_crops = false;
  for (const Part& part : parts) {
    Sequence& sequence = at(part.sequence);
    has_crops = has_crops || !part.media.empty();
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
  // Crops alone pass through bulk weights, and these have: so the vision tower and the layers of text need not be in
  // memory at once.
  if (has_crops)
    for (const Stage& stage : model_->stages()) stage.backend->drop_pages(ops::MatrixUse::bulk);
  pick(parts, language.forward(table_, cache_, nullptr), all);
}

void Session::pick(std::span<const Part> parts, const float* row, std::span<Logits> all) {
  int32_t* next = next_ids(parts);
  ops::Backend& backend = *model_->stages().back().backend;
  const size_t vocab = static_cast<size_t>(config().vocab_size);
  for (size_t i = 0; i < parts.size(); i++) {
    const size_t n = static_cast<size_t>(parts[i].wanted);
    if (n == 0) continue;
    all[i].picked.resize(n);
    backend.pick(row, config().vocab_size, parts[i].picked, all[i].picked, next == nullptr ? nullptr : next + i);
    if (parts[i].whole) {
      all[i].whole.resize(n * vocab);
      backend.copy_to_host(all[i].whole.data(), row, n * vocab * sizeof(float));
    }
    row += n * vocab;
  }
}

/// Where the device keeps the ids that follow the parts; null when it is not to go on with them.
int32_t* Session::next_ids(std::span<const Part> parts) const {
  const auto goes_on = [](const Part& p) { return p.goes_on && p.wanted == 1 && p.picked > 0 && !p.whole; };
  return std::ranges::all_of(parts, goes_on) ? static_cast<int32_t*>(next_ids_.get()) : nullptr;
}

/// Enqueues the rows that will be asked for after `parts`, which are enqueued. Only into pages that the sequences hold
/// already, so that nothing has to be given back when the guess was wrong: what was written behind a sequence's end is
/// written again.
void Session::run_ahead(std::span<const Part> parts) {
  if (pause_ > 0) {
    pause_--;
    return;
  }
  const int32_t* ids = next_ids(parts);
  const auto has_room = [&](const Part& part) {
    const Sequence& sequence = at(part.sequence);
    const auto n = static_cast<int32_t>(part.ids.size()) + 1;
    return sequence.length() + n <= options_.context && sequence.pages_for(n) == 0;
  };
  if (ids == nullptr || !std::ranges::all_of(parts, has_room)) return;
  Ahead& next = ahead_.emplace();
  next.logits.resize(parts.size());
  table_.clear();
  std::vector<Part> wanted(parts.begin(), parts.end());
  for (Part& part : wanted) {
    static constexpr int32_t known_to_the_device = 0;
    const Sequence& sequence = at(part.sequence);
    const auto enqueued = static_cast<int32_t>(part.ids.size());
    next.rows.push_back({part.sequence, sequence.length() + enqueued, part.picked, -1});
    table_.wanted.push_back(static_cast<int32_t>(table_.rows()));
    part.ids = std::span(&known_to_the_device, 1);
    sequence.list(part.ids, table_, enqueued);
  }
  const Language& language = model_->language();
  language.reserve(size_of(table_));
  pick(wanted, language.forward(table_, cache_, ids), next.logits);
  next.ticket = model_->backend().submit();
}

bool Session::has_begun(int32_t sequence, int32_t id) const {
  const auto is_row = [&](const Ahead::Row& row) {
    return row.sequence == sequence && row.position == length(sequence) && row.id == id;
  };
  return ahead_ && std::ranges::any_of(ahead_->rows, is_row);
}

/// The rows of the pass ahead that `parts` ask for; empty when it does not have them all.
std::vector<size_t> Session::rows_ahead(std::span<const Part> parts) const {
  std::vector<size_t> rows;
  if (!ahead_) return rows;
  for (const Part& part : parts) {
    const auto is_row = [&](const Ahead::Row& row) {
      return row.sequence == part.sequence && row.position == length(part.sequence) && row.picked == part.picked &&
             part.ids.size() == 1 && part.ids[0] == row.id && part.media.empty() && part.wanted == 1 && !part.whole;
    };
    const auto found = std::ranges::find_if(ahead_->rows, is_row);
    if (found == ahead_->rows.end()) return {};
    rows.push_back(static_cast<size_t>(found - ahead_->rows.begin()));
  }
  return rows;
}

/// The logits of a pass that ran ahead. The next one follows it when its ids lie in the order of the parts.
std::vector<Logits> Session::take(std::span<const Part> parts, std::span<const size_t> rows) {
  Ahead taken = *std::exchange(ahead_, std::nullopt);
  std::vector<size_t> in_order(taken.rows.size());
  std::iota(in_order.begin(), in_order.end(), size_t{0});
  ops::Backend& backend = model_->backend();
  try {
    if (std::ranges::equal(rows, in_order)) run_ahead(parts);
    backend.wait(taken.ticket);
  } catch (...) {
    settle();
    throw;
  }
  std::vector<Logits> all;
  for (const size_t row : rows) all.push_back(std::move(taken.logits[row]));
  return all;
}

void Session::drop_ahead() noexcept {
  if (!ahead_) return;
  settle();
  ahead_.reset();
}

/// Returns when devices write into no logits any more. What went wrong is told by others: the first error, or whoever
/// works next on a device that is lost.
void Session::settle() noexcept {
  for (const Stage& stage : model_->stages()) try {
      stage.backend->wait(stage.backend->submit());
    } catch (const Error&) {
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
