// The threads of a block as threads of the operating system, for the ThreadSanitizer: two accesses
// to shared memory without a barrier between them are reported, in whichever order they happened.
//
// So nothing here may order more than the hardware does. A barrier orders all accesses of the
// block. An exchange orders none: it is made of relaxed atomics and of waits that no sanitizer
// sees.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <csetjmp>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "failure.h"
#include "memory.h"

namespace asrnn::simulator {
namespace {

constexpr std::memory_order kRelaxed = std::memory_order_relaxed;

struct Lane {
  // Others read these three once all stand still.
  std::atomic<State> state;
  std::atomic<const char*> file;
  std::atomic<int> line;
  std::uint32_t exchanges;
  std::jmp_buf start;
  Prefetches prefetches;
  Standing standing() const {
    return {state.load(kRelaxed), {file.load(kRelaxed), line.load(kRelaxed)}};
  }
};

// Where a number of threads wait for one another.
struct Meeting {
  std::atomic<std::uint32_t> arrived{0}, generation{0};
};

struct Warp {
  Meeting meeting;
  // What each lane gives to an exchange, with a stamp that says to which one; two sets of them in
  // turns, so that nobody overwrites what another has not read yet.
  std::atomic<std::uint64_t> given[2][kWarp];
};

// Threads that have ended (upper half) and that neither wait nor have ended (lower half).
class Census {
 public:
  void begin(int threads) { count_.store(static_cast<std::uint64_t>(threads)); }
  void resume(int threads) {
    count_.fetch_add(static_cast<std::uint64_t>(threads), std::memory_order_relaxed);
  }
  // True: nobody runs any more.
  bool stop() { return lower(count_.fetch_sub(1, std::memory_order_relaxed) - 1) == 0; }
  // True: nobody runs any more, and somebody waits.
  bool end(int threads) {
    const std::uint64_t change = (std::uint64_t{1} << 32) - 1;
    const std::uint64_t now = count_.fetch_add(change, std::memory_order_relaxed) + change;
    return lower(now) == 0 && (now >> 32) != static_cast<std::uint64_t>(threads);
  }

 private:
  static std::uint32_t lower(std::uint64_t count) { return static_cast<std::uint32_t>(count); }
  std::atomic<std::uint64_t> count_{0};
};

std::unique_ptr<Lane[]> lanes;
std::unique_ptr<Warp[]> warps;
Meeting all_threads;
Census census;
std::atomic<bool> gave_up{false};
int block_size = 0;
thread_local int own_thread = 0;

inline int current_thread() { return own_thread; }

inline Prefetches& own_prefetches() { return lanes[own_thread].prefetches; }

inline void release(Meeting& meeting, std::memory_order order) {
  meeting.generation.fetch_add(1, order);
  syscall(SYS_futex, &meeting.generation, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

// Ends the launch: whoever waits, or comes to a meeting, leaves its kernel too.
[[noreturn]] inline void leave() {
  gave_up = true;
  release(all_threads, std::memory_order_seq_cst);
  for (int warp = 0; warp * kWarp < block_size; ++warp) {
    release(warps[warp].meeting, std::memory_order_seq_cst);
  }
  std::longjmp(lanes[own_thread].start, 1);
}

inline void note(State state, Place place) {
  Lane& own = lanes[own_thread];
  own.state.store(state, kRelaxed);
  own.file.store(place.file, kRelaxed);
  own.line.store(place.line, kRelaxed);
}

inline void leave_if(bool alone) {
  if (!alone) return;
  say_who_is_missing(lanes, block_size);
  leave();
}

// Whether the whole block is where this thread, the last to come to a barrier, is.
inline bool all_together() {
  const Standing own = lanes[own_thread].standing();
  for (int thread = 0; thread < block_size; ++thread) {
    if (!lanes[thread].standing().with(own)) return false;
  }
  return true;
}

// Returns when `members` threads have come. With acq_rel, what any of them did before it is seen by
// all of them after it; relaxed, nothing is.
inline void meet(Meeting& meeting, int members, std::memory_order order) {
  const std::uint32_t generation = meeting.generation.load(kRelaxed);
  if (meeting.arrived.fetch_add(1, order) + 1 == static_cast<std::uint32_t>(members)) {
    leave_if(&meeting == &all_threads && !all_together());
    meeting.arrived.store(0, kRelaxed);
    census.resume(members - 1);
    release(meeting, order);
    return;
  }
  leave_if(census.stop());
  const auto load = order == kRelaxed ? kRelaxed : std::memory_order_acquire;
  while (meeting.generation.load(load) == generation && !gave_up) {
    syscall(SYS_futex, &meeting.generation, FUTEX_WAIT_PRIVATE, generation, nullptr, nullptr, 0);
  }
  if (gave_up) std::longjmp(lanes[own_thread].start, 1);
}

inline void wait_at_barrier(Place place) {
  note(State::kBarrier, place);
  meet(all_threads, block_size, std::memory_order_acq_rel);
}

// Eleven bits of the number of the exchange, and where it is.
inline std::uint32_t stamp(std::uint32_t exchange, Place place) {
  return exchange << 21 | (static_cast<std::uint32_t>(place.line) & 0x1fffff);
}

inline float exchange_in_warp(float value, int mask, Place place) {
  note(State::kExchange, place);
  const std::uint32_t exchange = lanes[own_thread].exchanges++;
  const std::uint32_t own_stamp = stamp(exchange, place);
  const int lane = own_thread % kWarp;
  Warp& warp = warps[own_thread / kWarp];
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  auto& given = warp.given[exchange % 2];
  given[lane].store(std::uint64_t{own_stamp} << 32 | bits, kRelaxed);
  meet(warp.meeting, kWarp, kRelaxed);
  std::uint64_t received;
  std::uint32_t its_stamp;
  do {  // once, where the machine itself keeps the order of relaxed accesses
    received = given[lane ^ mask].load(kRelaxed);
    its_stamp = static_cast<std::uint32_t>(received >> 32);
  } while (its_stamp >> 21 != own_stamp >> 21);
  if (its_stamp != own_stamp) {
    const int other = own_thread - lane + (lane ^ mask);
    say_parted(own_thread, {State::kExchange, place}, other, lanes[other].standing());
    leave();
  }
  bits = static_cast<std::uint32_t>(received);
  std::memcpy(&value, &bits, 4);
  return value;
}

inline void run_thread(int thread, void (*body)(const void*), const void* arguments) {
  own_thread = thread;
  if (setjmp(lanes[thread].start) != 0) return;
  body(arguments);
  lanes[thread].state.store(State::kEnded, kRelaxed);
  leave_if(census.end(block_size));
}

// Runs one block to its end. False: it was given up, and `failure` says why.
inline bool run_block(void (*body)(const void*), const void* arguments, int block) {
  block_size = block;
  gave_up = false;
  lanes = std::make_unique<Lane[]>(static_cast<std::size_t>(block));
  warps = std::make_unique<Warp[]>(static_cast<std::size_t>((block + kWarp - 1) / kWarp));
  census.begin(block);
  all_threads.arrived = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < block; ++thread) {
    own_thread = thread;
    lanes[thread].exchanges = 0;
    note(State::kReady, Place());
    threads.emplace_back(run_thread, thread, body, arguments);
  }
  for (std::thread& thread : threads) thread.join();
  return !gave_up;
}

inline int block_at(int position, int /*grid*/) { return position; }

}  // namespace
}  // namespace asrnn::simulator
