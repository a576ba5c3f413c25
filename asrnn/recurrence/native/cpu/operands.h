// Checked access to the arrays of a call, each with a leading population axis.

#ifndef ASRNN_CPU_OPERANDS_H_
#define ASRNN_CPU_OPERANDS_H_

#include <cstdint>
#include <stdexcept>
#include <string>

#include "memory.h"
#include "problem.h"
#include "xla/ffi/api/ffi.h"

namespace asrnn {

using Array = xla::ffi::Buffer<xla::ffi::F32>;
using Output = xla::ffi::ResultBuffer<xla::ffi::F32>;
using TicketArray = xla::ffi::Buffer<xla::ffi::S32>;  // a 64-bit number in two
using Tickets = xla::ffi::ResultBuffer<xla::ffi::S32>;

// One float32 array for all members: `stride` floats apart, or 0 if they share it.
struct Operand {
  float* data = nullptr;
  int64_t stride = 0;

  float* of(int64_t member) const {
    return data == nullptr ? nullptr : data + member * stride;
  }
};

inline void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument("asrnn native kernel: " + message);
}

// `size` floats for one member; shared by all if there is only one copy.
inline Operand input(const Array& array, const Shape& shape, int64_t size, const char* name) {
  const int64_t count = static_cast<int64_t>(array.element_count());
  require(count == size || count == size * shape.members,
          std::string(name) + " has " + std::to_string(count) + " elements, expected " +
              std::to_string(size) + " per member");
  return {array.typed_data(), count == size ? 0 : size};
}

// The same for an array that may be left out by giving it no elements.
inline Operand optional_input(const Array& array, const Shape& shape, int64_t size,
                              const char* name) {
  if (array.element_count() == 0) return {};
  return input(array, shape, size, name);
}

inline Operand output(Output& array, const Shape& shape, int64_t size, const char* name) {
  const int64_t count = static_cast<int64_t>(array->element_count());
  require(count == size * shape.members, std::string(name) + " has " + std::to_string(count) +
                                             " elements, expected " +
                                             std::to_string(size * shape.members));
  expect_large_write(array->untyped_data(), array->size_bytes());
  return {array->typed_data(), size};
}

inline Operand optional_output(Output& array, const Shape& shape, int64_t size, const char* name) {
  if (array->element_count() == 0) return {};
  return output(array, shape, size, name);
}

}  // namespace asrnn

#endif  // ASRNN_CPU_OPERANDS_H_
