// The reader against a file of the Python package and against handcrafted bad ones.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "gguf/gguf.h"
#include "gguf/input.h"
#include "support/fixtures.h"
#include "support/folder.h"
#include "support/harness.h"

using namespace owl3;

TEST("gguf: reads every kind of metadata value that Python gguf writes") {
  const auto f = gguf::File::open(test::fixture("gguf/python.gguf"));
  CHECK_EQ(f->version(), 3u);
  CHECK_EQ(f->string("general.architecture"), "test");
  CHECK_EQ(f->integer("kinds.u8", 0, 255), 200);
  CHECK_EQ(f->integer("kinds.i8", -128, 127), -100);
  CHECK_EQ(f->integer("kinds.u16", 0, 65535), 60000);
  CHECK_EQ(f->integer("kinds.i16", -40000, 0), -30000);
  CHECK_EQ(f->integer("kinds.u32", 0, int64_t{1} << 40), 4000000000);
  CHECK_EQ(f->integer("kinds.i32", -(int64_t{1} << 40), 0), -2000000000);
  CHECK_EQ(std::get<uint64_t>(*f->value("kinds.u64")), std::numeric_limits<uint64_t>::max());
  CHECK_EQ(f->integer("kinds.i64", std::numeric_limits<int64_t>::min(), 0), std::numeric_limits<int64_t>::min());
  CHECK_EQ(f->number("kinds.f32", 0, 1), double{0.1f});
  CHECK_EQ(f->number("kinds.f64", 0, 1), 0.1);
  CHECK(std::get<bool>(*f->value("kinds.bool")));
  CHECK_EQ(f->string("kinds.string"), "größe\n");
  CHECK((f->integers("kinds.array.i32", -2, 3) == std::vector<int64_t>{1, -2, 3}));
  CHECK((f->numbers("kinds.array.f32", -1, 1) == std::vector<double>{0.5, -0.25}));
  CHECK((std::get<std::vector<bool>>(*f->value("kinds.array.bool")) == std::vector<bool>{true, false}));
  CHECK((f->strings("kinds.array.string") == std::vector<std::string>{"a", "", "ü"}));
  CHECK(f->find("packed.Q4_K") != nullptr && f->find("nothing") == nullptr);
  CHECK_EQ(f->find("packed.Q4_K")->rows(), 2);
  CHECK_EQ(f->find("packed.Q4_K")->cols(), 512);
}

TEST("gguf: look-ups check kind and range, and name the key") {
  const auto f = gguf::File::open(test::fixture("gguf/python.gguf"));
  CHECK_THROWS(f->integer("kinds.u8", 0, 199), ErrorCode::bad_model);
  CHECK_THROWS(f->integer("kinds.i8", 0, 199), ErrorCode::bad_model);
  CHECK_THROWS(f->integer("kinds.u64", 0, std::numeric_limits<int64_t>::max()), ErrorCode::bad_model);
  CHECK_THROWS(f->integer("kinds.string", 0, 1), ErrorCode::bad_model);
  CHECK_THROWS(f->integer("missing", 0, 1), ErrorCode::bad_model);
  CHECK_THROWS(f->number("kinds.f32", 0.2, 1), ErrorCode::bad_model);
  CHECK_THROWS(f->number("kinds.u8", 0, 1), ErrorCode::bad_model);
  CHECK_THROWS(f->string("kinds.u8"), ErrorCode::bad_model);
  CHECK_THROWS(f->strings("kinds.string"), ErrorCode::bad_model);
  CHECK_THROWS(f->integers("kinds.array.i32", -1, 3), ErrorCode::bad_model);
  CHECK_THROWS(f->integers("kinds.array.i32", -2, 2), ErrorCode::bad_model);
  CHECK_THROWS(f->integers("kinds.string", 0, 1), ErrorCode::bad_model);
  CHECK_THROWS(f->integers("missing", 0, 1), ErrorCode::bad_model);
  CHECK_THROWS(f->numbers("kinds.array.f32", 0, 1), ErrorCode::bad_model);
  CHECK_THROWS(f->numbers("kinds.array.f32", -1, 0), ErrorCode::bad_model);
  CHECK_THROWS(f->numbers("kinds.array.i32", -9, 9), ErrorCode::bad_model);
  CHECK_THROWS(f->number("kinds.f32", -1, 0), ErrorCode::bad_model);
  CHECK_THROWS(f->integer("kinds.u8", 201, 255), ErrorCode::bad_model);
  CHECK_THROWS(f->integer("kinds.u8", -9, -1), ErrorCode::bad_model);
  CHECK_THROWS(f->integer("kinds.i8", -99, 0), ErrorCode::bad_model);
  CHECK_THROWS(f->integer("kinds.bool", 0, 1), ErrorCode::bad_model);
  CHECK_THROWS(f->integer("kinds.f32", 0, 1), ErrorCode::bad_model);
  CHECK_THROWS(f->integer("kinds.array.i32", 0, 1), ErrorCode::bad_model);
  try {
    f->integer("kinds.u8", 0, 199);
  } catch (const Error& e) {
    CHECK_EQ(std::string(e.what()),
             test::fixture("gguf/python.gguf") + ": key kinds.u8 must be an integer in 0..199, found 200");
  }
}

TEST("gguf: a mapped file that is cut short reads as zeros, and is told") {
  const test::Folder folder;
  const std::string cut = folder.file("cut"), whole = folder.file("whole");
  for (const std::string& path : {cut, whole}) std::ofstream(path) << std::string(100'000, 'x');
  const gguf::Mapping a = gguf::map_file(cut), b = gguf::map_file(whole);
  CHECK(!gguf::damaged(a) && !gguf::damaged(b));
  std::filesystem::resize_file(cut, 10);
  CHECK_EQ(int{a.base[0]}, int{'x'});  // the first page is there still
  CHECK(!gguf::damaged(a));
  CHECK_EQ(int{a.base[99'999]}, 0);
  CHECK(gguf::damaged(a) && !gguf::damaged(b));
  CHECK_EQ(int{b.base[99'999]}, int{'x'});
  CHECK_THROWS(gguf::check_intact(a, cut), ErrorCode::unreadable);
  gguf::unmap(a);
  const gguf::Mapping again = gguf::map_file(whole);
  CHECK(!gguf::damaged(again));
  gguf::unmap(again);
  gguf::unmap(b);
}

TEST("gguf: missing files, folders and foreign files") {
  CHECK_THROWS(gguf::File::open("/nonexistent/x.gguf"), ErrorCode::not_found);
  CHECK_THROWS(gguf::File::open(test::fixture("gguf")), ErrorCode::unreadable);
  CHECK_THROWS(gguf::File::open("/dev/null"), ErrorCode::unreadable);
  CHECK_THROWS(gguf::File::open(test::fixture("golden/model/config.json")), ErrorCode::bad_model);
}

namespace {

/// A file put together by hand.
struct Bytes {
  std::string data;
  template <class T>
  Bytes& put(T v) {
    data.append(reinterpret_cast<const char*>(&v), sizeof v);
    return *this;
  }
  Bytes& text(const std::string& s) {
    put<uint64_t>(s.size());
    data += s;
    return *this;
  }
  Bytes& header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    data += "GGUF";
    return put(version).put(tensors).put(keys);
  }
  Bytes& tensor(const std::string& name, std::vector<int64_t> shape, uint32_t type, uint64_t offset) {
    text(name).put(static_cast<uint32_t>(shape.size()));
    for (const int64_t n : shape) put(n);
    return put(type).put(offset);
  }
  Bytes& pad(size_t to) {
    data.resize((data.size() + to - 1) / to * to);
    return *this;
  }
  Bytes& zeros(size_t n) {
    data.resize(data.size() + n);
    return *this;
  }
};

std::shared_ptr<const gguf::File> parse(const Bytes& b) {
  return gguf::File::from_memory("x.gguf", b.data);
}

/// The message of the error that the bytes give, or "" when they are accepted.
std::string complaint(const Bytes& b) {
  try {
    parse(b);
  } catch (const Error& e) {
    CHECK_EQ(code_name(e.code), std::string("bad_model"));
    return e.what();
  }
  return "";
}

#define CHECK_COMPLAINT(bytes, part)                                                         \
  do {                                                                                       \
    const std::string message_ = complaint(bytes);                                           \
    if (message_.find(part) == std::string::npos)                                            \
      owl3::test::fail(__FILE__, __LINE__, "expected \"" part "\" in \"" + message_ + "\""); \
  } while (0)

Bytes small_file() {
  Bytes b;
  b.header(2, 3).text("general.architecture").put<uint32_t>(8).text("mplugowl3");
  b.text("n").put<uint32_t>(4).put<uint32_t>(7);
  b.text("list").put<uint32_t>(9).put<uint32_t>(8).put<uint64_t>(2).text("a").text("b");
  b.tensor("one", {4}, 0, 0).tensor("two", {32, 2}, 8, 32);
  return b.pad(32).zeros(32 + 68);
}

}  // namespace

TEST("gguf: a small file, and every truncation of it is refused") {
  const Bytes whole = small_file();
  const auto f = parse(whole);
  CHECK_EQ(f->tensors().size(), 2u);
  CHECK_EQ(f->find("two")->bytes, 68u);
  CHECK_EQ(f->find("two")->offset + 68, whole.data.size());
  CHECK_EQ(gguf::kind_name(f->metadata_types()[1].kind), std::string("u32"));
  CHECK(f->metadata_types()[2].array);
  for (size_t n = 0; n < whole.data.size(); n++) {
    Bytes cut;
    cut.data = whole.data.substr(0, n);
    CHECK(!complaint(cut).empty());
  }
}

TEST("gguf: unsigned arrays are integers of a range, too, and the hash of a header is that of its bytes alone") {
  const auto list = [](uint64_t last) {
    Bytes b;
    b.header(1, 1).text("list").put<uint32_t>(9).put<uint32_t>(10).put<uint64_t>(2).put<uint64_t>(5).put(last);
    return b.tensor("t", {8}, 0, 0).pad(32).zeros(32);
  };
  const Bytes bytes = list(7), larger = list(~uint64_t{0});
  const auto f = parse(bytes);
  CHECK((f->integers("list", 5, 7) == std::vector<int64_t>{5, 7}));
  CHECK_THROWS(f->integers("list", 5, 6), ErrorCode::bad_model);
  CHECK_THROWS(f->integers("list", 6, 7), ErrorCode::bad_model);
  CHECK_THROWS(f->integers("list", -7, -5), ErrorCode::bad_model);
  CHECK_THROWS(parse(larger)->integers("list", 0, std::numeric_limits<int64_t>::max()), ErrorCode::bad_model);
  Bytes values = bytes;
  values.data.back() = 1;
  CHECK_EQ(parse(values)->header_hash(), f->header_hash());
  CHECK(parse(larger)->header_hash() != f->header_hash());
}

TEST("gguf: no single changed byte makes the reader do worse than refuse") {
  const Bytes whole = small_file();
  for (size_t at = 0; at < whole.data.size(); at++)
    for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
      Bytes changed = whole;
      changed.data[at] = static_cast<char>(value);
      complaint(changed);  // checks that nothing but bad_model is thrown
    }
}

TEST("gguf: foreign headers") {
  Bytes b;
  b.data = "GGML....";
  CHECK_COMPLAINT(b, "is not a GGUF file");
  CHECK_COMPLAINT(Bytes().header(0, 0, 0x03000000u), "big-endian");
  CHECK_COMPLAINT(Bytes().header(0, 0, 1), "version 1;");
  CHECK_COMPLAINT(Bytes().header(0, 0, 4), "version 4;");
  CHECK(complaint(Bytes().header(0, 0, 2)).empty());
}

TEST("gguf: counts and lengths are capped before anything is allocated") {
  CHECK_COMPLAINT(Bytes().header(uint64_t{1} << 60, 0), "tensors; at most");
  CHECK_COMPLAINT(Bytes().header(0, uint64_t{1} << 60), "metadata keys; at most");
  CHECK_COMPLAINT(Bytes().header(60000, 0), "too short");
  CHECK_COMPLAINT(Bytes().header(0, 1).put<uint64_t>(~uint64_t{0}).zeros(64), "length of 18446744073709551615");
  CHECK_COMPLAINT(Bytes().header(0, 1).text("").put<uint32_t>(4).zeros(8), "empty name");
  CHECK_COMPLAINT(Bytes().header(0, 1).text("k").put<uint32_t>(8).put<uint64_t>(1 << 20), "inside key k");
  CHECK_COMPLAINT(Bytes().header(0, 1).text("k").put<uint32_t>(8).put<uint64_t>(1 << 30), "key k claims a length");
  CHECK_COMPLAINT(Bytes().header(0, 1).text("k").put<uint32_t>(9).put<uint32_t>(8).put<uint64_t>(1000), "room for");
  CHECK_COMPLAINT(Bytes().header(0, 1).text("k").put<uint32_t>(9).put<uint32_t>(8).put<uint64_t>(~uint64_t{0}),
                  "elements; at most");
}

TEST("gguf: bad metadata") {
  CHECK_COMPLAINT(Bytes().header(0, 1).text("k").put<uint32_t>(13).zeros(8), "unknown value type 13");
  CHECK_COMPLAINT(Bytes().header(0, 1).text("k").put<uint32_t>(9).put<uint32_t>(99).zeros(8), "unknown type 99");
  CHECK_COMPLAINT(Bytes().header(0, 1).text("k").put<uint32_t>(9).put<uint32_t>(9).zeros(8), "array of arrays");
  CHECK_COMPLAINT(Bytes().header(0, 1).text("k").put<uint32_t>(7).put<uint8_t>(2), "boolean with the value 2");
  Bytes twice;
  twice.header(0, 2);
  for (int i = 0; i < 2; i++) twice.text("k").put<uint32_t>(0).put<uint8_t>(1);
  CHECK_COMPLAINT(twice, "key k occurs twice");
  const auto aligned = [](uint32_t alignment) {
    return Bytes().header(0, 1).text("general.alignment").put<uint32_t>(4).put(alignment);
  };
  CHECK_COMPLAINT(aligned(0), "general.alignment");
  CHECK_COMPLAINT(aligned(48), "power of two");
  CHECK(complaint(aligned(4096)).empty());
  CHECK_COMPLAINT(Bytes().header(0, 1).text("general.alignment").put<uint32_t>(8).text("32"), "found a string");
  CHECK_COMPLAINT(Bytes().header(0, 1).text("k\x1b[31m").put<uint32_t>(13).zeros(8), "k?[31m");
}

TEST("gguf: bad tensors") {
  const auto one = [](std::vector<int64_t> shape, uint32_t type, uint64_t offset) {
    return Bytes().header(1, 0).tensor("t", std::move(shape), type, offset).pad(32).zeros(64);
  };
  CHECK(complaint(one({4, 4}, 0, 0)).empty());
  CHECK_COMPLAINT(one({4, 4}, 0, 32), "ends at byte");
  CHECK_COMPLAINT(one({4}, 0, 8), "no multiple of the alignment 32");
  CHECK_COMPLAINT(one({4}, 0, ~uint64_t{31}), "overflows");
  CHECK_COMPLAINT(one({4}, 3, 0), "type Q4_1, which is not read");
  CHECK_COMPLAINT(one({4}, 12345, 0), "type number 12345");
  CHECK_COMPLAINT(one({33}, 8, 0), "no multiple of Q8_0's block of 32");
  CHECK_COMPLAINT(one({0}, 0, 0), "a dimension of 0");
  CHECK_COMPLAINT(one({-1}, 0, 0), "a dimension of -1");
  CHECK_COMPLAINT(one({1 << 30, 1 << 30, 1 << 30}, 0, 0), "overflows");
  CHECK_COMPLAINT(one({}, 0, 0), "0 dimensions");
  CHECK_COMPLAINT(one({1, 1, 1, 1, 1}, 0, 0), "5 dimensions");
  Bytes twice = Bytes().header(2, 0).tensor("t", {4}, 0, 0).tensor("t", {4}, 0, 32).pad(32).zeros(64);
  CHECK_COMPLAINT(twice, "tensor t occurs twice");
  Bytes overlap = Bytes().header(2, 0).tensor("t", {16}, 0, 0).tensor("u", {16}, 0, 32).pad(32).zeros(96);
  CHECK_COMPLAINT(overlap, "tensors t and u overlap");
}
