#ifdef __AMX_BF16__
#define OWL3_LANES amx
#define OWL3_LANES_AVX512
#include "cpu/peaks/body.h"
#include "cpu/simd/amx.h"

namespace owl3::amx {
namespace {

double int8_loop(int64_t n) {
  configure_tiles();
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t r = 0; r < n; ++r) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
  return static_cast<double>(n) * 4 * 16 * 16 * 64 * 2;
}

double bf16_loop(int64_t n) {
  configure_tiles();
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t r = 0; r < n; ++r) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return static_cast<double>(n) * 4 * 16 * 16 * 32 * 2;
}

}  // namespace

extern const peaks::Loops peak_loops;
const peaks::Loops peak_loops{int8_loop, bf16_loop, fp32_loop, read_loop};

}  // namespace owl3::amx
#endif
