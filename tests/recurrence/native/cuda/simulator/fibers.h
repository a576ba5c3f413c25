// The threads of a block as fibers of one OS thread. A fiber runs until a barrier, an exchange or
// its end; then another one does. Who comes first is arbitrary on hardware, and here a matter of
// ASRNN_SIMULATOR_SEED in the environment: 0 forwards, 1 backwards, others anew after each meeting.
#pragma once

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#error "sanitizers do not understand fibers: add -DASRNN_SIMULATOR_THREADS"
#endif

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdlib>

#include "approximate.h"
#include "failure.h"
#include "memory.h"

namespace asrnn::simulator {
namespace {

constexpr std::size_t kStackBytes = 256 * 1024;

#if defined(__x86_64__) && !defined(ASRNN_SIMULATOR_UCONTEXT)
// Where a fiber stands: its stack pointer, below which its registers are saved.
using Context = void*;

// A system call of swapcontext costs more than all the rest of a meeting.
__attribute__((naked, noipa, unused)) void switch_context(Context*, Context*) {
  asm("push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15;"
      "mov %rsp, (%rdi); mov (%rsi), %rsp;"
      "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret");
}

inline void make_context(Context* context, char* stack, void (*entry)()) {
  void** const top = reinterpret_cast<void**>(stack + kStackBytes);
  top[-2] = reinterpret_cast<void*>(entry);  // leaves the stack as a call would: 8 off 16
  *context = top - 8;                        // six registers below it, of any content
}
#else
using Context = ucontext_t;

inline void switch_context(Context* from, Context* to) { swapcontext(from, to); }

inline void make_context(Context* context, char* stack, void (*entry)()) {
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = kStackBytes;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
}
#endif

struct Fiber {
  Context context;
  State state;
  Place place;  // of the meeting that it waits for or came to last
  float value;  // given to an exchange, then received from it
  int mask;
  Prefetches prefetches;
  Standing standing() const { return {state, place}; }
};

Fiber fibers[kMostThreads];
Context scheduler;
char* stacks = nullptr;
int running = 0;
int block_size = 0;
bool gave_up = false;
void (*kernel_body)(const void*) = nullptr;
const void* kernel_arguments = nullptr;

inline int current_thread() { return running; }

inline Prefetches& own_prefetches() { return fibers[running].prefetches; }

// Ends the launch from within a fiber: no fiber of it runs again.
[[noreturn]] inline void leave() {
  gave_up = true;
  switch_context(&fibers[running].context, &scheduler);
  std::abort();  // not reached
}

inline void wait(State state, Place place) {
  Fiber& own = fibers[running];
  own.state = state;
  own.place = place;
  switch_context(&own.context, &scheduler);
}

inline void wait_at_barrier(Place place) { wait(State::kBarrier, place); }

inline float exchange_in_warp(float value, int mask, Place place) {
  Fiber& own = fibers[running];
  own.value = value;
  own.mask = mask;
  wait(State::kExchange, place);
  return own.value;
}

inline void run_fiber() {
  kernel_body(kernel_arguments);
  fibers[running].state = State::kEnded;
  switch_context(&fibers[running].context, &scheduler);
}

inline std::uint32_t seed() {
  const char* const named = std::getenv("ASRNN_SIMULATOR_SEED");
  return named ? static_cast<std::uint32_t>(std::strtoul(named, nullptr, 10)) : 0;
}

// What a position from 0 to 31 is exchanged with in the order of a round.
inline int turn(std::uint32_t seed, std::uint32_t round) {
  return seed < 2 ? static_cast<int>(seed) * (kWarp - 1)
                  : static_cast<int>(hash(seed * 0x9e3779b9u + round) % kWarp);
}

// Lets the lanes of a warp exchange their values. False: not all of them are there.
inline bool settle_exchange(int first) {
  for (int lane = 0; lane < kWarp; ++lane) {
    if (first + lane >= block_size || fibers[first + lane].state != State::kExchange) return false;
  }
  float given[kWarp];
  for (int lane = 0; lane < kWarp; ++lane) {
    const Fiber& fiber = fibers[first + lane];
    if (!(fiber.place == fibers[first].place)) {
      say_parted(first, fibers[first].standing(), first + lane, fiber.standing());
      gave_up = true;
      return false;
    }
    given[lane] = fiber.value;
  }
  for (int lane = 0; lane < kWarp; ++lane) {
    Fiber& fiber = fibers[first + lane];
    fiber.value = given[lane ^ fiber.mask];
    fiber.state = State::kReady;
  }
  return true;
}

// Runs the lanes of a warp until none is ready: they wait for other warps, or have ended.
inline void run_warp(int first, std::uint32_t seed, std::uint32_t* round) {
  do {
    const int swap = turn(seed, (*round)++);
    for (int position = 0; position < kWarp; ++position) {
      const int thread = first + (position ^ swap);
      if (thread >= block_size || fibers[thread].state != State::kReady) continue;
      running = thread;
      switch_context(&scheduler, &fibers[thread].context);
      if (gave_up) return;
    }
  } while (settle_exchange(first));
}

// Lets all threads go on from a barrier. False: all have ended, or one is missing.
inline bool settle_barrier() {
  if (gave_up) return false;
  int ended = 0, together = 0;
  for (int thread = 0; thread < block_size; ++thread) {
    const Fiber& fiber = fibers[thread];
    ended += fiber.state == State::kEnded;
    together += fiber.state == State::kBarrier && fiber.place == fibers[0].place;
  }
  if (ended == block_size) return false;
  if (together < block_size) {
    say_who_is_missing(fibers, block_size);
    gave_up = true;
    return false;
  }
  for (int thread = 0; thread < block_size; ++thread) fibers[thread].state = State::kReady;
  return true;
}

inline void make_stacks() {
  void* const all = mmap(nullptr, kMostThreads * kStackBytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) std::abort();
  stacks = static_cast<char*>(all);
}

struct sigaction previous_handler;

inline void on_fault(int, siginfo_t* info, void*) {
  if (shared.guards(info->si_addr)) {
    const auto offset = static_cast<char*>(info->si_addr) - reinterpret_cast<char*>(shared.base());
    say("thread %d: access at byte %td of %zu bytes of shared memory", running, offset,
        shared.bytes());
    leave();
  }
  sigaction(SIGSEGV, &previous_handler, nullptr);  // not ours: fault again, in the usual way
}

// Runs one block to its end. False: it was given up, and `failure` says why.
inline bool run_block(void (*body)(const void*), const void* arguments, int block) {
  if (stacks == nullptr) make_stacks();
  kernel_body = body;
  kernel_arguments = arguments;
  block_size = block;
  gave_up = false;
  for (int thread = 0; thread < block; ++thread) {
    make_context(&fibers[thread].context, stacks + static_cast<std::size_t>(thread) * kStackBytes,
                 run_fiber);
    fibers[thread].state = State::kReady;
    fibers[thread].place = Place();
    fibers[thread].prefetches.clear();
  }
  struct sigaction handler = {};
  handler.sa_sigaction = on_fault;
  handler.sa_flags = SA_SIGINFO | SA_NODEFER;  // it leaves by switching to another stack
  sigaction(SIGSEGV, &handler, &previous_handler);
  const std::uint32_t chosen = seed();
  std::uint32_t round = 0;
  do {
    const int swap = turn(chosen, round++);
    for (int position = 0; position < kWarp && !gave_up; ++position) {
      const int first = (position ^ swap) * kWarp;
      if (first < block) run_warp(first, chosen, &round);
    }
  } while (settle_barrier());
  sigaction(SIGSEGV, &previous_handler, nullptr);
  if (!gave_up && !shared.surroundings_untouched()) {
    say("wrote outside of the %zu bytes of shared memory", shared.bytes());
    gave_up = true;
  }
  return !gave_up;
}

// Where the order of threads is arbitrary, that of blocks is too.
inline int block_at(int position, int grid) {
  return seed() == 0 ? position : grid - 1 - position;
}

}  // namespace
}  // namespace asrnn::simulator
