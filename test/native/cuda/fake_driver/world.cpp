#include "cuda/fake_driver/world.h"

#include <sys/mman.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"

namespace owl3::test::fake_driver {

std::recursive_mutex mutex;
thread_local Context current = nullptr;
static std::unique_ptr<World> world_;

FakeDevice::~FakeDevice() {
  if (end != nullptr) munmap(end - address_space, address_space);
}

void FakeDevice::take(size_t bytes) {
  for (Counts* c : {&counts, &world().counts}) {
    c->bytes += bytes;
    c->peak_bytes = std::max(c->peak_bytes, c->bytes);
  }
}
void FakeDevice::give(size_t bytes) {
  for (Counts* c : {&counts, &world().counts}) c->bytes -= bytes;
}

World& world() {
  if (!world_) begin();
  return *world_;
}

FakeDevice& device_of(int number) {
  return *world().devices[static_cast<size_t>(number)];
}

Result here(FakeDevice** device) {
  if (current == nullptr) return invalid_context;
  FakeDevice& d = device_of(current->device);
  if (d.retained == 0) return invalid_context;
  if (device != nullptr) *device = &d;
  return d.lost;
}

bool recording() {
  bool any = false;
  for (Stream s : world().streams)
    if (s->capture && s->capturer == std::this_thread::get_id()) any = s->capture_broken = true;
  return any;
}

char* pointer(Address address) {
  return reinterpret_cast<char*>(static_cast<uintptr_t>(address));
}
bool inside(const std::map<char*, size_t>& blocks, const char* at, size_t bytes) {
  const auto next = blocks.upper_bound(const_cast<char*>(at));
  return next != blocks.begin() && at + bytes <= std::prev(next)->first + std::prev(next)->second;
}
bool on_device(Address address, size_t bytes) {
  return std::ranges::any_of(world().devices,
                             [&](const auto& d) { return inside(d->blocks, pointer(address), bytes); });
}

static void protect(int rights) {
  for (const auto& d : world().devices)
    for (const auto& [block, bytes] : d->blocks) mprotect(block, (bytes + page - 1) / page * page, rights);
}

Result work(Stream stream, const std::function<bool()>& until) {
  FakeDevice& d = device_of(stream->device);
  if (d.lost != success) return d.lost;
  if (stream->queue.empty() || until()) return success;
  protect(PROT_READ | PROT_WRITE);
  while (!stream->queue.empty() && !until()) {
    const Work next = std::move(stream->queue.front());
    stream->queue.pop_front();
    d.lost = next.run();
    if (d.lost != success) stream->queue.clear();
    if (d.lost != success) break;
  }
  protect(PROT_NONE);
  return d.lost;
}

Result enqueue(Stream stream, Work work) {
  if (stream->capture)
    stream->capture->nodes.push_back(std::move(work));
  else
    stream->queue.push_back(std::move(work));
  return success;
}

void begin(const Play& play) {
  const Lock lock(mutex);
  world_ = std::make_unique<World>();
  world_->play = play;
  for (int i = 0; i < play.devices; i++) {
    auto d = std::make_unique<FakeDevice>();
    d->context.device = i;
    void* region = mmap(nullptr, address_space, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) throw Error(ErrorCode::out_of_memory, "no address space for a fake device");
    d->next = static_cast<char*>(region);
    d->end = d->next + address_space;
    world_->devices.push_back(std::move(d));
  }
}

Play& play() {
  return world().play;
}

Counts counts() {
  const Lock lock(mutex);
  return world().counts;
}
int64_t pending() {
  const Lock lock(mutex);
  int64_t all = 0;
  for (const Stream stream : world().streams) all += static_cast<int64_t>(stream->queue.size());
  return all;
}
Counts counts_of(int device) {
  const Lock lock(mutex);
  return device_of(device).counts;
}

Play parse_play(const std::string& text) {
  Play p;
  std::istringstream in(text);
  for (std::string item; std::getline(in, item, ',');) {
    const size_t equal = item.find('=');
    const std::string key = item.substr(0, equal);
    const int64_t n = equal == std::string::npos ? 1 : std::stoll(item.substr(equal + 1));
    if (key == "version")
      p.version = static_cast<int>(n);
    else if (key == "devices")
      p.devices = static_cast<int>(n);
    else if (key == "capability")
      p.capability = static_cast<int>(n);
    else if (key == "memory")
      p.memory = static_cast<size_t>(n);
    else if (key == "starts")
      p.starts = n != 0;
    else if (key == "fits")
      p.fits = n != 0;
    else if (key == "allocation_fails")
      p.allocation_fails = n;
    else if (key == "kernel_fails")
      p.kernel_fails = n;
    else
      throw Error(ErrorCode::invalid_argument, "a play has no '" + key + "'");
  }
  return p;
}

}  // namespace owl3::test::fake_driver
