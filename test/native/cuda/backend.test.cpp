// The CUDA backend's host side, over the fake driver: memory, order, recordings and failures. That its kernels compute
// the right thing is shown beside them.
#include "cuda/backend.h"

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "cuda/core.h"
#include "cuda/fake_backend.h"
#include "cuda/memory.h"
#include "model/session.h"
#include "support/harness.h"
#include "support/tiny_model.h"

using namespace owl3;
using test::fake_device;
using test::fake_family;
using test::TinyModel;
namespace fake = test::fake_driver;

namespace {

std::vector<int32_t> count(int32_t n, int32_t from = 0) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (int32_t i = 0; i < n; i++) ids[static_cast<size_t>(i)] = (from + i * 7) % 40;
  return ids;
}

std::shared_ptr<model::Model> open(std::vector<std::shared_ptr<ops::Backend>> backends,
                                   const model::PlaceOptions& place = {}) {
  static const std::shared_ptr<const std::string> path = TinyModel().write();
  return model::Model::open(*path, std::move(backends), {}, place);
}

std::vector<uint8_t> pixels(int64_t n) {
  std::vector<uint8_t> p(static_cast<size_t>(n * 3 * 8 * 8));
  for (size_t i = 0; i < p.size(); i++) p[i] = static_cast<uint8_t>(i * 37 + i / 192 * 11);
  return p;
}

/// One pass of a sequence: the logits after its last row.
std::vector<float> append(model::Session& s, int32_t sequence, const std::vector<int32_t>& ids,
                          const std::vector<model::MediaSlot>& media = {}) {
  const model::Part part{.sequence = sequence, .ids = ids, .media = media, .wanted = 1, .picked = 3, .whole = true};
  return s.advance(std::span(&part, 1))[0].whole;
}

}  // namespace

TEST("cuda backend: copies arrive, host memory is taken at once, and what is freed goes after the work") {
  const auto device = fake_device();
  const size_t before = fake::counts().bytes;
  {
    std::vector<char> host(9 << 20, 'a'), back(host.size());
    const auto a = device->allocate(host.size()), b = device->allocate(host.size());
    device->copy_to_device(a.get(), host.data(), host.size());
    std::fill(host.begin(), host.end(), 'b');
    device->copy_to_device(b.get(), host.data(), host.size());
    device->copy_to_host(back.data(), a.get(), back.size());
    device->wait(device->submit());
    CHECK(std::ranges::all_of(back, [](char c) { return c == 'a'; }));
    device->read(back.data(), b.get(), back.size());
    CHECK(std::ranges::all_of(back, [](char c) { return c == 'b'; }));
    device->copy_from(*device, a.get(), b.get(), back.size());
    device->read(back.data(), a.get(), back.size());
    CHECK(back == host);
  }
  device->wait(device->submit());
  CHECK_EQ(fake::counts().bytes, before);
}

TEST("cuda backend: small memory shares what the driver gives out") {
  const auto device = fake_device();
  const int64_t before = fake::counts().allocations;
  std::vector<ops::Backend::Buffer> all;
  for (int i = 0; i < 1000; i++) all.push_back(device->allocate(1000));
  CHECK(fake::counts().allocations - before <= 1);
  std::set<void*> addresses;
  for (const auto& buffer : all) {
    addresses.insert(buffer.get());
    CHECK_EQ(reinterpret_cast<uintptr_t>(buffer.get()) % cuda::Heap::alignment, 0u);
  }
  CHECK_EQ(addresses.size(), 1000u);
}

TEST("cuda backend: a decode step is one launch of what was recorded, without allocations") {
  const auto model = open({fake_device()});
  model::Session s(model, {256, ops::KvType::f16, 128, 0});
  const int32_t q = s.create();
  append(s, q, count(70));
  append(s, q, count(1));
  append(s, q, count(1));
  const fake::Counts before = fake::counts();
  for (int i = 0; i < 5; i++) append(s, q, count(1, i));
  const fake::Counts after = fake::counts();
  CHECK_EQ(after.recordings, before.recordings);
  CHECK_EQ(after.replays - before.replays, 5);
  CHECK_EQ(after.allocations, before.allocations);
  CHECK_EQ(after.waits - before.waits, 5);  // one for each pass
}

TEST("cuda backend: a step launches what its layers need and no more") {
  const auto model = open({fake_device()});
  model::Session s(model, {256, ops::KvType::f16, 128, 0});
  const int32_t q = s.create();
  append(s, q, count(20));
  append(s, q, count(1));
  const int64_t before = fake::counts().kernels;
  append(s, q, count(1));
  // A layer: rows and products of Q, K and V, of the output, of gate and up, and of down; rope_store; attention. Then the
  // embedding, angles, the wanted row, its norm and the output; two launches to pick.
  CHECK_EQ(fake::counts().kernels - before, 3 * (4 * 2 + 2) + 5 + 2);
}

TEST("cuda backend: the next step is enqueued when a step is waited for, with the id that the device picked") {
  const auto model = open({fake_device()});
  model::Session s(model, {256, ops::KvType::f16, 128, 0});
  const int32_t q = s.create();
  std::vector<int32_t> ids = count(20);
  const auto step = [&] {
    const model::Part part{.sequence = q, .ids = ids, .wanted = 1, .picked = 1, .goes_on = true};
    ids = {s.advance(std::span(&part, 1))[0].picked[0].ids[0]};
  };
  step();
  step();
  for (int i = 0; i < 5; i++) {
    const fake::Counts before = fake::counts();
    step();
    const fake::Counts after = fake::counts();
    CHECK_EQ(after.replays - before.replays, 1);  // of the step after the one that was asked for
    CHECK_EQ(after.waits - before.waits, 1);
    CHECK_EQ(after.allocations, before.allocations);
    CHECK(fake::pending() > 0);  // it is enqueued, and nobody has waited for it
  }
}

TEST("cuda backend: a recording refuses copies and memory, while other threads go on") {
  const auto device = fake_device();
  const auto store =
      device->make_kv_store({.layers = 1, .kv_heads = 1, .head_dim = 32, .page_positions = 64, .crop_tokens = 4});
  store->add_page(0);
  ops::PassTable table;
  table.ids = {1}, table.positions = {0}, table.pages = {0};
  table.sequences = {{.rows = 1, .pages = 1}};
  device->begin(table, *store);
  const auto memory = device->allocate(64);
  ops::Backend::Buffer more;
  const std::vector<float> host(16, 2.f);
  const auto copy = [&] { device->copy_to_device(memory.get(), host.data(), 64); };
  device->pass({.rows = 1}, [&] {
    std::thread([&] {
      copy();
      device->wait(device->submit());
      more = device->allocate(size_t{3} << 20);
    }).join();
  });
  std::vector<float> back(16);
  device->read(back.data(), memory.get(), 64);
  CHECK(back == host);
  CHECK_THROWS(device->pass({.rows = 1, .wanted = 1}, copy), ErrorCode::internal);
  CHECK_THROWS(device->pass({.rows = 1, .wanted = 2}, [&] { device->allocate(size_t{3} << 20); }), ErrorCode::internal);
  CHECK_THROWS(device->pass({.rows = 1, .wanted = 3}, [&] { device->wait(device->submit()); }), ErrorCode::internal);
  device->wait(device->submit());
}

TEST("cuda backend: who waits for work that another thread waited for has what it copied, too") {
  const cuda::CudaFamily family = fake_family();
  const auto driver = std::make_shared<const cuda::driver::Driver>(fake::api(), 13000);
  cuda::Core core(driver, driver->devices()[0], "cuda-sim:0", "the kernels of the simulation");
  char* memory = core.allocate(64);
  std::atomic<bool> arriving = false, arrived = false;
  core.download(memory, 64, [&](const char*) {
    arriving = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    arrived = true;
  });
  const cuda::Queue::Ticket ticket = core.queue.submit();
  std::thread other([&] { core.queue.wait(ticket); });
  while (!arriving) std::this_thread::yield();
  core.queue.wait(ticket);
  const bool had = arrived;
  other.join();
  CHECK(had);
  core.retire(memory);
}

TEST("cuda backend: work that failed says so to all who wait for it") {
  const ops::KvShape shape{.layers = 1, .kv_heads = 1, .head_dim = 32, .page_positions = 64, .crop_tokens = 4};
  {
    const auto device = fake_device();
    const auto store = device->make_kv_store(shape);
    store->add_page(0), store->add_page(1);
    device->allocate(64);
    fake::play().kernel_fails = 0;
    store->copy_page(0, 1);
    const ops::Backend::Ticket ticket = device->submit();
    CHECK_THROWS(device->allocate(64), ErrorCode::device_lost);  // waits for what is retired, and meets the loss
    CHECK_THROWS(device->wait(ticket), ErrorCode::device_lost);
  }
  const auto device = fake_device();
  const auto store = device->make_kv_store(shape);
  store->add_page(0), store->add_page(1);
  store->copy_page(0, 1);
  const ops::Backend::Ticket ticket = device->submit();
  fake::play().wait_fails = 0;
  for (int i = 0; i < 2; i++) CHECK_THROWS(device->wait(ticket), ErrorCode::internal);
  device->wait(device->submit());  // later work is not touched by it
}

TEST("cuda backend: what fails before a pass leaves nothing behind that the next one relies on") {
  const auto device = fake_device();
  const auto store =
      device->make_kv_store({.layers = 1, .kv_heads = 1, .head_dim = 32, .page_positions = 64, .crop_tokens = 4});
  store->add_page(0), store->add_page(1);
  const auto pass = [&](size_t rows) {
    ops::PassTable table;
    table.ids.resize(rows), table.positions.resize(rows);
    table.pages = {0};
    table.sequences = {{.rows = static_cast<int32_t>(rows), .pages = 1}};
    device->begin(table, *store);
    device->pass({.rows = static_cast<int64_t>(rows)}, [&] { store->copy_page(0, 1); });
  };
  pass(1);
  // The table of a pass finds no memory.
  fake::play().allocation_fails = 0;
  CHECK_THROWS(pass(100000), ErrorCode::out_of_memory);
  pass(1);
  device->wait(device->submit());
  // The table of pages moves, and is not filled.
  for (int32_t page = 2; page < 100; page++) store->add_page(page);
  fake::play().copy_fails = 0;
  CHECK_THROWS(pass(1), ErrorCode::internal);
  const int64_t recordings = fake::counts().recordings;
  pass(1);
  CHECK_EQ(fake::counts().recordings, recordings + 1);
  device->wait(device->submit());
}

TEST("cuda backend: recordings go with the memory that they speak of") {
  const auto device = fake_device();
  const auto model = open({device});
  {
    model::Session s(model, {256, ops::KvType::f16, 128, 0});
    const int32_t q = s.create();
    append(s, q, count(1));
    append(s, q, count(1));
    CHECK(fake::counts().live_graphs > 0);
    append(s, q, count(100));  // activations grow
    device->wait(device->submit());
    CHECK_EQ(fake::counts().live_graphs, 0);
    append(s, q, count(1));
    CHECK_EQ(fake::counts().live_graphs, 1);
  }
  device->wait(device->submit());
  CHECK_EQ(fake::counts().live_graphs, 0);  // the store is gone
}

TEST("cuda backend: recordings used longest ago go when the memory that is counted for them is full") {
  const auto device = fake_device();
  const auto model = open({device});
  const size_t counted = cuda::Graphs::bytes(model->config().num_layers);
  model::Session s(model, {256, ops::KvType::f16, 128, 0});
  const auto pass_of = [&](int32_t rows) {
    const int32_t q = s.create();
    append(s, q, count(rows));
    s.remove(q);
  };
  pass_of(64);  // the largest first: activations and scratch stay where they are
  device->wait(device->submit());
  const size_t others = fake::counts().bytes - fake::counts().graph_bytes;
  for (int32_t rows = 1; rows <= 40; rows++) {
    pass_of(rows);
    pass_of(1);  // is used all the time
  }
  CHECK_EQ(fake::counts().recordings, 41);
  CHECK(fake::counts().live_graphs < 20);
  CHECK(fake::counts().peak_graph_bytes <= counted);
  CHECK(fake::counts().peak_graph_bytes > counted / 2);
  device->wait(device->submit());
  CHECK_EQ(fake::counts().bytes - fake::counts().graph_bytes, others);
  pass_of(1), pass_of(40), pass_of(39);
  CHECK_EQ(fake::counts().recordings, 41);
  pass_of(2);
  CHECK_EQ(fake::counts().recordings, 42);
}

TEST("cuda backend: a device that has what a plan says is never short of memory, whatever is recorded") {
  const model::PlanOptions work{.context = 128, .crops = 2, .sequences = 2, .max_rows = 80};
  const size_t planned = open({fake_device()})->plan(work).devices.front().memory.total();
  const auto device = fake_device({.memory = planned + cuda::Heap::granule});  // layers are placed for other work
  const auto model = open({device});
  const auto embeds = model->encode(pixels(2).data(), 2);
  model::Session s(model, {128, ops::KvType::f16, 80, 0});
  const int32_t a = s.create();
  append(s, a, count(80), {{4, embeds, 0}, {60, embeds, 1}});
  for (int32_t rows = 1; rows <= 64; rows++) {
    const int32_t b = s.create();
    append(s, b, count(rows));
    s.remove(b);
  }
  CHECK(fake::counts().recordings >= 64);
  CHECK(fake::counts().peak_bytes <= planned);
}

TEST("cuda backend: a plan tells which of the scratch is there already, and no more than it plans") {
  const model::PlanOptions work{.context = 128, .crops = 2, .max_rows = 80}, small{.context = 16, .max_rows = 1};
  const auto device = fake_device();
  const auto model = open({device});
  const auto part = [&](const model::PlanOptions& options) { return model->plan(options).devices.front(); };
  const auto missing = [](const model::DevicePart& p) { return p.memory.total() - p.memory.weights - p.held_scratch; };
  const model::DevicePart before = part(work);
  const size_t loaded = fake::counts().bytes;
  CHECK(before.held_scratch < before.memory.scratch / 4);  // nothing but what loading and the table need
  const auto embeds = model->encode(pixels(2).data(), 2);
  model::Session s(model, {128, ops::KvType::f16, 80, 0});
  const int32_t q = s.create();
  append(s, q, count(80), {{4, embeds, 0}, {60, embeds, 1}});
  for (int32_t rows = 1; rows <= 40; rows++) {
    append(s, q, count(rows));
    s.truncate(q, 80);
  }
  const model::DevicePart after = part(work);
  CHECK_EQ(after.memory.total(), before.memory.total());
  CHECK(after.held_scratch > after.memory.scratch / 2);
  CHECK(after.held_scratch <= after.memory.scratch);
  // The first answer's plan covers what was taken, and the second one's what it may still take.
  CHECK(missing(before) >= fake::counts().bytes - loaded);
  CHECK(missing(after) >= after.memory.kv_cache + after.memory.visual_kv + after.memory.embeds);
  CHECK(part(small).held_scratch <= part(small).memory.scratch);
}

TEST("cuda backend: what a model holds goes when it goes, and the device's own with the device") {
  auto device = fake_device();
  const auto live = [&] {
    const auto model = open({device});
    const auto embeds = model->encode(pixels(2).data(), 2);
    model::Session s(model, {256, ops::KvType::f32, 128, 0});
    append(s, s.create(), count(80), {{4, embeds, 0}, {60, embeds, 1}});
    return fake::counts().bytes;
  };
  const size_t in_use = live();
  device->wait(device->submit());
  const size_t after = fake::counts().bytes;
  CHECK(after < in_use);
  for (int i = 0; i < 3; i++) CHECK_EQ(live(), in_use);
  device->wait(device->submit());
  CHECK_EQ(fake::counts().bytes, after);
  device.reset();
  CHECK_EQ(fake::counts().bytes, 0u);
}

TEST("cuda backend: a device that is lost in a pass says so, and stays lost; the CPU goes on") {
  const auto device = fake_device();
  const auto model = open({device});
  model::Session s(model, {256, ops::KvType::f16, 128, 0});
  const int32_t q = s.create();
  append(s, q, count(20));
  fake::play().kernel_fails = 7;
  const auto sentence = [&] {
    try {
      append(s, q, count(1));
    } catch (const Error& e) {
      CHECK(e.code == ErrorCode::device_lost);
      return std::string(e.what());
    }
    return std::string();
  };
  const std::string expected =
      "the device cuda-sim:0 (simulated GPU) was lost: an illegal memory access was encountered. Start again to use "
      "it, or use another device.";
  CHECK_EQ(sentence(), expected);
  CHECK_EQ(s.length(q), 20);  // nothing is lost of the sequence
  CHECK_EQ(sentence(), expected);
  const auto cpu = open({std::make_shared<test::NaiveBackend>()});
  model::Session other(cpu, {256, ops::KvType::f16, 128, 0});
  CHECK_EQ(append(other, other.create(), count(20)).size(), 40u);
}

TEST("cuda backend: memory that is missing is named, and leaves everything as it was") {
  auto device = fake_device({.memory = size_t{40} << 20});
  try {
    device->allocate(size_t{64} << 20);
    CHECK(false);
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::out_of_memory);
    CHECK_EQ(std::string(e.what()),
             std::string("cuda-sim:0 (simulated GPU) has 39.8 MB of 41.9 MB of memory free, and 67.1 MB more were "
                         "wanted."));
  }
  device.reset();
  // Every allocation of a model's life fails once; the next try finds what it needs, if it was needed: scratch may be
  // less than is wanted.
  for (int64_t n = 0;; n++) {
    const auto fresh = fake_device();
    fake::play().allocation_fails = n;
    bool failed = false;
    for (int tries = 0; tries < 2; tries++) try {
        const auto model = open({fresh});
        const auto embeds = model->encode(pixels(1).data(), 1);
        model::Session s(model, {256, ops::KvType::f16, 128, 0});
        const int32_t q = s.create();
        append(s, q, count(70), {{3, embeds, 0}});
        append(s, q, count(1));
        break;
      } catch (const Error& e) {
        CHECK(e.code == ErrorCode::out_of_memory);
        CHECK(!failed);
        failed = true;
      }
    if (fake::play().allocation_fails >= 0) {  // there were no more
      CHECK(!failed && n >= 3);
      break;
    }
  }
}
