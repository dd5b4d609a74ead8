#include "base/bytes.h"

#include "support/harness.h"

TEST("base: bytes as gigabytes, and as megabytes where that is less than one") {
  CHECK_EQ(owl3::bytes_text(12'139'000'000), std::string("12.13 GB"));
  CHECK_EQ(owl3::bytes_text(1'000'000'000), std::string("1.00 GB"));
  CHECK_EQ(owl3::bytes_text(67'108'864), std::string("67.1 MB"));
  CHECK_EQ(owl3::bytes_text(0), std::string("0.0 MB"));
}
