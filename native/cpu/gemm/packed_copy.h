// Packed weights on disk: a file that holds a model's panels as the kernels read them, so that the next start maps it
// instead of packing again. It is written once, while the weights are packed, and used from the mapping at once: they
// are never in memory twice. The file is a convenience: what is wrong with it, or with its folder, costs time only.
//
// A header, the panels of each matrix from a multiple of 4096 bytes on, and a directory of the matrices. Header and
// directory have a checksum, the file has the size that the header says, and every entry lies in it; the panels are
// numbers of which any are fine. What is computed while the file is cut short is told by check_intact().
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cpu/workspace.h"
#include "gguf/temp_file.h"
#include "ops/backend.h"

namespace owl3::cpu::gemm {

class PackedCopy {
 public:
  /// Names the tensor that a packed matrix was made from.
  struct Entry {
    uint64_t source;  ///< where its tensor begins in the model file
    uint32_t type, use;
    int64_t rows, cols;
    uint64_t at, bytes;  ///< where the panels stand in this file
  };

  /// Maps the file, or begins to write it where there is none that fits. `packing` says how panels are laid out
  /// (packing_fingerprint). It never throws; what can't be read or written is left alone.
  PackedCopy(const ops::WeightsCopy& copy, uint64_t packing, int threads);
  ~PackedCopy();
  PackedCopy(const PackedCopy&) = delete;
  PackedCopy& operator=(const PackedCopy&) = delete;

  /// The panels of a matrix, `bytes` of them, or null. They live as long as the pointer.
  std::shared_ptr<const void> find(const ops::HostTensor& t, uint64_t bytes) const;

  /// Whether matrices are to be added.
  bool writing() const { return temp_ != nullptr && !failed_; }
  /// Makes room for a matrix and returns where its panels go.
  uint64_t add(const ops::HostTensor& t, uint64_t bytes);
  /// Writes some of a matrix's panels; threads may do so at once. Afterwards writing() tells whether it worked.
  void write(uint64_t at, const void* data, uint64_t bytes);
  /// Memory of a thread to pack into before it writes.
  void* buffer(int worker, uint64_t bytes) { return buffers_.worker(worker, bytes); }
  /// A matrix that waits for its panels: finish() calls `use` and tells where those at `at` are.
  struct Pending {
    uint64_t at, bytes;
    std::function<void(std::shared_ptr<const void>)> use;
  };
  void when_finished(Pending pending) { pending_.push_back(std::move(pending)); }
  /// Ends the file and maps it; flushing it to disk and giving it its name happens meanwhile, and the destructor waits
  /// for that. A file that could not be written is read back into memory. Error{io} when that fails, too.
  void finish();
  /// Error{unreadable} when the mapped file was cut short, or could not be read, since it was mapped.
  void check_intact() const;
  /// Bytes of panels that are mapped: memory which the system counts as cache.
  uint64_t mapped_bytes() const { return mapped_bytes_; }
  /// Lets mapped panels of matrices of this use leave the process's memory until they are read again.
  void drop_pages(ops::MatrixUse use) const;

 private:
  bool open_existing();
  void read_back();
  /// Has the system read the mapped file, as matrices in use will want it.
  void read_ahead() const;
  void in_background(std::function<void()> work);
  std::string path_;
  uint64_t source_, packing_;
  std::shared_ptr<const char> mapping_;
  uint64_t size_ = 0, mapped_bytes_ = 0;
  std::vector<Entry> entries_;
  std::unique_ptr<gguf::TempFile> temp_;
  uint64_t end_ = 0;
  std::atomic<bool> failed_ = false;
  std::vector<Pending> pending_;
  Workspace buffers_;
  std::atomic<bool> ending_ = false;
  std::thread background_;
};

}  // namespace owl3::cpu::gemm
