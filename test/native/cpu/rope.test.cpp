// RoPE and the write of keys and values of every instruction set this machine has, against a twin in double precision.
#include <cmath>
#include <vector>

#include "support/harness.h"
#include "support/kv_fixture.h"

using namespace owl3;
using namespace owl3::cpu;
using namespace owl3::test;

TEST("cpu: RoPE and the KV write against a twin in double") {
  for (Isa isa : machine_isas()) {
    for (ops::KvType type : {ops::KvType::f32, ops::KvType::f16, ops::KvType::q8_0}) {
      for (int head_dim : {32, 36, 64, 80, 128}) {
        if (type == ops::KvType::q8_0 && head_dim % 32 != 0) continue;
        Store store{{3, 2, head_dim, type}, {}, {}};
        const std::vector<int> positions = {0, 7, 7, 31, 32000};
        const int rows = static_cast<int>(positions.size());
        const KvSegment segment{store.block(37), 37, 0, false};  // slots 32 to 36: the narrow group at the end
        std::vector<KvSlot> slots;
        for (int r = 0; r < rows; ++r)
          slots.push_back({segment.block, r == 0 ? 3 : 31 + r, positions[static_cast<size_t>(r)]});
        const size_t d2 = static_cast<size_t>(head_dim);
        std::vector<float> q = normal_values(static_cast<size_t>(rows) * 3 * d2, 1),
                           kv = normal_values(static_cast<size_t>(rows) * 4 * d2, 2);
        const std::vector<float> q0 = q;
        RopeRows p;  // [K|V] a head, as v_kv_proj gives them
        p.q = q.data();
        p.ldq = 3 * head_dim;
        p.k = kv.data();
        p.v = kv.data() + head_dim;
        p.ldk = p.ldv = 4 * head_dim;
        p.k_head_stride = p.v_head_stride = 2 * head_dim;
        p.heads = 3;
        p.kv_heads = 2;
        p.head_dim = head_dim;
        p.rope_theta = 1e6f;
        const std::vector<float> shift = normal_values(2 * head_dim, 3);
        p.key_shift = shift.data();
        p.slots = slots;
        rope::Angles angles;
        rope::run(kernels_of(isa).rope, p, angles, machine(1).pool);
        auto rotated = [&](const float* x, int position, int d) {
          const int half = head_dim / 2, i = d % half;
          const float inverse = 1.0f / std::pow(1e6f, static_cast<float>(2 * i) / static_cast<float>(head_dim));
          const double angle = static_cast<float>(position) * inverse;  // the reference's float32 angle
          return d < half ? x[i] * std::cos(angle) - x[i + half] * std::sin(angle)
                          : x[i + half] * std::cos(angle) + x[i] * std::sin(angle);
        };
        const double bound = type == ops::KvType::f32   ? 1e-6
                             : type == ops::KvType::f16 ? 3e-3
                                                        : 0.03;  // of values up to 4: 2^-11, 1/254
        // Shifted keys are values up to 6. The transform back from q8_0 adds up head_dim roundings: four deviations.
        const double key_bound = type == ops::KvType::q8_0 ? 4 * (6.0 / 127) / std::sqrt(12.0) : 1.5 * bound;
        for (int r = 0; r < rows; ++r) {
          const size_t row = static_cast<size_t>(r);
          for (int d = 0; d < head_dim; ++d) {
            for (int h = 0; h < 3; ++h) {
              const size_t at = (row * 3 + static_cast<size_t>(h)) * d2;
              CHECK_NEAR(q[at + static_cast<size_t>(d)], rotated(q0.data() + at, positions[row], d), 1e-6);
            }
            for (int h = 0; h < 2; ++h) {
              const float* k = kv.data() + row * 4 * d2 + static_cast<size_t>(h) * 2 * d2;
              const size_t at = static_cast<size_t>(d);
              const double key = rotated(k, positions[row], d) - shift[static_cast<size_t>(h) * d2 + at];
              CHECK_NEAR(store.key(segment, h, slots[row].slot)[at], key, key_bound);
              CHECK_NEAR(store.value(segment, h, slots[row].slot)[at], k[head_dim + d], bound);
            }
          }
        }
      }
    }
  }
}
