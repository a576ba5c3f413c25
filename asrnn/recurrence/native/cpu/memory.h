// Working memory that outlives a call, and advice to the system about large outputs.

#ifndef ASRNN_CPU_MEMORY_H_
#define ASRNN_CPU_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace asrnn {

// Pages of 2 MB instead of 4 KB for memory that is about to be written for the first time. XLA
// takes fresh memory from the system for every execution; faulting it in 4 KB at a time would cost
// more than the computation's other overheads together. Only advice: failure is harmless.
inline void expect_large_write(void* data, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t kHuge = uintptr_t{1} << 21;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + kHuge - 1) & ~(kHuge - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) & ~(kHuge - 1);
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)data;
  (void)bytes;
#endif
}

// A buffer of floats that grows and is kept: used as thread_local, so that the next call finds its
// pages mapped and, mostly, in cache. Contents are not kept when it grows.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { std::free(data_); }

  float* reserve(int64_t floats) {
    constexpr size_t kAlignment = 4096;
    const size_t bytes =
        (static_cast<size_t>(floats) * sizeof(float) + kAlignment) / kAlignment * kAlignment;
    if (bytes > bytes_) {
      std::free(data_);
      bytes_ = 0;
      data_ = static_cast<float*>(std::aligned_alloc(kAlignment, bytes));
      if (data_ == nullptr) throw std::bad_alloc();
      bytes_ = bytes;
    }
    return data_;
  }

 private:
  float* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace asrnn

#endif  // ASRNN_CPU_MEMORY_H_
