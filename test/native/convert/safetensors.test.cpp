#include "convert/safetensors.h"

#include "base/error.h"
#include "support/fixtures.h"
#include "support/harness.h"

using namespace owl3;

namespace {

/// The message that a header gets in a file with 100 bytes of data, or "".
std::string complaint(const std::string& json) {
  try {
    convert::parse_safetensors_header("m", json, 8 + json.size(), 108 + json.size());
  } catch (const Error& e) {
    CHECK_EQ(code_name(e.code), std::string("bad_model"));
    return e.what();
  }
  return "";
}

#define CHECK_COMPLAINT(json, part)                                                          \
  do {                                                                                       \
    const std::string message_ = complaint(json);                                            \
    if (message_.find(part) == std::string::npos)                                            \
      owl3::test::fail(__FILE__, __LINE__, "expected \"" part "\" in \"" + message_ + "\""); \
  } while (0)

const std::string good =
    R"( { "__metadata__" : {"format":"pt"}, "a":{"dtype":"F32","shape":[2, 3],"data_offsets":[0,24]},)"
    R"("\u00e9\ud83e\udd89\n\"":{"shape":[],"data_offsets":[24,26],"dtype":"BF16"}}   )";

}  // namespace

TEST("convert: reads the golden checkpoint's safetensors header") {
  const auto tensors = convert::read_safetensors(test::fixture("golden/model/model.safetensors"));
  CHECK_EQ(tensors.size(), 167u);
  for (const convert::SafetensorsTensor& t : tensors)
    if (t.name == "vision_model.embeddings.patch_embedding.weight") {
      CHECK((t.shape == std::vector<int64_t>{144, 3, 14, 14}));
      CHECK_EQ(t.dtype, "BF16");
      CHECK_EQ(t.bytes, 144u * 588 * 2);
    }
  CHECK_THROWS(convert::read_safetensors(test::fixture("golden/model/config.json")), ErrorCode::bad_model);
  CHECK_THROWS(convert::read_safetensors(test::fixture("golden/model/none")), ErrorCode::not_found);
  CHECK_THROWS(convert::read_safetensors(test::fixture("golden")), ErrorCode::unreadable);
}

TEST("convert: safetensors names, escapes and places") {
  const auto tensors = convert::parse_safetensors_header("m", good, 1000, 1026);
  CHECK_EQ(tensors.size(), 2u);
  CHECK_EQ(tensors[0].offset, 1000u);
  CHECK_EQ(tensors[1].name, "é🦉\n\"");
  CHECK_EQ(tensors[1].bytes, 2u);
  CHECK_THROWS(convert::parse_safetensors_header("m", good, 1000, 1025), ErrorCode::bad_model);
  for (size_t n = 0; n + 3 < good.size(); n++) CHECK(!complaint(good.substr(0, n)).empty());
}

TEST("convert: bad safetensors headers are refused") {
  const auto one = [](const std::string& fields) { return "{\"t\":{" + fields + "}}"; };
  CHECK(complaint("{}").empty());
  CHECK(complaint(one(R"("dtype":"F32","shape":[0],"data_offsets":[0,0])")).empty());
  CHECK_COMPLAINT("", "\"{\" is missing");
  CHECK_COMPLAINT("[]", "\"{\" is missing");
  CHECK_COMPLAINT("{} x", "something follows");
  CHECK_COMPLAINT(one(""), "\"\"\" is missing");
  CHECK_COMPLAINT(one(R"("dtype":"F32","shape":[1])"), "lacks dtype, shape or data_offsets");
  CHECK_COMPLAINT(one(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])"), "given twice");
  CHECK_COMPLAINT(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1)"), "unknown");
  CHECK_COMPLAINT(one(R"("dtype":"F99","shape":[1],"data_offsets":[0,4])"), "unknown dtype F99");
  CHECK_COMPLAINT(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,5])"), "take 4 bytes");
  CHECK_COMPLAINT(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), "data_offsets [4, 0]");
  CHECK_COMPLAINT(one(R"("dtype":"F32","shape":[26],"data_offsets":[0,104])"), "truncated or corrupt");
  CHECK_COMPLAINT(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), "whole number");
  CHECK_COMPLAINT(one(R"("dtype":"F32","shape":[1.5],"data_offsets":[0,4])"), "is missing");
  CHECK_COMPLAINT(one(R"("dtype":"F32","shape":[01],"data_offsets":[0,4])"), "whole number");
  CHECK_COMPLAINT(one(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4])"), "too large");
  CHECK_COMPLAINT(one(R"("dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,4])"), "overflows");
  CHECK_COMPLAINT(one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])"), "too many dimensions");
  CHECK_COMPLAINT(
      R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
      "twice");
  CHECK_COMPLAINT(
      R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"u":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
      "overlap");
  CHECK_COMPLAINT(R"({"\x":{}})", "unknown escape");
  CHECK_COMPLAINT(R"({"\ud800":{}})", "surrogate");
  CHECK_COMPLAINT(R"({"\udc00":{}})", "surrogate");
  CHECK_COMPLAINT(R"({"\u12g4":{}})", "hexadecimal");
  CHECK_COMPLAINT("{\"a\nb\":{}}", "control character");
  CHECK_COMPLAINT("{\"__metadata__\":{\"a\":1}}", "is missing");
}
