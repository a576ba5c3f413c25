// What every call carries beside its arrays: sizes, the kernel for this machine, threads.

#ifndef ASRNN_CPU_CALL_H_
#define ASRNN_CPU_CALL_H_

#include <cstdint>
#include <string>

#include "operands.h"
#include "problem.h"
#include "workers.h"
#include "xla/ffi/api/ffi.h"

namespace asrnn {

// Which kernels this machine can run, best first; the order of the names in library.py.
inline const Kernel* usable_kernel(int64_t index) {
  switch (index) {
#if defined(__x86_64__)
    case 0:
      return __builtin_cpu_supports("avx512f") ? avx512_kernel() : nullptr;
    case 1:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? avx2_kernel()
                                                                             : nullptr;
#endif
    case 2:
      return portable_kernel();
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
        kernel(chosen_kernel(number(attributes, "isa"))),
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
