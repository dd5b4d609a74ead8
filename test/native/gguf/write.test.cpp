// The writer against the reader, and what it leaves behind when it fails.
#include <sys/resource.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "convert/conversion.h"
#include "gguf/writer.h"
#include "support/folder.h"
#include "support/forced_isa.h"
#include "support/harness.h"

using namespace owl3;
namespace fs = std::filesystem;

namespace {

const std::vector<gguf::Entry> sample_entries = {
    {"u8", {gguf::Kind::u8}, uint64_t{255}},
    {"i8", {gguf::Kind::i8}, int64_t{-128}},
    {"u16", {gguf::Kind::u16}, uint64_t{65535}},
    {"i16", {gguf::Kind::i16}, int64_t{-32768}},
    {"u32", {gguf::Kind::u32}, uint64_t{4294967295}},
    {"i32", {gguf::Kind::i32}, int64_t{-2147483648}},
    {"u64", {gguf::Kind::u64}, std::numeric_limits<uint64_t>::max()},
    {"i64", {gguf::Kind::i64}, std::numeric_limits<int64_t>::min()},
    {"f32", {gguf::Kind::f32}, 0.5},
    {"f64", {gguf::Kind::f64}, 0.1},
    {"bool", {gguf::Kind::boolean}, true},
    {"string", {gguf::Kind::string}, std::string("ä\0b", 4)},
    {"list.i32", {gguf::Kind::i32, true}, std::vector<int64_t>{1, -1}},
    {"list.bool", {gguf::Kind::boolean, true}, std::vector<bool>{true, false}},
    {"list.string", {gguf::Kind::string, true}, std::vector<std::string>{"", "x"}},
    {"list.f32", {gguf::Kind::f32, true}, std::vector<double>{}},
};

}  // namespace

TEST("gguf: what the writer writes the reader reads") {
  const test::Folder folder;
  const std::string path = folder.file("a.gguf");
  gguf::Writer w(path, sample_entries,
                 {{"x", DType::f32, {3}}, {"y", DType::q8_0, {32, 2}}, {"z", DType::f16, {1, 2, 3, 4}}});
  CHECK(!fs::exists(path) && fs::exists(path + ".partial"));
  w.begin();
  const float x[] = {1, 2, 3};
  std::vector<char> y(68, 'y'), z(48, 'z');
  w.write(2, 0, z.data(), 48);  // in any order, in pieces
  w.write(1, 34, y.data(), 34);
  w.write(0, 0, x, 12);
  w.write(1, 0, y.data(), 34);
  CHECK_THROWS(w.write(0, 8, x, 8), ErrorCode::internal);
  w.finish();
  CHECK_EQ(folder.entries(), 1u);

  const auto f = gguf::File::open(path);
  CHECK_EQ(f->file_bytes(), w.file_bytes());
  CHECK_EQ(f->metadata().size(), sample_entries.size());
  for (size_t i = 0; i < sample_entries.size(); i++) {
    CHECK_EQ(f->metadata()[i].first, sample_entries[i].key);
    if (f->metadata()[i].second != sample_entries[i].value) test::fail(__FILE__, __LINE__, sample_entries[i].key);
    CHECK(f->metadata_types()[i].kind == sample_entries[i].type.kind &&
          f->metadata_types()[i].array == sample_entries[i].type.array);
  }
  CHECK_EQ(std::memcmp(f->data(*f->find("x")), x, 12), 0);
  CHECK_EQ(std::memcmp(f->data(*f->find("y")), y.data(), 68), 0);
  CHECK_EQ(std::memcmp(f->data(*f->find("z")), z.data(), 48), 0);
  CHECK((f->find("z")->shape == std::vector<int64_t>{1, 2, 3, 4}));
  for (const gguf::Tensor& t : f->tensors()) CHECK_EQ(t.offset % gguf::Writer::alignment, 0u);
}

TEST("gguf: the writer refuses values that don't fit, and leaves nothing") {
  const test::Folder folder;
  const std::string path = folder.file("a.gguf");
  const auto refused = [&](const std::vector<gguf::Entry>& entries, const std::vector<gguf::TensorSpec>& tensors) {
    CHECK_THROWS(gguf::Writer(path, entries, tensors), ErrorCode::invalid_argument);
    CHECK_EQ(folder.entries(), 0u);
  };
  refused({{"k", {gguf::Kind::u8}, uint64_t{256}}}, {});
  refused({{"k", {gguf::Kind::i32}, int64_t{1} << 31}}, {});
  refused({{"k", {gguf::Kind::u32}, std::string("7")}}, {});
  refused({{"k", {gguf::Kind::u32, true}, uint64_t{7}}}, {});
  refused({{"k", {gguf::Kind::u32}, std::vector<uint64_t>{7}}}, {});
  refused({{"k", {gguf::Kind::u32}, uint64_t{7}}, {"k", {gguf::Kind::u32}, uint64_t{7}}}, {});
  refused({{"general.alignment", {gguf::Kind::u32}, uint64_t{64}}}, {});
  refused({}, {{"t", DType::f32, {1}}, {"t", DType::f32, {1}}});
  refused({}, {{"t", DType::q4_k, {128}}});
  refused({}, {{"t", DType::f32, {0}}});
  refused({}, {{"t", DType::f32, {}}});
}

TEST("convert: OWL3_ISA is asked before anything is written") {
  const test::Folder folder;
  const test::ForcedIsa forced("abacus");
  CHECK_THROWS(convert::Conversion(folder.file("a.gguf"), {}, {}, 1), ErrorCode::invalid_argument);
  CHECK_EQ(folder.entries(), 0u);
}

TEST("gguf: a temporary file goes with its writer; one that a killed process left is replaced") {
  const test::Folder folder;
  const std::string path = folder.file("a.gguf");
  std::ofstream(path + ".partial") << std::string(100000, 'x');
  {
    gguf::Writer w(path, {}, {{"x", DType::f32, {3}}});
    CHECK_THROWS(gguf::Writer(path, {}, {}), ErrorCode::io);  // another one is writing it
    CHECK(fs::exists(path + ".partial"));
  }
  CHECK_EQ(folder.entries(), 0u);
  std::ofstream(path) << "old";
  gguf::Writer w(path, {}, {{"x", DType::f32, {3}}});
  w.abort();
  w.abort();
  CHECK_EQ(folder.entries(), 1u);
  CHECK_EQ(fs::file_size(path), 3u);
  CHECK_THROWS(gguf::Writer(folder.file("none/a.gguf"), {}, {}), ErrorCode::io);
  fs::create_symlink(folder.file("elsewhere"), folder.file("b.gguf.partial"));
  CHECK_THROWS(gguf::Writer(folder.file("b.gguf"), {}, {}), ErrorCode::io);
  CHECK(!fs::exists(folder.file("elsewhere")));
}

TEST("gguf: a file size limit is an error, not the end of the process") {
  const test::Folder folder;
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  struct Restore {
    rlimit limit;
    ~Restore() { setrlimit(RLIMIT_FSIZE, &limit); }
  } restore{before};
  rlimit low = before;
  low.rlim_cur = 1 << 16;
  setrlimit(RLIMIT_FSIZE, &low);
  CHECK_THROWS(gguf::Writer(folder.file("a.gguf"), {}, {{"x", DType::f32, {1 << 20}}}).begin(), ErrorCode::io);
  CHECK_EQ(folder.entries(), 0u);
  const std::vector<char> data(1 << 17);
  std::thread([&] {  // on a thread of its own too
    gguf::TempFile t(folder.file("b"));
    CHECK_THROWS(t.write(0, data.data(), data.size()), ErrorCode::io);
  })
      .join();
  CHECK_EQ(folder.entries(), 0u);
}
