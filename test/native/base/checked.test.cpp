#include "base/checked.h"

#include <atomic>

#include "base/parallel.h"
#include "support/harness.h"

using namespace owl3;

TEST("base: checked arithmetic refuses to overflow") {
  CHECK_EQ(checked_mul(1u << 31, 2, "x"), uint64_t{1} << 32);
  CHECK_THROWS(checked_mul(uint64_t{1} << 33, uint64_t{1} << 31, "x"), ErrorCode::bad_model);
  CHECK_EQ(checked_add(~uint64_t{0} - 1, 1, "x"), ~uint64_t{0});
  CHECK_THROWS(checked_add(~uint64_t{0}, 1, "x"), ErrorCode::bad_model);
}

TEST("base: parallel runs every part, and throws what a part threw once all are done") {
  std::atomic<int> done = 0, seen = 0;
  parallel(5, [&](int i) {
    seen |= 1 << i;
    done++;
  });
  CHECK_EQ(int{seen}, 31);
  done = 0;
  CHECK_THROWS(parallel(4,
                        [&](int i) {
                          done++;
                          if (i == 2) throw Error(ErrorCode::io, "a part failed");
                        }),
               ErrorCode::io);
  CHECK_EQ(int{done}, 4);
}
