#include "base/checked.h"

#include "support/harness.h"

using namespace owl3;

TEST("base: checked arithmetic refuses to overflow") {
  CHECK_EQ(checked_mul(1u << 31, 2, "x"), uint64_t{1} << 32);
  CHECK_THROWS(checked_mul(uint64_t{1} << 33, uint64_t{1} << 31, "x"), ErrorCode::bad_model);
  CHECK_EQ(checked_add(~uint64_t{0} - 1, 1, "x"), ~uint64_t{0});
  CHECK_THROWS(checked_add(~uint64_t{0}, 1, "x"), ErrorCode::bad_model);
}
