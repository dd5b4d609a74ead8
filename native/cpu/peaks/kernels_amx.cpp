// The rates of tile products: four sums of tiles, so that each product is independent of the three before it.
#include "cpu/peaks/peaks.h"
#include "cpu/simd/amx.h"

namespace owl3::cpu::OWL3_ISA {
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

extern double (*const peak_int8)(int64_t);
extern double (*const peak_bf16)(int64_t);
double (*const peak_int8)(int64_t) = int8_loop;
double (*const peak_bf16)(int64_t) = bf16_loop;

}  // namespace owl3::cpu::OWL3_ISA
