#include "cpu/gemm/packed_copy.h"

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "base/hash.h"
#include "base/math.h"
#include "gguf/input.h"

namespace owl3::cpu::gemm {
namespace {

constexpr uint64_t page = 4096;
constexpr char magic[8] = {'O', 'W', 'L', '3', 'P', 'A', 'C', 'K'};

struct Header {
  char magic[8];
  uint64_t packing, source;
  uint64_t directory, entries, file_bytes;
  uint64_t checksum;  ///< computed over the fields above and the directory
};
static_assert(sizeof(Header) == 56 && sizeof(PackedCopy::Entry) == 48);

uint64_t checksum_of(const Header& h, const void* directory, uint64_t bytes) {
  return hash64(directory, bytes, hash64(&h, offsetof(Header, checksum)));
}

}  // namespace

PackedCopy::PackedCopy(const ops::WeightsCopy& copy, uint64_t packing, int threads)
    : source_(copy.source), packing_(packing), buffers_(threads) {
  char name[32];
  std::snprintf(name, sizeof name, "-%016llx.packed", static_cast<unsigned long long>(packing));
  path_ = copy.prefix + name;
  if (open_existing()) {
    in_background([this] { read_ahead(); });
    return;
  }
  try {
    temp_ = std::make_unique<gguf::TempFile>(path_);
  } catch (const Error&) {  // no such folder, a read-only one, or another process is writing it
  }
  end_ = page;
}

bool PackedCopy::open_existing() {
  try {
    const gguf::Mapping m = gguf::map_file(path_);
    if (m.base == nullptr) return false;
    std::shared_ptr<const char> mapping(m.base, [m](const char*) { gguf::unmap(m); });
    Header h;
    if (m.size < page) return false;
    std::memcpy(&h, m.base, sizeof h);
    if (std::memcmp(h.magic, magic, sizeof magic) != 0 || h.packing != packing_ || h.source != source_) return false;
    if (h.file_bytes != m.size || h.directory < page || h.directory > m.size || h.directory % 8 != 0) return false;
    const uint64_t bytes = m.size - h.directory;
    if (h.entries != bytes / sizeof(Entry) || bytes % sizeof(Entry) != 0) return false;
    if (h.checksum != checksum_of(h, m.base + h.directory, bytes)) return false;
    std::vector<Entry> entries(h.entries);
    if (bytes > 0) std::memcpy(entries.data(), m.base + h.directory, bytes);
    for (const Entry& e : entries) {
      if (e.at < page || e.at % page != 0 || e.at > h.directory || e.bytes > h.directory - e.at) return false;
      mapped_bytes_ += e.bytes;
    }
    size_ = m.size;
    entries_ = std::move(entries);
    mapping_ = std::move(mapping);
    return true;
  } catch (const Error&) {  // none, or not readable
    return false;
  }
}

std::shared_ptr<const void> PackedCopy::find(const ops::HostTensor& t, uint64_t bytes) const {
  if (mapping_ == nullptr) return nullptr;
  for (const Entry& e : entries_) {
    if (e.source == t.offset && e.type == static_cast<uint32_t>(t.type) && e.use == static_cast<uint32_t>(t.use) &&
        e.rows == t.rows && e.cols == t.cols && e.bytes == bytes)
      return {mapping_, mapping_.get() + e.at};
  }
  return nullptr;
}

uint64_t PackedCopy::add(const ops::HostTensor& t, uint64_t bytes) {
  const uint64_t at = end_;
  entries_.push_back({.source = t.offset,
                      .type = static_cast<uint32_t>(t.type),
                      .use = static_cast<uint32_t>(t.use),
                      .rows = t.rows,
                      .cols = t.cols,
                      .at = at,
                      .bytes = bytes});
  end_ = round_up(at + bytes, page);
  return at;
}

void PackedCopy::write(uint64_t at, const void* data, uint64_t bytes) {
  try {
    if (!failed_) temp_->write(at, data, bytes);
  } catch (const Error&) {
    failed_ = true;
  }
}

void PackedCopy::finish() {
  if (temp_ == nullptr) return;
  const uint64_t bytes = entries_.size() * sizeof(Entry);
  Header h{.magic = {},
           .packing = packing_,
           .source = source_,
           .directory = end_,
           .entries = entries_.size(),
           .file_bytes = end_ + bytes,
           .checksum = 0};
  std::memcpy(h.magic, magic, sizeof magic);
  h.checksum = checksum_of(h, entries_.data(), bytes);
  write(end_, entries_.data(), bytes);
  write(0, &h, sizeof h);
  try {
    if (!failed_) {
      const gguf::Mapping m = temp_->map();
      mapping_ = {m.base, [m](const char*) { gguf::unmap(m); }};
    }
  } catch (const Error&) {
    failed_ = true;
  }
  if (failed_) return read_back();
  for (const Pending& p : pending_) {
    p.use({mapping_, mapping_.get() + p.at});
    mapped_bytes_ += p.bytes;
  }
  pending_.clear();
  in_background([temp = std::shared_ptr<gguf::TempFile>(std::move(temp_))] {
    try {
      temp->commit();
    } catch (const Error&) {  // the mapping stays, the next start packs again
    }
  });
}

void PackedCopy::check_intact() const {
  if (mapping_ != nullptr) gguf::check_intact({mapping_.get(), size_}, path_);
}

void PackedCopy::drop_pages(ops::MatrixUse use) const {
  if (mapping_ == nullptr) return;
  for (const Entry& e : entries_)
    if (e.use == static_cast<uint32_t>(use)) gguf::drop_pages(mapping_.get(), e.at, e.bytes);
}

void PackedCopy::read_ahead() const {
  constexpr uint64_t step = uint64_t{32} << 20;
  for (uint64_t at = 0; at < size_ && !ending_; at += step)
    gguf::read_soon(mapping_.get() + at, size_ - at < step ? size_ - at : step);
}

void PackedCopy::in_background(std::function<void()> work) {
  try {
    background_ = std::thread(std::move(work));
  } catch (const std::system_error&) {  // no more threads: it is not done
  }
}

void PackedCopy::read_back() {
  for (const Pending& p : pending_) {
    std::shared_ptr<void> memory = aligned_memory(p.bytes);
    temp_->read(p.at, memory.get(), p.bytes);
    p.use(std::move(memory));
  }
  pending_.clear();
  temp_.reset();
}

PackedCopy::~PackedCopy() {
  ending_ = true;
  if (background_.joinable()) background_.join();
}

}  // namespace owl3::cpu::gemm
