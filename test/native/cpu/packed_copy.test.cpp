// Packed weights on disk: the same bits with and without them, and nothing lost by a file or a folder that is of no use.
#include "cpu/gemm/packed_copy.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "cpu/dispatch.h"
#include "cpu/gemm/pack.h"
#include "support/folder.h"
#include "support/harness.h"
#include "support/weights.h"

using namespace owl3;
using namespace owl3::test;
namespace fs = std::filesystem;

namespace {

struct PackFolder : Folder {
  std::string prefix() const { return file("model"); }
  fs::path only() const {
    CHECK_EQ(entries(), 1u);
    return files().front();
  }
};

/// A matrix of each format, at offsets as in a file.
const std::vector<Weights>& sample() {
  static const std::vector<Weights> all = [] {
    std::vector<Weights> w;
    for (const DType type : all_types()) w.emplace_back(type, 200, 768, 3);
    return w;
  }();
  return all;
}

ops::MatrixUse use_of(size_t i) {
  return i % 2 == 0 ? ops::MatrixUse::stream : ops::MatrixUse::bulk;
}

/// All matrices of the sample, loaded by a backend that may have a copy, and what they hold.
struct Loaded {
  std::unique_ptr<ops::Backend> backend = backend_of(machine_isas().back());
  std::vector<std::unique_ptr<ops::Matrix>> matrices;
  explicit Loaded(const std::string& prefix, uint64_t source = 7) {
    if (!prefix.empty()) backend->begin_load({.prefix = prefix, .source = source});
    for (size_t i = 0; i < sample().size(); i++) {
      ops::HostTensor t = sample()[i].host();
      t.offset = 1000 * i;
      t.use = use_of(i);
      matrices.push_back(backend->load_matrix(t));
    }
    if (!prefix.empty()) backend->end_load();
  }
  std::vector<std::string> panels() const {
    std::vector<std::string> out;
    for (const auto& m : matrices)
      out.emplace_back(reinterpret_cast<const char*>(static_cast<const cpu::gemm::PackedMatrix&>(*m).packed.data),
                       m->bytes);
    return out;
  }
  uint64_t bytes() const {
    uint64_t n = 0;
    for (const auto& m : matrices) n += m->bytes;
    return n;
  }
};

/// Bytes of a mapped file that are in this process's memory.
uint64_t resident(const fs::path& file) {
  std::ifstream maps("/proc/self/smaps");
  uint64_t bytes = 0;
  bool counts = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ')) counts = line.ends_with(file.string());  // the first line of a mapping
    if (counts && line.starts_with("Rss:")) bytes += 1024 * std::stoull(line.substr(4));
  }
  return bytes;
}

ino_t inode(const fs::path& file) {
  struct stat s;
  CHECK_EQ(::stat(file.c_str(), &s), 0);
  return s.st_ino;
}

}  // namespace

TEST("cpu: packed weights from a file have the bits that packing gives") {
  const PackFolder folder;
  const std::vector<std::string> expected = Loaded("").panels();
  {
    const Loaded first(folder.prefix());
    CHECK(first.panels() == expected);
    CHECK_EQ(first.backend->mapped_bytes(), first.bytes());
  }
  const ino_t written = inode(folder.only());
  const Loaded second(folder.prefix());
  CHECK(second.panels() == expected);
  CHECK_EQ(second.backend->mapped_bytes(), second.bytes());
  CHECK_EQ(inode(folder.only()), written);
  // Removing the file takes nothing away from those who use it.
  fs::remove(folder.only());
  CHECK(second.panels() == expected);
}

TEST("cpu: pages of packed weights leave memory by use, and come back with their bits") {
  const PackFolder folder;
  Loaded(folder.prefix());  // the file has its name when this is gone
  const Loaded loaded(folder.prefix());
  const std::vector<std::string> expected = loaded.panels();  // reads every page
  const fs::path file = folder.only();
  constexpr uint64_t page = 4096;
  const uint64_t all = resident(file);
  CHECK(all >= loaded.bytes());
  uint64_t bulk = 0;
  for (size_t i = 0; i < sample().size(); i++)
    if (use_of(i) == ops::MatrixUse::bulk) bulk += loaded.matrices[i]->bytes / page * page;
  CHECK(bulk > 0);
  loaded.backend->drop_pages(ops::MatrixUse::bulk);
  CHECK_EQ(resident(file), all - bulk);
  CHECK(loaded.panels() == expected);
  CHECK_EQ(resident(file), all);
}

TEST("cpu: a file of packed weights that is damaged or another model's is written anew") {
  const PackFolder folder;
  const std::vector<std::string> expected = Loaded("").panels();
  Loaded(folder.prefix());
  const fs::path file = folder.only();
  std::ifstream in(file, std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(in)), {});
  uint64_t directory;
  std::memcpy(&directory, good.data() + 24, 8);
  CHECK_EQ(good.size(), directory + 48 * sample().size());
  const auto refused = [&](const std::string& bytes) {
    fs::remove(file);
    std::ofstream(file, std::ios::binary) << bytes;
    const ino_t before = inode(file);
    {
      const Loaded loaded(folder.prefix());
      CHECK(loaded.panels() == expected);
    }
    CHECK(inode(folder.only()) != before);
  };
  for (const size_t size : {size_t{0}, size_t{8}, size_t{55}, size_t{4096}, directory - 1, directory, good.size() - 1})
    refused(good.substr(0, size));
  refused(good + "more");
  for (size_t at = 0; at < 56; at++) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    refused(bytes);
  }
  for (size_t at = directory; at < good.size(); at += 7) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x80);
    refused(bytes);
  }
  const ino_t before = inode(file);
  Loaded(folder.prefix(), 8);
  CHECK(inode(folder.only()) != before);
}

TEST("cpu: packing goes on in memory where no file can be written") {
  const PackFolder folder;
  const std::vector<std::string> expected = Loaded("").panels();
  const Loaded nowhere(folder.prefix() + "/none/model");
  CHECK(nowhere.panels() == expected);
  CHECK_EQ(nowhere.backend->mapped_bytes(), 0u);
  // Another process (a lock does not know the difference) that is writing the file.
  const auto first = backend_of(machine_isas().back());
  first->begin_load({.prefix = folder.prefix(), .source = 7});
  const Loaded second(folder.prefix());
  CHECK(second.panels() == expected);
  CHECK_EQ(second.backend->mapped_bytes(), 0u);
}

TEST("cpu: a disk that is full while packed weights are written loses none of them") {
  const PackFolder folder;
  const std::vector<std::string> expected = Loaded("").panels();
  rlimit before;
  CHECK_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  for (const rlim_t limit : {rlim_t{100}, rlim_t{500'000}, static_cast<rlim_t>(Loaded("").bytes())}) {
    const rlimit small{.rlim_cur = limit, .rlim_max = before.rlim_max};
    CHECK_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const Loaded loaded(folder.prefix());
    CHECK_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK(loaded.panels() == expected);
    CHECK_EQ(loaded.backend->mapped_bytes(), 0u);
    CHECK(folder.files().empty());
  }
}

TEST("cpu: the fingerprint of packing tells layouts apart") {
  ThreadPool pool(1);
  CHECK(cpu::gemm::packing_fingerprint(true, pool) != cpu::gemm::packing_fingerprint(false, pool));
  CHECK_EQ(cpu::gemm::packing_fingerprint(true, pool), cpu::gemm::packing_fingerprint(true, pool));
}
