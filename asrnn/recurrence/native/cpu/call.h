// What every call carries beside its arrays: sizes, the kernel for this machine, threads.

#ifndef ASRNN_CPU_CALL_H_
#define ASRNN_CPU_CALL_H_

#include <cstdint>
#include <string>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "operands.h"
#include "problem.h"
#include "workers.h"
#include "xla/ffi/api/ffi.h"

namespace asrnn {

// A unit that multiplies tiles of bfloat16 (AMX): there for this process, missing in the processor,
// or refused by the system.
enum class TileUnitState { kUsable = 0, kMissing = 1, kRefused = 2 };

#if defined(__x86_64__) && defined(__linux__)
// The system has to be asked once, as it then saves the unit's registers with each thread's others.
inline TileUnitState tile_unit() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kRoundsToBfloat16 = 1u << 5, kTiles = 1u << 24, kMultiplies = 1u << 22;
  const bool rounds = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & kRoundsToBfloat16);
  const bool multiplies =
      __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & kTiles) && (d & kMultiplies);
  if (!rounds || !multiplies || !__builtin_cpu_supports("avx512f"))
    return TileUnitState::kMissing;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0 ? TileUnitState::kUsable
                                                                     : TileUnitState::kRefused;
}
#else
inline TileUnitState tile_unit() { return TileUnitState::kMissing; }
#endif

// Which kernels of this library the machine can run; the order of the names in library.py.
inline const Kernel* usable_kernel(int64_t index) {
  switch (index) {
#if defined(ASRNN_ROUNDED)
    case 3:
      return bfloat16_kernel();
    case 4:
      return bfloat16_3x_kernel();
#else
#if defined(__x86_64__)
    case 0:
      return __builtin_cpu_supports("avx512f") ? avx512_kernel() : nullptr;
    case 1:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? avx2_kernel()
                                                                             : nullptr;
#endif
    case 2:
      return portable_kernel();
#endif
    default:
      return nullptr;
  }
}

inline const Kernel& chosen_kernel(int64_t index) {
  const Kernel* kernel = usable_kernel(index);
  require(kernel != nullptr, "instruction set not supported by this machine");
  return *kernel;
}

struct Call {
  Shape shape;
  const Kernel& kernel;
  Workers workers;

  Call(xla::ffi::ThreadPool pool, xla::ffi::Dictionary attributes)
      : shape(read_shape(attributes)),
        kernel(chosen_kernel(number(attributes, "kernel"))),
        workers(pool, number(attributes, "threads")) {}

  static int64_t number(const xla::ffi::Dictionary& attributes, const char* name) {
    const xla::ffi::ErrorOr<int64_t> value = attributes.get<int64_t>(name);
    require(value.has_value(), std::string("missing attribute ") + name);
    return *value;
  }

  static Shape read_shape(const xla::ffi::Dictionary& attributes) {
    Shape shape{};
    shape.members = number(attributes, "members");
    shape.steps = number(attributes, "steps");
    shape.batch = number(attributes, "batch");
    shape.inputs = number(attributes, "inputs");
    shape.units = number(attributes, "units");
    shape.parts = number(attributes, "parts");
    shape.slices = number(attributes, "slices");
    shape.chunk = number(attributes, "chunk");
    shape.gated = number(attributes, "gated") != 0;
    shape.adams_bashforth = number(attributes, "adams_bashforth") != 0;
    require(shape.units > 0 && shape.slices > 0 && shape.chunk > 0 &&
                shape.slices <= shape.batch && (shape.parts == 1 || shape.parts == 2) &&
                shape.units % shape.parts == 0 && (shape.parts == 1 || !shape.adams_bashforth),
            "impossible sizes");
    return shape;
  }

  int64_t pieces() const { return shape.members * shape.slices; }
};

}  // namespace asrnn

#endif  // ASRNN_CPU_CALL_H_
