// A pass's verbs on the simulation (keys and values, attention, embedding and wanted rows) against the naive backend.
#include "cuda/verbs/attention.h"

#include <map>

#include "cpu/rope/rope.h"
#include "cuda/simulation.h"
#include "cuda/verbs/rows.h"
#include "cuda/verbs/vision.h"
#include "support/harness.h"

using namespace owl3;
using namespace owl3::test;

namespace {

struct Shape {
  int32_t heads, kv_heads, head_dim;
  ops::KvType type;
};

/// A store on the simulation and one on the naive backend, which are written alike.
struct Stores {
  static constexpr int32_t page_positions = 16, max_pages = 64, max_crops = 4;

  Stores(const Shape& s, int32_t crop_tokens)
      : shape(s),
        kv_shape{.type = s.type,
                 .layers = 2,
                 .hyper_layers = 2,
                 .kv_heads = s.kv_heads,
                 .head_dim = s.head_dim,
                 .page_positions = page_positions,
                 .crop_tokens = crop_tokens},
        store(naive.make_kv_store(kv_shape)),
        pages(max_pages),
        crops(max_crops),
        key_shift(normal_values(width(), 99)) {}

  int64_t width() const { return int64_t{shape.kv_heads} * shape.head_dim; }
  int64_t q_width() const { return int64_t{shape.heads} * shape.head_dim; }
  cuda::KvAddresses addresses() const { return {kv_shape, pages.data(), crops.data()}; }
  ops::RopeShape rope() const { return {shape.heads, shape.kv_heads, shape.head_dim, 1e4f}; }

  char* hold(size_t bytes) { return memory.emplace_back(bytes).as<char>(); }
  void add_crop(int32_t crop, int32_t position) {
    store->add_crop(crop);
    crops[static_cast<size_t>(crop)] = hold(cuda::crop_bytes(kv_shape));
    auto kv = normal_values(kv_shape.crop_tokens * 2 * width(), static_cast<uint32_t>(100 + crop));
    if (is_spoilt(-crop))
      spoil(kv.data() + 7 * 2 * width() + shape.head_dim, 2 * shape.head_dim, 5);  // its eighth token
    for (int32_t layer = 0; layer < 2; layer++) {
      const ops::StoreVisualParams p{.store = store.get(),
                                     .crop = crop,
                                     .hyper_layer = layer,
                                     .position = position,
                                     .kv = kv.data(),
                                     .shape = rope(),
                                     .key_shift = key_shift.data()};
      if (spoilt.empty()) naive.store_visual(p);
      std::vector<float> angles(static_cast<size_t>(shape.head_dim), NAN);
      cuda::store_visual(simulation, p, addresses(), angles.data());
    }
  }
  /// Crops 0, 1, … at these positions, as the list of a sequence that sees them all.
  std::vector<ops::TableCrop> add_crops(const std::vector<int32_t>& positions) {
    std::vector<ops::TableCrop> added;
    for (const int32_t position : positions) {
      added.push_back({static_cast<int32_t>(added.size()), position});
      add_crop(added.back().crop, position);
    }
    return added;
  }

  Shape shape;
  ops::KvShape kv_shape;
  NaiveBackend naive;
  Simulation simulation;
  std::unique_ptr<ops::KvStore> store;
  std::vector<char*> pages, crops;
  std::vector<Memory> memory;
  std::vector<float> key_shift;
  std::vector<int32_t> spoilt;  // positions of text, and -n of crop n, whose values are not all finite
  bool is_spoilt(int32_t number) const { return std::ranges::find(spoilt, number) != spoilt.end(); }
  /// Puts an infinity into these columns of the values of all heads, and a NaN beside it.
  void spoil(float* v, int32_t head_stride, int32_t column) const {
    for (int32_t head = 0; head < shape.kv_heads; head++) {
      v[head * head_stride + column] = INFINITY;
      v[head * head_stride + column + 1] = NAN;
    }
  }
};

/// A sequence: its values depend on its number and the position alone.
struct TestSequence {
  uint32_t number;
  int32_t length = 0;
  std::vector<int32_t> pages = {};
  std::vector<ops::TableCrop> crops = {};
};

/// The results of a pass: rotated q and outputs of both backends.
struct Outputs {
  std::vector<float> q, expected_q, out, expected;
};

ops::PassTable table_of(Stores& s, const std::vector<std::pair<TestSequence*, int32_t>>& parts) {
  ops::PassTable table;
  for (const auto& [sequence, rows] : parts) {
    const int32_t length = sequence->length + rows;
    while (static_cast<int32_t>(sequence->pages.size()) * Stores::page_positions < length) {
      const auto page = static_cast<int32_t>(std::count_if(s.pages.begin(), s.pages.end(), [](char* p) { return p; }));
      s.store->add_page(page);
      s.pages[static_cast<size_t>(page)] = s.hold(cuda::page_bytes(s.kv_shape));
      sequence->pages.push_back(page);
    }
    table.sequences.push_back({.first_row = static_cast<int32_t>(table.ids.size()),
                               .rows = rows,
                               .first_position = sequence->length,
                               .first_page = static_cast<int32_t>(table.pages.size()),
                               .pages = static_cast<int32_t>(sequence->pages.size()),
                               .first_crop = static_cast<int32_t>(table.crops.size()),
                               .crops = static_cast<int32_t>(sequence->crops.size())});
    for (int32_t i = 0; i < rows; i++) {
      table.ids.push_back(i);
      table.positions.push_back(sequence->length + i);
    }
    table.pages.insert(table.pages.end(), sequence->pages.begin(), sequence->pages.end());
    table.crops.insert(table.crops.end(), sequence->crops.begin(), sequence->crops.end());
    sequence->length = length;
  }
  return table;
}

/// One pass over new rows of sequences: keys and values are stored, and every row attends. `wide`: grids as a recorded
/// pass has them.
Outputs run_pass(Stores& s, const std::vector<std::pair<TestSequence*, int32_t>>& parts, int32_t hyper_layer,
                 const ops::Gate& gate = {}, bool wide = false) {
  const ops::PassTable table = table_of(s, parts);
  const int64_t rows = table.rows(), ld = 2 * s.width();
  std::vector<float> kv, q;
  for (const ops::TableSequence& t : table.sequences)
    for (int32_t i = 0; i < t.rows; i++) {
      const uint32_t seed = parts[static_cast<size_t>(&t - table.sequences.data())].first->number * 1000 +
                            static_cast<uint32_t>(t.first_position + i);
      auto a = normal_values(ld, seed);
      if (s.is_spoilt(t.first_position + i)) s.spoil(a.data() + s.width(), s.shape.head_dim, 8);
      const auto b = normal_values(s.q_width(), seed + 500, 2);
      kv.insert(kv.end(), a.begin(), a.end());
      q.insert(q.end(), b.begin(), b.end());
    }
  Outputs o{q, q, std::vector<float>(q.size(), NAN), std::vector<float>(q.size())};
  cuda::TableLimits limits = cuda::limits_of(table);
  limits.rows += 3, limits.pages += 5;
  const Memory device(cuda::table_bytes(limits));
  cuda::DeviceTable view{cuda::table_view(limits, device.as()), cuda::write_table(table, limits, device.as())};
  if (wide) view.extent = cuda::widened(view.extent);
  const size_t scratch_bytes =
      std::max(cuda::attention_scratch_bytes(rows, s.shape.heads, s.shape.head_dim),
               cuda::shared_out_bytes(rows, table.positions.back() + 1, 4, s.shape.heads, s.shape.head_dim));
  const Memory scratch(scratch_bytes);
  std::vector<float> angles(static_cast<size_t>(rows * s.shape.head_dim), NAN);
  cuda::rope_angles(s.simulation, s.rope(), view, angles.data());
  s.naive.begin(table, *s.store);
  for (int32_t layer = 1; layer >= 0; layer--) {
    ops::RopeStoreParams p{.q = layer == 0 ? o.q.data() : nullptr,
                           .ldq = s.q_width(),
                           .k = kv.data(),
                           .v = kv.data() + s.width(),
                           .ld = ld,
                           .shape = s.rope(),
                           .key_shift = s.key_shift.data(),
                           .layer = layer};
    cuda::rope_store(s.simulation, p, view, s.addresses(), angles.data());
    std::vector<float> ignored = q;
    p.q = layer == 0 ? o.expected_q.data() : ignored.data();
    if (s.spoilt.empty()) s.naive.rope_store(p);
  }
  ops::AttentionParams p{.q = o.q.data(),
                         .ldq = s.q_width(),
                         .out = o.out.data(),
                         .heads = s.shape.heads,
                         .kv_heads = s.shape.kv_heads,
                         .head_dim = s.shape.head_dim,
                         .layer = 0,
                         .hyper_layer = hyper_layer,
                         .gate = gate};
  cuda::attention(s.simulation, p, view, s.addresses(), scratch.as(), scratch_bytes);
  p.q = o.expected_q.data();
  p.out = o.expected.data();
  if (s.spoilt.empty()) s.naive.attention(p);  // which refuses what is not finite
  return o;
}

/// The largest difference.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double max = a.size() == b.size() ? 0 : 1e30;
  for (size_t i = 0; i < a.size() && i < b.size(); i++) {
    const double d = std::abs(double(a[i]) - b[i]);
    if (!(d <= max)) max = std::isnan(d) ? 1e30 : d;
  }
  return max;
}

double tolerance(ops::KvType type) {
  return type == ops::KvType::f32 ? 1e-4 : type == ops::KvType::f16 ? 2e-3 : 3e-2;
}

constexpr Shape shapes[] = {{4, 2, 8, ops::KvType::f32},    {3, 1, 16, ops::KvType::f16},
                            {7, 1, 32, ops::KvType::q8_0},  {2, 2, 4, ops::KvType::f16},
                            {6, 2, 64, ops::KvType::f16},   {4, 2, 128, ops::KvType::f16},
                            {4, 2, 128, ops::KvType::q8_0}, {2, 1, 256, ops::KvType::f32},
                            {2, 1, 160, ops::KvType::q8_0}, {2, 1, 20, ops::KvType::f16}};

}  // namespace

TEST("cuda: rotated rows, causal and hyper attention agree with plain loops, for all heads and formats of keys") {
  for (const Shape& shape : shapes)
    for (const int processors : {1, 1000}) {
      Stores s(shape, 21);
      s.simulation.processors = processors;
      TestSequence a{.number = 1, .crops = s.add_crops({3, 20})}, b{2};
      const double allowed = tolerance(shape.type);
      for (const int32_t hyper : {-1, 0, 1}) {
        if (processors > 1 && hyper != 0) continue;
        const Outputs first = run_pass(s, {{&a, 11}, {&b, 3}}, hyper), second = run_pass(s, {{&b, 1}, {&a, 18}}, hyper);
        for (const Outputs* o : {&first, &second}) {
          CHECK(distance(o->q, o->expected_q) < 1e-4);
          CHECK(distance(o->out, o->expected) < allowed);
        }
      }
    }
}

TEST("cuda: text of several splits, shared out or not, as a recorded pass or not: the same bits") {
  const auto run = [](const Shape& shape, int32_t crop_tokens, int processors, bool wide, std::vector<int32_t> chunks) {
    Stores s(shape, crop_tokens);
    s.simulation.processors = processors;
    TestSequence a{.number = 1, .crops = s.add_crops({5, 65, 125})}, b{2};
    std::vector<float> all;
    for (const int32_t rows : chunks) {
      const Outputs o = run_pass(s, {{&b, 2}, {&a, rows}}, 1, {}, wide);
      CHECK(distance(o.out, o.expected) < tolerance(shape.type));
      all.insert(all.end(), o.out.begin() + 2 * s.q_width(), o.out.end());
    }
    return all;
  };
  const std::vector<float> plain = run({3, 1, 32, ops::KvType::f16}, 9, 1, false, {290});
  CHECK(plain == run({3, 1, 32, ops::KvType::f16}, 9, 1000, false, {290}));
  CHECK(plain == run({3, 1, 32, ops::KvType::f16}, 9, 1000, true, {270, 19, 1}));
  CHECK(plain == run({3, 1, 32, ops::KvType::f16}, 9, 1, true, {3, 253, 1, 1, 32}));
  // On the tensor cores: crops of more than one tile of keys, text of two splits, and more heads a KV head than one
  // group takes.
  const auto check = [&](const Shape& shape, int32_t rows) {
    const std::vector<float> whole = run(shape, 81, 1, false, {rows});
    CHECK(whole == run(shape, 81, 1000, true, {3, rows - 4, 1}));
  };
  check({1, 1, 64, ops::KvType::f16}, 262);
  check({1, 1, 128, ops::KvType::q8_0}, 70);
  check({18, 1, 64, ops::KvType::f16}, 20);
}

TEST("cuda: steps of many sequences with many crops are shared out where the plan had room for their states") {
  struct Grid final : cuda::Launcher {
    void launch(const cuda::Launch& l) override {
      if (std::string(l.kernel) == "attention_128") splits = l.grid.x;
    }
    int multiprocessors() const override { return 128; }
    uint32_t splits = 0;
  };
  const auto splits = [](int32_t sequences, size_t bytes) {
    const ops::KvShape shape{.layers = 28, .hyper_layers = 4, .kv_heads = 4, .head_dim = 128, .crop_tokens = 729};
    const cuda::DeviceTable table{
        .view = {},
        .extent = cuda::widened(
            {.rows = sequences, .wanted = sequences, .tiles = sequences, .text_splits = 12, .hyper_splits = 12 + 128})};
    Grid grid;
    cuda::attention(grid, {.heads = 28, .kv_heads = 4, .head_dim = 128, .hyper_layer = 0}, table, {.shape = shape},
                    nullptr, bytes);
    return grid.splits;
  };
  const auto planned = [](int64_t sequences) { return cuda::shared_out_bytes(sequences, 3000, 128, 28, 128); };
  for (const int32_t sequences : {1, 2, 8, 32}) CHECK_EQ(splits(sequences, planned(sequences)), 256u);
  CHECK_EQ(splits(8, planned(1)), 1u);      // planned for one answer: they take turns in fewer blocks
  CHECK_EQ(splits(256, planned(256)), 1u);  // enough blocks without
}

void check_gates(const Shape& shape) {
  const auto d = static_cast<size_t>(shape.head_dim);
  const auto weight = normal_values(d * d, 1, 0.3f), bias = normal_values(d, 2);
  std::vector<float> channels = normal_values(4 * d, 3);
  for (float& g : channels) g = std::abs(g) / 4;
  const ops::Gate gates[] = {{ops::GateKind::channel, channels.data(), nullptr},
                             {ops::GateKind::head, weight.data(), bias.data()}};
  for (const ops::Gate& gate : gates) {
    std::vector<float> outs[2];
    for (const int processors : {1, 1000}) {
      Stores s(shape, 10);
      s.simulation.processors = processors;
      TestSequence a{.number = 1, .crops = s.add_crops({3, 30})}, b{2};
      for (const int32_t rows : {1, 20, 250, 1}) {
        const Outputs o = run_pass(s, {{&a, rows}, {&b, 1}}, 0, gate);
        CHECK(distance(o.out, o.expected) < tolerance(shape.type));
        std::vector<float>& all = outs[processors == 1 ? 0 : 1];
        all.insert(all.end(), o.out.begin(), o.out.end());
      }
    }
    CHECK(outs[0] == outs[1]);
  }
}

TEST("cuda: two softmaxes with a gate agree with plain loops, shared out or not") {
  check_gates({2, 1, 16, ops::KvType::f32});
  check_gates({1, 1, 64, ops::KvType::f16});
}

TEST("cuda: a crop that no row sees is not read, nor pages beyond a row's position") {
  Stores s({4, 2, 16, ops::KvType::f16}, 10);
  s.add_crop(0, 3);
  TestSequence a{1}, b{1};
  a.crops = {{0, 3}, {3, 50}};  // there is no crop 3
  b.crops = {{0, 3}};
  const Outputs with = run_pass(s, {{&a, 5}}, 0), without = run_pass(s, {{&b, 5}}, 0);
  CHECK(with.out == without.out);
}

TEST("cuda: what is not finite in later positions, or in crops that come later, leaves earlier rows alone") {
  for (const Shape& shape : {Shape{6, 2, 64, ops::KvType::f16}, Shape{2, 1, 128, ops::KvType::f16},
                             Shape{2, 1, 128, ops::KvType::q8_0}, Shape{2, 1, 16, ops::KvType::f16}}) {
    const auto run = [&](int processors, std::vector<int32_t> chunks, std::vector<int32_t> spoilt) {
      Stores s(shape, 70);
      s.simulation.processors = processors;
      s.spoilt = std::move(spoilt);
      TestSequence a{.number = 1, .crops = s.add_crops({4, 12})};
      std::vector<float> all;
      for (const int32_t rows : chunks) {
        const Outputs o = run_pass(s, {{&a, rows}}, 0);
        all.insert(all.end(), o.out.begin(), o.out.end());
      }
      return all;
    };
    const std::vector<int32_t> one_by_one(22, 1), spoilt = {-1, 18};  // the second crop and a position of text
    const std::vector<float> finite = run(1, {22}, {}), alone = run(1, one_by_one, spoilt);
    for (const int processors : {1, 1000}) {
      const std::vector<float> together = run(processors, {22}, spoilt);
      CHECK(std::memcmp(together.data(), alone.data(), alone.size() * sizeof(float)) == 0);
    }
    const auto width = static_cast<size_t>(shape.heads * shape.head_dim);
    for (size_t i = 0; i < finite.size(); i++) {
      const size_t row = i / width, column = i % static_cast<size_t>(shape.head_dim);
      const bool of_crop = row >= 12 && (column == 5 || column == 6),
                 of_text = row >= 18 && (column == 8 || column == 9);
      if (shape.type == ops::KvType::f16) CHECK_EQ(std::isnan(alone[i]), of_crop || of_text);
      if (row < 12) CHECK_EQ(alone[i], finite[i]);
    }
  }
}

TEST("cuda: passes have the same bits in every schedule") {
  const ops::Gate gate{ops::GateKind::channel, nullptr, nullptr};
  const auto weight = std::vector<float>(4 * 64, 0.25f);
  for (const ops::KvType type : {ops::KvType::f32, ops::KvType::f16, ops::KvType::q8_0}) {
    std::vector<float> expected;
    std::vector<cuda::simt::Options> all = schedules();
    all.insert(all.begin(), cuda::simt::Options{});
    for (const cuda::simt::Options& options : all) {
      std::vector<float> out;
      for (const int processors : {1, 1000}) {
        Stores s({4, 2, 64, type}, 40);
        s.simulation.options = options;
        s.simulation.processors = processors;
        TestSequence a{.number = 1, .crops = s.add_crops({3})};
        for (const int32_t rows : {20, 1}) {
          ops::Gate g = gate;
          g.weight = weight.data();
          const Outputs o = run_pass(s, {{&a, rows}}, 0, rows == 1 ? g : ops::Gate{});
          out.insert(out.end(), o.out.begin(), o.out.end());
        }
      }
      if (expected.empty()) expected = out;
      CHECK(out == expected);
    }
  }
}

TEST("cuda: a copied page holds the same keys and values") {
  Stores s({4, 2, 12, ops::KvType::f16}, 5);
  TestSequence a{1};
  run_pass(s, {{&a, 20}}, -1);
  TestSequence fork = a;
  fork.pages[1] = 60;
  s.pages[60] = s.hold(cuda::page_bytes(s.kv_shape));
  s.store->add_page(60);
  cuda::copy_page(s.simulation, s.kv_shape, s.pages[static_cast<size_t>(a.pages[1])], s.pages[60]);
  s.store->copy_page(a.pages[1], 60);
  const Outputs one = run_pass(s, {{&fork, 1}}, -1), other = run_pass(s, {{&a, 1}}, -1);
  CHECK(one.out == other.out && distance(one.out, one.expected) < 2e-3);
}

TEST("cuda: attention and RoPE refuse heads that they have no kernels for") {
  Stores s({3, 2, 16, ops::KvType::f32}, 5);
  TestSequence a{1};
  CHECK_THROWS(run_pass(s, {{&a, 1}}, -1), ErrorCode::unsupported);
  Stores odd({2, 2, 7, ops::KvType::f32}, 5), large({2, 2, 258, ops::KvType::f32}, 5);
  CHECK_THROWS(odd.add_crop(0, 1), ErrorCode::unsupported);
  CHECK_THROWS(large.add_crop(0, 1), ErrorCode::unsupported);
}

TEST("cuda: cosines and sines of positions have the bits that the CPU has") {
  for (const int32_t head_dim : {64, 128, 20}) {
    ops::PassTable table;
    std::vector<cpu::KvSlot> slots;
    for (int32_t position = 0; position < 5000; position += position < 100 ? 1 : 97) {
      table.ids.push_back(0);
      table.positions.push_back(position);
      slots.push_back({{}, 0, position});
    }
    const cuda::TableLimits limits = cuda::limits_of(table);
    const Memory device(cuda::table_bytes(limits));
    const cuda::DeviceTable view{cuda::table_view(limits, device.as()), cuda::write_table(table, limits, device.as())};
    std::vector<float> angles(slots.size() * static_cast<size_t>(head_dim), NAN);
    Simulation simulation;
    cuda::rope_angles(simulation, {1, 1, head_dim, 1e6f}, view, angles.data());
    cpu::rope::Angles expected;
    expected.prepare(slots, 1e6f, head_dim);
    for (size_t row = 0; row < slots.size(); row++)
      CHECK(std::memcmp(angles.data() + row * static_cast<size_t>(head_dim), expected.row(row),
                        static_cast<size_t>(head_dim) * sizeof(float)) == 0);
  }
}

TEST("cuda: rows of the embedding are those of the file to the bit, and wanted rows are picked out") {
  for (const DType type : all_types()) {
    const int64_t k = gguf::format(type).block_size == 256 ? 512 : gguf::quantised(type) ? 96 : 75;
    const Weights w(type, 37, k, 3);
    const DeviceWeights m(w, 1);
    ops::PassTable table;
    table.ids = {0, 36, 16, 15, 7, 8, 36};
    table.positions.resize(7);
    table.sequences = {{.rows = 7, .pages = 0}};
    table.wanted = {1, 4, 6};
    const cuda::TableLimits limits = cuda::limits_of(table);
    const Memory device(cuda::table_bytes(limits));
    const cuda::DeviceTable view{cuda::table_view(limits, device.as()), cuda::write_table(table, limits, device.as())};
    std::vector<float> y(static_cast<size_t>(7 * k), NAN), wanted(static_cast<size_t>(3 * k), NAN);
    Simulation simulation;
    cuda::get_rows(simulation, m, view, y.data());
    cuda::select_rows(simulation, y.data(), k, view, wanted.data());
    for (size_t i = 0; i < 7; i++)
      CHECK(std::memcmp(y.data() + static_cast<int64_t>(i) * k, w.values.data() + table.ids[i] * k,
                        static_cast<size_t>(k) * 4) == 0);
    for (size_t i = 0; i < 3; i++)
      CHECK(std::equal(wanted.begin() + static_cast<int64_t>(i) * k, wanted.begin() + static_cast<int64_t>(i + 1) * k,
                       y.begin() + table.wanted[i] * k));
  }
}

TEST("cuda: a table that its place does not cover is refused") {
  ops::PassTable table;
  table.ids = {1, 2};
  table.positions = {0, 1};
  table.sequences = {{.rows = 2}};
  cuda::TableLimits limits = cuda::limits_of(table);
  CHECK(cuda::covers(limits, cuda::limits_of(table)));
  limits.rows = 1;
  const Memory device(1024);
  CHECK_THROWS(cuda::write_table(table, limits, device.as()), ErrorCode::internal);
  const cuda::PassExtent wide =
      cuda::widened({.rows = 3, .wanted = 1, .tiles = 5, .text_splits = 1, .hyper_splits = 9});
  CHECK((wide == cuda::PassExtent{.rows = 3, .wanted = 1, .tiles = 8, .text_splits = 1, .hyper_splits = 16}));
}
