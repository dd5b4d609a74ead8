// Matrix products: rows are normalised and brought into the form their weights want (once for all products of a call),
// then tiles of some rows times a few panels are shared out among the threads.
#include "cpu/gemm/gemm.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "base/math.h"
#include "cpu/gemm/formats.h"
#include "cpu/gemm/pack.h"

namespace owl3::cpu::gemm {
namespace {

enum class Form : uint8_t { int8, pairs, f32, bf16, int16 };

/// Decided by the weight alone, never by the number of rows: see the rules of ops/backend.h.
Form form_of(const Kernels& kernels, const Packed& w, ops::Precision precision) {
  const bool bulk = w.use == ops::MatrixUse::bulk;
  if (precision == ops::Precision::exact) return Form::f32;
  if (layout_of(w.type).quantised) {
    if (bulk && kernels.bulk_quants_bf16) return Form::bf16;
    return kernels.pairs.multiply && layout_of(w.type).low_bits == 8 ? Form::pairs : Form::int8;
  }
  if (kernels.bf16.multiply && (bulk || w.type == DType::bf16)) return Form::bf16;
  return bulk && kernels.int16.multiply && precision == ops::Precision::fast ? Form::int16 : Form::f32;
}

const Packed& packed(const ops::Matrix& m) {
  return static_cast<const PackedMatrix&>(m).packed;
}

/// Whether a matrix takes the residuals of int8 rows.
bool takes_residuals(const Packed& w, Form form) {
  return form == Form::int8 && w.type == DType::q8_0 && w.use != ops::MatrixUse::bulk;
}

/// Activations in the forms that a call wants, in the workspace.
struct Rows {
  bool wanted[5] = {};     // by Form
  bool residuals = false;  // of int8 rows
  int64_t padded = 0;      // k rounded up to 32, for f32 and bf16
  Int8Rows int8{};
  PairRows pairs{};
  F32Rows f32{};
  Bf16Rows bf16{};
  Int16Rows int16{};
  bool want(Form f) const { return wanted[static_cast<size_t>(f)]; }
};

/// Lays the wanted forms out from `base`; returns the bytes they take.
size_t lay_out(Rows& r, int64_t rows, int64_t k, bool split, char* base) {
  char* at = base;
  const auto take = [&](auto*& pointer, int64_t n) {
    using T = std::remove_reference_t<decltype(*pointer)>;
    pointer = reinterpret_cast<T*>(at);
    at += round_up(n * static_cast<int64_t>(sizeof(T)), 64);
  };
  r.padded = round_up(k, 32);
  if (r.want(Form::int8)) {
    const int64_t p = r.int8.padded = round_up(k, 256);
    take(r.int8.q, rows * p);
    take(r.int8.scale, rows * p / block_columns);
    take(r.int8.negsum, rows * p / block_columns);
    take(r.int8.sum, rows * p / 16);
  }
  if (r.want(Form::int8) && r.residuals) {
    Residuals& x = r.int8.residuals;
    const int64_t blocks = r.int8.padded / block_columns;
    take(x.q, rows * r.int8.padded);
    take(x.sum, rows * blocks);
    take(x.found, rows * blocks);
    take(x.count, rows);
    take(x.order, rows * blocks);
    take(x.ordered, rows);
    take(x.starts, blocks);
  }
  if (r.want(Form::pairs)) {
    const int64_t p = r.pairs.padded = round_up(k, 256);
    take(r.pairs.q, rows * p);
    take(r.pairs.scale, rows * p / 256);
  }
  if (r.want(Form::f32)) {
    r.f32.padded = r.padded;
    take(r.f32.x, rows * r.padded);
  }
  if (r.want(Form::bf16)) {
    r.bf16.padded = r.padded;
    take(r.bf16.high, round_up(rows, 16) * r.padded);
    if (split) take(r.bf16.low, round_up(rows, 16) * r.padded);
  }
  if (r.want(Form::int16)) {
    const int64_t p = r.int16.padded = round_up(k, int16_block);
    take(r.int16.q, rows * p);
    take(r.int16.scale, rows * p / int16_block);
  }
  return static_cast<size_t>(at - base);
}

/// Tiles of a call: blocks of rows, and groups of panels.
struct Plan {
  int64_t block_rows, row_blocks, group;
};

/// The blocking that suits all forms of a call.
Blocking blocking_of(const Rows& x, int64_t rows) {
  Blocking b{.max_panels = int8_blocking.max_panels, .tile_panels = 1, .max_rows = f32_blocking.max_rows};
  if (x.want(Form::bf16)) b = bf16_blocking;
  if (x.want(Form::int16)) b = int16_blocking;
  if (x.want(Form::f32)) {
    b = f32_blocking;
    if (rows < 8) b.tile_panels = 1;
  }
  for (const auto& [form, blocking] : {std::pair{Form::int8, int8_blocking}, {Form::pairs, pairs_blocking}}) {
    if (!x.want(form)) continue;
    b.max_rows = blocking.max_rows;
    if (!x.want(Form::f32)) b.max_panels = blocking.max_panels;
    b.tile_panels = rows <= max_gemv_rows ? 1 : blocking.tile_panels;
  }
  return b;
}

Plan plan(int64_t rows, int64_t panels, const Rows& x, int threads) {
  const Blocking b = blocking_of(x, rows);
  Plan p;
  p.row_blocks = divide_up(rows, b.max_rows);
  p.block_rows = p.row_blocks == 1 ? rows : round_up(divide_up(rows, p.row_blocks), 16);
  // The group whose slowest thread has the least to do, half a panel's work a task included for what is done once a
  // task; the wider of equals.
  int64_t best = INT64_MAX;
  for (int64_t g = 1; g <= b.max_panels; g++) {
    const int64_t tasks = divide_up(panels, g) * p.row_blocks, rounds = divide_up(tasks, threads);
    const int64_t work = rounds * (2 * g + 1);
    if (work > best || (g > 1 && (g % b.tile_panels != 0 || tasks < 4 * int64_t{threads}))) continue;
    best = work;
    p.group = g;
  }
  return p;
}

size_t sums_bytes(const Plan& p) {
  return static_cast<size_t>(p.group * sums_stride(p.block_rows)) * sizeof(float);
}
size_t worker_bytes(const Plan& p, bool gate, int64_t k) {
  return std::max((gate ? 2 : 1) * sums_bytes(p) + static_cast<size_t>(scratch_bytes),
                  static_cast<size_t>(round_up(k, 32)) * sizeof(float));
}

void convert_rows(Context& c, const ops::LinearParams& p, int64_t k, const Rows& to, size_t scratch) {
  constexpr int64_t rows_a_task = 4;
  const Kernels& kernels = c.kernels.gemm;
  c.pool.parallel_for(divide_up(p.rows, rows_a_task), [&](int64_t task, int worker) {
    auto* normalised = static_cast<float*>(c.workspace.worker(worker, scratch));
    for (int64_t r = task * rows_a_task; r < std::min(p.rows, (task + 1) * rows_a_task); r++) {
      float* h = to.want(Form::f32) ? to.f32.x + r * to.padded : normalised;
      kernels.norm(p.norm, p.x + r * p.ldx, h, k, to.padded);
      if (to.want(Form::int8)) kernels.int8.convert(h, to.padded, to.int8, r);
      if (to.want(Form::pairs)) kernels.pairs.convert(h, to.padded, to.pairs, r);
      if (to.want(Form::bf16)) kernels.bf16.convert(h, to.padded, to.bf16, r);
      if (to.want(Form::int16)) kernels.int16.convert(h, to.padded, to.int16, r);
    }
  });
}

/// Puts the residuals of each call's rows in the order of their blocks, so that rows share a block's weights.
void order_residuals(const Int8Rows& rows, int64_t count, int64_t block_rows) {
  const Residuals& x = rows.residuals;
  const int64_t blocks = rows.padded / block_columns;
  for (int64_t row = 0; row < count; row += block_rows) {
    const auto each = [&](auto f) {
      for (int64_t r = row; r < std::min(row + block_rows, count); r++)
        std::for_each_n(x.found + r * blocks, x.count[r], f);
    };
    std::fill_n(x.starts, blocks, 0);
    each([&](uint32_t key) { x.starts[residual_block(key)]++; });
    std::exclusive_scan(x.starts, x.starts + blocks, x.starts, 0);
    x.ordered[row] = 0;
    each([&](uint32_t key) {
      x.order[row * blocks + x.starts[residual_block(key)]++] = key;
      x.ordered[row]++;
    });
  }
}

/// One output's tiles: blocks of rows, and in each all groups of panels, so that a thread keeps its rows in cache.
struct Tiles {
  const ops::LinearOutput* out;
  int64_t first_task, groups;
};

/// The sums of some panels times some rows, in `acc`. `gemv`: the call has at most max_gemv_rows rows.
void multiply(const Context& c, bool gemv, const Packed& w, int64_t panel, int32_t panels, const Rows& x, int64_t row,
              int64_t rows, float* acc, void* scratch) {
  const Kernels& k = c.kernels.gemm;
  switch (form_of(k, w, c.precision)) {
    case Form::bf16:
      return k.bf16.multiply(w, panel, panels, x.bf16, row, rows, acc, scratch);
    case Form::int16:
      return k.int16.multiply(w, panel, panels, x.int16, row, rows, acc, scratch);
    case Form::int8:
      (gemv && k.gemv.int8 ? k.gemv.int8 : k.int8.multiply)(w, panel, panels, x.int8, row, rows, acc, scratch);
      if (takes_residuals(w, Form::int8)) k.int8_residuals(w, panel, panels, x.int8, row, rows, acc, scratch);
      return;
    case Form::pairs:
      return (gemv && k.gemv.pairs ? k.gemv.pairs : k.pairs.multiply)(w, panel, panels, x.pairs, row, rows, acc,
                                                                      scratch);
    case Form::f32:
      break;
  }
  if (gemv && k.gemv.f32 && !layout_of(w.type).quantised)
    return k.gemv.f32(w, panel, panels, x.f32, row, rows, acc, scratch);
  for (int32_t i = 0; i < panels; i += f32_blocking.max_panels) {
    const int32_t n = std::min(panels - i, f32_blocking.max_panels);
    k.f32(w, panel + i, n, x.f32, row, rows, acc + i * sums_stride(rows), scratch);
  }
}

}  // namespace

std::unique_ptr<ops::Matrix> load_matrix(Context& c, const ops::HostTensor& t) {
  auto matrix = pack_matrix(t, c.kernels.gemm.unsigned_q8, c.pool, c.copy);
  const Form form = form_of(c.kernels.gemm, packed(*matrix), c.precision);
  c.forms |= 1u << static_cast<unsigned>(form);
  c.residuals = c.residuals || takes_residuals(packed(*matrix), form);
  return matrix;
}

void get_rows(Context& c, const ops::Matrix& w, std::span<const int32_t> ids, float* y) {
  const Packed& m = packed(w);
  c.pool.parallel_for(static_cast<int64_t>(ids.size()),
                      [&](int64_t i, int) { unpack_row(m, ids[static_cast<size_t>(i)], y + i * m.cols); });
}

void linear(Context& c, const ops::LinearParams& p) {
  constexpr size_t max_outputs = 8;
  if (p.rows == 0 || p.outputs.empty()) return;
  if (p.outputs.size() > max_outputs) throw Error(ErrorCode::internal, "linear: more than eight outputs");
  const int64_t k = p.outputs[0].w->cols;

  Rows x;
  int64_t panels = 0;
  bool gated = false, floats = false;
  for (const ops::LinearOutput& out : p.outputs) {
    for (const ops::Matrix* m : {out.w, out.gate}) {
      if (!m) continue;
      if (m->cols != k || m->rows != out.w->rows)
        throw Error(ErrorCode::internal, "linear: matrices of different sizes");
      const Form form = form_of(c.kernels.gemm, packed(*m), c.precision);
      x.wanted[static_cast<size_t>(form)] = true;
      x.residuals = x.residuals || takes_residuals(packed(*m), form);
      x.int8.residuals.everywhere = packed(*m).use == ops::MatrixUse::logits;
      floats = floats || !layout_of(packed(*m).type).quantised;
    }
    panels += packed(*out.w).panels;
    gated = gated || out.gate;
  }
  const Plan plan = gemm::plan(p.rows, panels, x, c.pool.threads());
  const size_t worker_size = worker_bytes(plan, gated, k), gate_at = sums_bytes(plan);
  const bool split = floats && c.precision != ops::Precision::fast;
  Rows sized = x;
  lay_out(x, p.rows, k, split, static_cast<char*>(c.workspace.shared(lay_out(sized, p.rows, k, split, nullptr))));
  convert_rows(c, p, k, x, worker_size);
  if (x.residuals) order_residuals(x.int8, p.rows, plan.block_rows);

  Tiles tiles[max_outputs];
  int64_t tasks = 0;
  for (size_t i = 0; i < p.outputs.size(); i++) {
    tiles[i] = {
        .out = &p.outputs[i], .first_task = tasks, .groups = divide_up(packed(*p.outputs[i].w).panels, plan.group)};
    tasks += tiles[i].groups * plan.row_blocks;
  }
  c.pool.parallel_for(tasks, [&](int64_t task, int worker) {
    size_t i = p.outputs.size() - 1;
    while (task < tiles[i].first_task) i--;
    const ops::LinearOutput& out = *tiles[i].out;
    const int64_t local = task - tiles[i].first_task, row = local / tiles[i].groups * plan.block_rows;
    const int64_t rows = std::min(plan.block_rows, p.rows - row);
    if (rows <= 0) return;
    const Packed& w = packed(*out.w);
    const int64_t panel = local % tiles[i].groups * plan.group;
    const int32_t count = static_cast<int32_t>(std::min(plan.group, w.panels - panel));
    char* memory = static_cast<char*>(c.workspace.worker(worker, worker_size));
    auto *acc = reinterpret_cast<float*>(memory), *gate = reinterpret_cast<float*>(memory + gate_at);
    void* scratch = memory + (gated ? 2 : 1) * gate_at;
    const bool gemv = p.rows <= max_gemv_rows;
    multiply(c, gemv, w, panel, count, x, row, rows, acc, scratch);
    if (out.gate) multiply(c, gemv, packed(*out.gate), panel, count, x, row, rows, gate, scratch);
    const int64_t n = panel * panel_rows;
    c.kernels.gemm.epilogue({.acc = acc,
                             .gate = out.gate ? gate : nullptr,
                             .panel_stride = sums_stride(rows),
                             .bias = out.bias ? out.bias + n : nullptr,
                             .residual = out.residual ? out.residual + n : nullptr,
                             .residual_rows = out.residual_rows,
                             .y = out.y + n,
                             .ldy = out.ldy,
                             .row = row,
                             .rows = rows,
                             .n = std::min<int64_t>(count * panel_rows, w.rows - n),
                             .activation = out.activation});
  });
}

namespace {

/// The most memory that one call needs for itself, and for each worker.
struct Reserve {
  size_t shared, worker;
};

Reserve reserve_of(const Context& c, int64_t rows, int64_t cols) {
  Rows all;
  all.residuals = c.residuals;
  for (size_t form = 0; form < std::size(all.wanted); form++) all.wanted[form] = c.forms >> form & 1;
  const Plan largest{.block_rows = std::min<int64_t>(rows, f32_blocking.max_rows),
                     .row_blocks = 1,
                     .group = (all.want(Form::bf16) ? bf16_blocking : int8_blocking).max_panels};
  return {lay_out(all, rows, cols, true, nullptr), worker_bytes(largest, true, cols)};
}

}  // namespace

void reserve(Context& c, int64_t rows, int64_t cols) {
  const Reserve r = reserve_of(c, rows, cols);
  c.workspace.shared(r.shared);
  c.workspace.reserve_workers(r.worker);
}

size_t reserved_bytes(const Context& c, std::span<const ops::ScratchNeed> needs) {
  Reserve max{0, 0};
  for (const ops::ScratchNeed& need : needs) {
    const Reserve r = reserve_of(c, need.rows, need.cols);
    max = {std::max(max.shared, r.shared), std::max(max.worker, r.worker)};
  }
  return max.shared + max.worker * static_cast<size_t>(c.pool.threads());
}

}  // namespace owl3::cpu::gemm
