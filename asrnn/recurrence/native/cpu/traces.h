// Where the activations of a forward pass wait for its backward pass: a cache, not a residual.
//
// Handed to XLA as an array, a trace would be fresh memory in every execution, and the system takes
// longer to map and clear those pages than the kernel to fill them. So traces stay here, in memory
// that the next forward pass uses again, and XLA carries a ticket. A backward pass whose trace is
// gone (evicted, or used by an earlier backward pass and then overwritten) computes it again from
// the anchors, chunk by chunk and bit for bit the same: results never depend on what is kept.
//
// Tickets of different processes do not meet: they count from a random number.

#ifndef ASRNN_CPU_TRACES_H_
#define ASRNN_CPU_TRACES_H_

#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <random>

#include "memory.h"

namespace asrnn {

using Ticket = uint64_t;

struct Trace {
  Arena memory;
  int64_t capacity = 0;  // floats
  int64_t member_size = 0;
  int64_t members = 0;
  Ticket first = 0;       // of the members' tickets, which are consecutive
  bool consumed = false;  // a backward pass has read it

  float* of(Ticket ticket) {
    const uint64_t member = ticket - first;
    return member < static_cast<uint64_t>(members)
               ? memory.reserve(capacity) + static_cast<int64_t>(member) * member_size
               : nullptr;
  }
};

class Traces {
 public:
  // Memory for a new trace, or null if `limit` floats in all do not allow it. Memory in use (held
  // through the pointer) is not given to others; otherwise what was consumed goes first, then the
  // oldest.
  std::shared_ptr<Trace> acquire(int64_t members, int64_t member_size, int64_t limit) {
    const int64_t size = members * member_size;
    if (size > limit) return nullptr;
    const std::lock_guard<std::mutex> lock(mutex_);
    std::shared_ptr<Trace> trace = consumed_with(size);
    while (trace == nullptr && total_ + size > limit && evict_oldest()) {
    }
    if (trace == nullptr) {
      if (total_ + size > limit) return nullptr;
      trace = std::make_shared<Trace>();
      expect_large_write(trace->memory.reserve(size), size * sizeof(float));
      trace->capacity = size;
      total_ += size;
    }
    trace->member_size = member_size;
    trace->members = members;
    trace->consumed = false;
    trace->first = next_;
    next_ += static_cast<uint64_t>(members);
    traces_.push_back(trace);
    return trace;
  }

  // The trace with that ticket, or null if it is gone.
  std::shared_ptr<Trace> find(Ticket ticket) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const std::shared_ptr<Trace>& trace : traces_)
      if (trace->of(ticket) != nullptr) {
        trace->consumed = true;
        return trace;
      }
    return nullptr;
  }

  // Tickets for a forward pass whose trace is not kept.
  Ticket unused(int64_t members) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Ticket first = next_;
    next_ += static_cast<uint64_t>(members);
    return first;
  }

 private:
  static Ticket random_start() {
    std::random_device device;
    return (static_cast<Ticket>(device()) << 32) + device();
  }

  std::shared_ptr<Trace> consumed_with(int64_t size) {
    for (auto trace = traces_.begin(); trace != traces_.end(); ++trace) {
      if (!(*trace)->consumed || trace->use_count() > 1) continue;
      if ((*trace)->capacity < size || (*trace)->capacity / 2 > size) continue;
      const std::shared_ptr<Trace> found = *trace;
      traces_.erase(trace);
      return found;
    }
    return nullptr;
  }

  bool evict_oldest() {
    for (auto trace = traces_.begin(); trace != traces_.end(); ++trace) {
      if (trace->use_count() > 1) continue;
      total_ -= (*trace)->capacity;
      traces_.erase(trace);
      return true;
    }
    return false;
  }

  std::mutex mutex_;
  std::list<std::shared_ptr<Trace>> traces_;  // oldest first
  int64_t total_ = 0;                         // floats
  Ticket next_ = random_start();
};

}  // namespace asrnn

#endif  // ASRNN_CPU_TRACES_H_
