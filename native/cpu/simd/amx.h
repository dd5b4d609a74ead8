// Configurations of the eight AMX tiles. Every task sets its own and releases it, so that a thread that does other work
// carries no tile state.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace owl3::cpu::OWL3_ISA {
namespace {

struct TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

inline void load_tile_config(const TileConfig& c) {
  __asm__ volatile(""
                   :
                   : "r"(&c)
                   : "memory");  // GCC's intrinsic claims to read 8 bytes: without this the rest may never be stored
  _tile_loadconfig(&c);
}

/// All of 16 rows of 64 bytes.
inline void configure_tiles() {
  alignas(64) TileConfig c;
  for (int i = 0; i < 8; ++i) {
    c.bytes[i] = 64;
    c.rows[i] = 16;
  }
  load_tile_config(c);
}

}  // namespace
}  // namespace owl3::cpu::OWL3_ISA
