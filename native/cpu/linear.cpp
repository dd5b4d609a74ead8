// Matrix products: rows are normalised and brought into the form their weights want (once for all products of a call),
// then tiles of some rows times a few panels are shared out among the threads.
#include <algorithm>
#include <cstring>
#include <iterator>

#include "cpu/linear_kernels.h"
#include "cpu/ops.h"
#include "cpu/pack.h"
#include "cpu/vector_kernels.h"

namespace owl3::cpu {
namespace {

using linear_kernels::Table;

enum class Form : uint8_t { int8, f32, bf16, int16 };

/// By the weight alone, never by the number of rows: see the rules of ops/backend.h.
Form form_of(const Table& table, const Packed& w, ops::Precision precision) {
  const bool quantised = layout_of(w.type).group != 0;
  if (precision == ops::Precision::exact) return Form::f32;
  if (quantised) return w.bulk && table.bulk_quants_bf16 ? Form::bf16 : Form::int8;
  if (table.bf16 && (w.bulk || w.type == DType::bf16)) return Form::bf16;
  return w.bulk && table.int16 && precision == ops::Precision::fast ? Form::int16 : Form::f32;
}

int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}
const Packed& packed(const ops::Matrix& m) {
  return static_cast<const PackedMatrix&>(m).packed;
}

/// Activations in up to four forms, in the shared scratch.
struct Rows {
  bool wanted[4] = {};  // by Form
  int64_t padded = 0;   // of f32 and bf16: whole 32s
  IntRows ints{};
  FloatRows floats{};
  Bf16Rows halves{};
  ShortRows shorts{};
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
    const int64_t p = r.ints.padded = round_up(k, 256);
    take(r.ints.q, rows * p);
    take(r.ints.scale, rows * p / 32);
    take(r.ints.negsum, rows * p / 32);
    take(r.ints.sum, rows * p / 16);
  }
  if (r.want(Form::f32)) {
    r.floats.padded = r.padded;
    take(r.floats.x, rows * r.padded);
  }
  if (r.want(Form::bf16)) {
    r.halves.padded = r.padded;
    take(r.halves.high, round_up(rows, 16) * r.padded);
    if (split) take(r.halves.low, round_up(rows, 16) * r.padded);
  }
  if (r.want(Form::int16)) {
    const int64_t p = r.shorts.padded = round_up(k, linear_kernels::int16_block);
    take(r.shorts.q, rows * p);
    take(r.shorts.scale, rows * p / linear_kernels::int16_block);
  }
  return static_cast<size_t>(at - base);
}

/// Tiles of a call: blocks of rows, and groups of panels.
struct Plan {
  int64_t block_rows, row_blocks, group;
};

/// Weights are unpacked for each block of rows, which should be many: the int8 kernels take as many as have some
/// columns (columns_at_once) in L2 at a time.
Plan plan(int64_t rows, int64_t panels, const Rows& x, int threads) {
  int64_t fit = linear_kernels::most_block_rows, widest = linear_kernels::widest_group, tile = 1;
  if (x.want(Form::bf16)) {
    widest = linear_kernels::widest_bf16;
    tile = 2;
  }
  if (x.want(Form::int16)) {
    widest = linear_kernels::widest_int16;
    tile = linear_kernels::product_panels;
  }
  if (x.want(Form::f32)) {
    widest = linear_kernels::widest_f32;
    tile = rows < 8 ? 1 : linear_kernels::product_panels;
  }
  if (x.want(Form::int8)) {
    fit = linear_kernels::most_int8_rows;
    if (!x.want(Form::f32)) widest = linear_kernels::widest_group;
    tile = rows <= vector_kernels::most_rows ? 1 : linear_kernels::int8_panels;
  }
  Plan p;
  p.row_blocks = (rows + fit - 1) / fit;
  p.block_rows = p.row_blocks == 1 ? rows : round_up((rows + p.row_blocks - 1) / p.row_blocks, 16);
  // The group whose slowest thread has the least to do, half a panel's work a task included for what is done once a
  // task; the wider of equals.
  int64_t best = INT64_MAX;
  for (int64_t g = 1; g <= widest; g++) {
    const int64_t tasks = (panels + g - 1) / g * p.row_blocks, rounds = (tasks + threads - 1) / threads;
    const int64_t work = rounds * (2 * g + 1);
    if (work > best || (g > 1 && (g % tile != 0 || tasks < 4 * int64_t{threads}))) continue;
    best = work;
    p.group = g;
  }
  return p;
}

size_t sums_bytes(const Plan& p) {
  return static_cast<size_t>(p.group * linear_kernels::sums_stride(p.block_rows)) * sizeof(float);
}
size_t worker_bytes(const Plan& p, bool gate, int64_t k) {
  return std::max((gate ? 2 : 1) * sums_bytes(p) + static_cast<size_t>(linear_kernels::scratch_bytes),
                  static_cast<size_t>(round_up(k, 32)) * sizeof(float));
}

void prepare(Context& c, const Table& table, const ops::LinearParams& p, int64_t k, const Rows& to,
             size_t scratch_bytes) {
  constexpr int64_t rows_a_task = 4;
  c.pool.parallel_for((p.rows + rows_a_task - 1) / rows_a_task, [&](int64_t task, int worker) {
    auto* scratch = static_cast<float*>(c.scratch.worker(worker, scratch_bytes));
    for (int64_t r = task * rows_a_task; r < std::min(p.rows, (task + 1) * rows_a_task); r++) {
      float* h = to.want(Form::f32) ? to.floats.x + r * to.padded : scratch;
      table.norm(p.norm, p.x + r * p.ldx, h, k, to.padded);
      if (to.want(Form::int8)) table.to_int8(h, to.padded, to.ints, r);
      if (to.want(Form::bf16)) table.to_bf16(h, to.padded, to.halves, r);
      if (to.want(Form::int16)) table.to_int16(h, to.padded, to.shorts, r);
    }
  });
}

/// One output's tiles: blocks of rows, and in each all groups of panels, so that a thread keeps its rows in cache.
struct Tiles {
  const ops::LinearOutput* out;
  int64_t first_task, groups;
};

/// `few`: kernels for as few rows as these, or null.
void multiply(const Table& table, const vector_kernels::Table* few, Form form, const Packed& w, int64_t panel,
              int32_t panels, const Rows& x, int64_t row, int64_t rows, float* acc, void* scratch) {
  if (form == Form::bf16) return table.bf16(w, panel, panels, x.halves, row, rows, acc, scratch);
  if (form == Form::int16) return table.int16(w, panel, panels, x.shorts, row, rows, acc, scratch);
  if (few && form == Form::int8) return few->int8(w, panel, panels, x.ints, row, rows, acc, scratch);
  if (few && layout_of(w.type).group == 0) return few->f32(w, panel, panels, x.floats, row, rows, acc, scratch);
  if (form == Form::int8) return table.int8(w, panel, panels, x.ints, row, rows, acc, scratch);
  for (int32_t i = 0; i < panels; i += linear_kernels::widest_f32) {
    const int32_t n = std::min(panels - i, linear_kernels::widest_f32);
    table.f32(w, panel + i, n, x.floats, row, rows, acc + i * linear_kernels::sums_stride(rows), scratch);
  }
}

}  // namespace

std::unique_ptr<ops::Matrix> load_matrix(Context& c, const ops::HostTensor& t) {
  const Table& table = linear_kernels::table(c.isa);
  auto matrix = pack_matrix(t, table.unsigned_q8, c.pool);
  c.forms |= 1u << static_cast<unsigned>(form_of(table, packed(*matrix), c.precision));
  return matrix;
}

void get_rows(Context& c, const ops::Matrix& w, std::span<const int32_t> ids, float* y) {
  const Packed& m = packed(w);
  c.pool.parallel_for(static_cast<int64_t>(ids.size()),
                      [&](int64_t i, int) { unpack_row(m, ids[static_cast<size_t>(i)], y + i * m.cols); });
}

void linear(Context& c, const ops::LinearParams& p) {
  constexpr size_t most_outputs = 8;
  if (p.rows == 0 || p.outputs.empty()) return;
  const Table& table = linear_kernels::table(c.isa);
  const vector_kernels::Table* few = p.rows <= vector_kernels::most_rows ? vector_kernels::table(c.isa) : nullptr;
  const int64_t k = p.outputs[0].w->cols;
  if (p.outputs.size() > most_outputs) throw Error(ErrorCode::internal, "linear: more than eight outputs");

  Rows x;
  int64_t panels = 0;
  bool gated = false, floats = false;
  for (const ops::LinearOutput& out : p.outputs) {
    for (const ops::Matrix* m : {out.w, out.gate}) {
      if (!m) continue;
      if (m->cols != k || m->rows != out.w->rows)
        throw Error(ErrorCode::internal, "linear: matrices of different sizes");
      x.wanted[static_cast<size_t>(form_of(table, packed(*m), c.precision))] = true;
      floats = floats || layout_of(packed(*m).type).group == 0;
    }
    panels += packed(*out.w).panels;
    gated = gated || out.gate;
  }
  const Plan plan = cpu::plan(p.rows, panels, x, c.pool.threads());
  const size_t scratch_bytes = worker_bytes(plan, gated, k), gate_at = sums_bytes(plan);
  const bool split = floats && c.precision != ops::Precision::fast;
  Rows sized = x;
  lay_out(x, p.rows, k, split, static_cast<char*>(c.scratch.shared(lay_out(sized, p.rows, k, split, nullptr))));
  prepare(c, table, p, k, x, scratch_bytes);

  Tiles tiles[most_outputs];
  int64_t tasks = 0;
  for (size_t i = 0; i < p.outputs.size(); i++) {
    tiles[i] = {&p.outputs[i], tasks, (packed(*p.outputs[i].w).panels + plan.group - 1) / plan.group};
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
    char* memory = static_cast<char*>(c.scratch.worker(worker, scratch_bytes));
    auto *acc = reinterpret_cast<float*>(memory), *gate = reinterpret_cast<float*>(memory + gate_at);
    void* scratch = memory + (gated ? 2 : 1) * gate_at;
    multiply(table, few, form_of(table, w, c.precision), w, panel, count, x, row, rows, acc, scratch);
    if (out.gate) {
      const Packed& g = packed(*out.gate);
      multiply(table, few, form_of(table, g, c.precision), g, panel, count, x, row, rows, gate, scratch);
    }
    const int64_t n = panel * panel_rows;
    table.epilogue({.acc = acc,
                    .gate = out.gate ? gate : nullptr,
                    .panel_stride = linear_kernels::sums_stride(rows),
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

void reserve_linear(Context& c, int64_t rows, int64_t cols) {
  Rows all;
  for (size_t form = 0; form < std::size(all.wanted); form++) all.wanted[form] = c.forms >> form & 1;
  c.scratch.shared(lay_out(all, rows, cols, true, nullptr));
  const int32_t group = all.want(Form::bf16) ? linear_kernels::widest_bf16 : linear_kernels::widest_group;
  const Plan widest = {std::min<int64_t>(rows, linear_kernels::most_block_rows), 1, group};
  c.scratch.reserve_workers(worker_bytes(widest, true, cols));
}

}  // namespace owl3::cpu
