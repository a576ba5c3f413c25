// Why a launch is given up.
#pragma once

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace asrnn::simulator {
namespace {

constexpr int kMostThreads = 1024;
constexpr int kWarp = 32;

// A line of the kernel.
struct Place {
  const char* file = "the start";
  int line = 0;
  bool operator==(const Place& other) const {
    return line == other.line && std::strcmp(file, other.file) == 0;
  }
};

enum class State { kReady, kBarrier, kExchange, kEnded };

int block_number = 0;
char failure[512] = "";
std::atomic_flag explained = ATOMIC_FLAG_INIT;

inline void forget_failure() {
  failure[0] = '\0';
  explained.clear();
}

// Says why the launch is given up. Several threads may find out at once: the first one is heard.
[[gnu::format(printf, 1, 2)]] inline void say(const char* format, ...) {
  if (explained.test_and_set(std::memory_order_relaxed)) return;
  va_list values;
  va_start(values, format);
  const int start = std::snprintf(failure, sizeof failure, "block %d: ", block_number);
  std::vsnprintf(failure + start, sizeof failure - static_cast<std::size_t>(start), format, values);
  va_end(values);
}

inline const char* name_of(State state) {
  switch (state) {
    case State::kBarrier: return "at the barrier of";
    case State::kExchange: return "at the exchange of";
    case State::kEnded: return "at its end, last seen at";
    case State::kReady: break;
  }
  return "running, last seen at";
}

inline const char* base_name(Place place) {
  const char* const slash = std::strrchr(place.file, '/');
  return slash ? slash + 1 : place.file;
}

// Where a thread stands: the meeting that it waits for or came to last.
struct Standing {
  State state;
  Place place;
  bool with(const Standing& other) const { return state == other.state && place == other.place; }
};

// Says of two threads that should have met where each of them is.
inline void say_parted(int one, const Standing& its, int other, const Standing& others) {
  say("thread %d is %s %s:%d, thread %d is %s %s:%d", one, name_of(its.state),
      base_name(its.place), its.place.line, other, name_of(others.state), base_name(others.place),
      others.place.line);
}

// Says of threads of which none can go on who misses whom. An exchange explains more than a barrier
// that others wait at because of it.
template <typename Threads>
void say_who_is_missing(const Threads& threads, int count) {
  for (int thread = 0; thread < count; ++thread) {
    const Standing its = threads[thread].standing();
    if (its.state != State::kExchange) continue;
    const int first = thread / kWarp * kWarp;
    for (int other = first; other < first + kWarp; ++other) {
      if (other >= count) {
        return say("exchange at %s:%d in a warp of %d threads", base_name(its.place),
                   its.place.line, count - first);
      }
      const Standing others = threads[other].standing();
      if (!its.with(others)) return say_parted(thread, its, other, others);
    }
  }
  const Standing first = threads[0].standing();
  for (int other = 1; other < count; ++other) {
    const Standing others = threads[other].standing();
    if (!first.with(others)) return say_parted(0, first, other, others);
  }
}

}  // namespace
}  // namespace asrnn::simulator
