#include "model/placement.h"

#include <algorithm>

#include "base/bytes.h"
#include "model/weights.h"

namespace owl3::model {
namespace {

using Backends = std::vector<std::shared_ptr<ops::Backend>>;

/// A backend that may get layers.
struct Candidate {
  std::shared_ptr<ops::Backend> backend;
  uint64_t free = 0;  ///< bytes; 0: it has no memory of its own
  WeightSizes sizes = {};
  int32_t layers = 0;
};

class Placer {
 public:
  Placer(const gguf::File& file, const Config& config, const Backends& backends, const PlaceOptions& options)
      : c_(config), work_(options.work) {
    work_.context = std::min(work_.context, c_.context_length);
    for (const auto& backend : backends)
      all_.push_back(
          {.backend = backend, .free = backend->free_memory(), .sizes = weight_sizes(file, config, *backend)});
    work_.kv_type = options.kv_type.value_or(default_kv_type(all_.front().sizes.quantised));
  }

  bool has_host() const { return !std::ranges::all_of(all_, &Candidate::free); }

  /// Shares out the layers, `on_devices` of them on devices with memory of their own. Returns whether they fit.
  bool place(int32_t on_devices) {
    share(on_devices, true);
    share(c_.num_layers - on_devices, false);
    // In proportion to free memory is a guess, as the first and the last device hold more than layers: the device that
    // lacks the most hands a layer to the one with the most to spare until all fit, or none has any to spare.
    for (int32_t moves = 0; moves < 4 * c_.num_layers; moves++) {
      const std::vector<Candidate*> devices = owning();
      if (devices.empty()) return true;
      const auto spare = [&](const Candidate* d) { return spare_of(*d); };
      const auto worst = std::ranges::min_element(devices, {}, spare);
      const auto best = std::ranges::max_element(devices, {}, spare);
      if (spare(*worst) >= 0) return true;
      if (spare(*best) <= 0 || (*worst)->layers == 0) return false;
      (*worst)->layers--;
      (*best)->layers++;
    }
    return false;
  }

  std::vector<Placement> placements() const {
    std::vector<Placement> used;
    for (const Candidate& c : all_)
      if (c.layers > 0) used.push_back({c.backend, c.layers});
    return used;
  }
  /// "cuda:0 has 3.1 GB free and would need 5.0 GB"
  std::string lack() {
    std::string text;
    for (const Candidate* d : owning()) {
      const int64_t spare = spare_of(*d);
      if (spare >= 0) continue;
      text += (text.empty() ? "" : ", ") + d->backend->name() + " has " + bytes_text(d->free) +
              " free and would need " + bytes_text(d->free + static_cast<uint64_t>(-spare));
    }
    return text;
  }

 private:
  std::vector<Candidate*> owning() {
    std::vector<Candidate*> devices;
    for (Candidate& c : all_)
      if (c.free > 0) devices.push_back(&c);
    return devices;
  }

  /// Shares out layers among the candidates of one kind: those with memory in its proportion, others evenly.
  void share(int32_t layers, bool own_memory) {
    double total = 0, before = 0;
    const auto weight = [](const Candidate& c) { return c.free > 0 ? static_cast<double>(c.free) : 1; };
    for (const Candidate& c : all_)
      if ((c.free > 0) == own_memory) total += weight(c);
    for (Candidate& c : all_) {
      if ((c.free > 0) != own_memory) continue;
      const auto up_to = [&](double sum) { return static_cast<int32_t>(layers * sum / total + 1e-9); };
      c.layers = up_to(before + weight(c)) - up_to(before);
      before += weight(c);
    }
  }

  /// Bytes that a candidate with these layers has left; negative: it lacks them.
  int64_t spare_of(const Candidate& candidate) const {
    if (candidate.layers == 0) return static_cast<int64_t>(candidate.free);
    std::vector<Placement> used = placements();
    int32_t missing = c_.num_layers;
    for (const Placement& p : used) missing -= p.layers;
    if (missing > 0) used.push_back({all_.front().backend, missing});  // they would be elsewhere
    std::vector<Stage> stages = make_stages(c_, used);
    std::vector<uint64_t> weights;
    size_t at = stages.size();
    for (const Stage& stage : stages) {
      const Candidate& c = *std::ranges::find(all_, stage.backend, &Candidate::backend);
      if (&c == &candidate) at = std::min(at, weights.size());
      const bool first = &stage == &stages.front(), last = &stage == &stages.back();
      uint64_t bytes = (first ? c.sizes.first : 0) + (last ? (first ? c.sizes.output : c.sizes.last) : 0);
      for (int32_t i = 0; i < stage.layers; i++) bytes += c.sizes.layers[static_cast<size_t>(stage.first_layer + i)];
      weights.push_back(bytes);
    }
    const DevicePart part = plan_memory(c_, stages, weights, work_).devices[at];
    return static_cast<int64_t>(candidate.free + part.held_scratch) - static_cast<int64_t>(part.memory.total());
  }

  const Config& c_;
  PlanOptions work_;
  std::vector<Candidate> all_;
};

}  // namespace

std::vector<Placement> place_layers(const gguf::File& file, const Config& c, Backends backends,
                                    const PlaceOptions& options) {
  const auto owns = [](const auto& backend) { return backend->free_memory() > 0; };
  if (std::ranges::none_of(backends, owns)) return spread_evenly(std::move(backends), c.num_layers);
  Placer placer(file, c, backends, options);
  const int32_t wanted = options.gpu_layers < 0 ? c.num_layers : std::min(options.gpu_layers, c.num_layers);
  if (placer.place(wanted) && (wanted == c.num_layers || placer.has_host())) return placer.placements();
  const std::string lack = placer.lack();
  int32_t fit = wanted;
  while (fit > 0 && !placer.place(--fit)) {
  }
  // A number that was asked for is a demand; without one the others go where there is room.
  if (placer.has_host() && options.gpu_layers < 0) return placer.placements();
  throw Error(ErrorCode::out_of_memory, lack + ": " + std::to_string(fit) + " of the model's " +
                                            std::to_string(c.num_layers) +
                                            " layers would fit, with the others on the cpu");
}

}  // namespace owl3::model
