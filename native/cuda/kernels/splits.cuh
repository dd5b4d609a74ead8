// The keys of a sequence as splits, and the merging of their softmax states.
#pragma once
#include "cuda/kernels/kv.cuh"
#include "cuda/kernels/shapes.h"

namespace owl3::cuda {

/// The factors by which a merged state and a new one are weighed, and their common maximum. Both empty: nothing changes.
struct MergeFactors {
  float merged, added, maximum;
};
OWL3_DEVICE MergeFactors merge_factors(float merged_max, float added_max) {
  const float next = merged_max < added_max ? added_max : merged_max;
  if (next == minus_infinity()) return {1.0f, 0.0f, next};
  return {power_of_two(merged_max - next), power_of_two(added_max - next), next};
}

/// The splits of a sequence: its crops, then its text in runs of split_keys.
struct Splits {
  const AttentionParams& p;
  SequenceEntry sequence;
  int crops;

  OWL3_DEVICE Splits(const AttentionParams& params, int number)
      : p(params), sequence(p.table.sequences[number]), crops(p.hyper != 0 ? sequence.crops : 0) {}
  OWL3_DEVICE int count(int position) const { return crops + position / split_keys + 1; }
  OWL3_DEVICE CropEntry crop(int split) const { return p.table.crops[sequence.first_crop + split]; }
  /// Keys of a split that a query at `position` sees: the first ones.
  OWL3_DEVICE int seen(int split, int position) const {
    if (split < crops) return position >= crop(split).position ? p.kv.crop_tokens : 0;
    const int n = position + 1 - (split - crops) * split_keys;
    return n < 0 ? 0 : min_of(n, split_keys);
  }
  /// Where key j of a split lies: block and slot.
  OWL3_DEVICE HeadBlock block(int split, int head, int values, int j, int& slot) const {
    if (split < crops) {
      slot = j;
      return crop_head(p.kv, crop(split).crop, head, values);
    }
    const int position = (split - crops) * split_keys + j;
    slot = position % p.kv.page_positions;
    return page_head(p.kv, p.table.pages[sequence.first_page + position / p.kv.page_positions], head, values);
  }
};

}  // namespace owl3::cuda
