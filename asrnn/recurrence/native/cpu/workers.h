// Independent pieces of work on XLA's intra-op thread pool.

#ifndef ASRNN_CPU_WORKERS_H_
#define ASRNN_CPU_WORKERS_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "xla/ffi/api/ffi.h"

namespace asrnn {

// Subnormal numbers are flushed to zero while this lives, as XLA does on its own threads: otherwise
// a result would depend on the thread that computed it, and vanishing gradients would be slow.
class FlushSubnormals {
 public:
#if defined(__SSE2__)
  FlushSubnormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
  ~FlushSubnormals() { _mm_setcsr(saved_); }
#elif defined(__aarch64__)
  FlushSubnormals() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(saved_ | (uint64_t{1} << 24)));
  }
  ~FlushSubnormals() { asm volatile("msr fpcr, %0" : : "r"(saved_)); }
#endif
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
#if defined(__SSE2__)
  const unsigned saved_;
#elif defined(__aarch64__)
  uint64_t saved_;
#endif
};

class Workers {
 public:
  using Work = std::function<void(int64_t)>;

  // At most `threads` threads, the calling one among them; 0: as many as the pool has.
  Workers(xla::ffi::ThreadPool pool, int64_t threads) : pool_(pool), threads_(threads) {
    if (threads_ <= 0) threads_ = pool_.num_threads();
  }

  // Calls work(0) ... work(count - 1) and waits. The calling thread claims pieces like the others,
  // so that a pool whose threads are all busy delays nothing and cannot deadlock; a helper that
  // starts late finds nothing left to claim. Throws what a piece threw, after all have ended.
  void each(int64_t count, Work work) {
    if (count <= 0) return;
    auto job = std::make_shared<Job>(std::move(work), count);
    for (int64_t i = 1; i < threads_ && i < count; ++i) pool_.Schedule([job] { job->run(); });
    job->run();
    job->wait();
  }

 private:
  class Job {
   public:
    Job(Work work, int64_t count) : work_(std::move(work)), count_(count) {}

    void run() {
      const FlushSubnormals flush;
      for (int64_t i = next_++; i < count_; i = next_++) {
        std::exception_ptr failure;
        try {
          work_(i);
        } catch (...) {
          failure = std::current_exception();
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        if (failure) failure_ = failure;
        if (++done_ == count_) finished_.notify_all();
      }
    }

    void wait() {
      std::unique_lock<std::mutex> lock(mutex_);
      finished_.wait(lock, [this] { return done_ == count_; });
      if (failure_) std::rethrow_exception(failure_);
    }

   private:
    const Work work_;
    const int64_t count_;
    std::atomic<int64_t> next_{0};
    int64_t done_ = 0;
    std::exception_ptr failure_;
    std::mutex mutex_;
    std::condition_variable finished_;
  };

  xla::ffi::ThreadPool pool_;
  int64_t threads_;
};

}  // namespace asrnn

#endif  // ASRNN_CPU_WORKERS_H_
