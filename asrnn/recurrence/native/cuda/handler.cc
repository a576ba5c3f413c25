// The two XLA FFI handlers: they check the sizes and launch a kernel on XLA's stream.

#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

#include "arguments.h"
#include "images.h"
#include "xla/ffi/api/ffi.h"

namespace asrnn {

// XLA's stream; under the simulation of the tests XLA has none.
struct LaunchStream {};

}  // namespace asrnn

template <>
struct xla::ffi::CtxDecoding<asrnn::LaunchStream> {
  using Type = asrnn::Driver::Stream;

  static std::optional<Type> Decode(const XLA_FFI_Api* api, XLA_FFI_ExecutionContext* context,
                                    DiagnosticEngine& diagnostic) {
#ifdef ASRNN_SIMULATED
    return Type{nullptr};
#else
    return CtxDecoding<PlatformStream<Type>>::Decode(api, context, diagnostic);
#endif
  }
};

namespace asrnn {
namespace {

namespace ffi = xla::ffi;

using Array = ffi::Buffer<ffi::F32>;
using Output = ffi::ResultBuffer<ffi::F32>;

Images& images() {
  static Images* const all = new Images;  // never destroyed: threads may outlive main
  return *all;
}

// What a call carries beside its arrays.
struct Call {
  int64_t members, steps, batch, inputs, units, image, threads, forward_bytes, backward_bytes;

  explicit Call(const ffi::Dictionary& attributes)
      : members(number(attributes, "members")),
        steps(number(attributes, "steps")),
        batch(number(attributes, "batch")),
        inputs(number(attributes, "inputs")),
        units(number(attributes, "units")),
        image(number(attributes, "image")),
        threads(number(attributes, "threads")),
        forward_bytes(number(attributes, "forward_bytes")),
        backward_bytes(number(attributes, "backward_bytes")) {
  }

  static int64_t number(const ffi::Dictionary& attributes, const char* name) {
    const ffi::ErrorOr<int64_t> value = attributes.get<int64_t>(name);
    if (!value.has_value()) throw std::invalid_argument(std::string("missing attribute ") + name);
    return *value;
  }

  int64_t state() const { return batch * units; }
  int64_t sequence() const { return steps * batch * units; }

  // So many floats for one member; shared by all if there is only one copy, null if there is none.
  Operand operand(const Array& array, int64_t size, const char* name) const {
    const int64_t count = static_cast<int64_t>(array.element_count());
    if (count == 0) return {nullptr, 0};
    if (count != size && count != size * members) refuse(name, count, size);
    return {array.typed_data(), count == size ? 0 : size};
  }

  float* result(Output& array, int64_t size, const char* name) const {
    const int64_t count = static_cast<int64_t>(array->element_count());
    if (count == 0) return nullptr;
    if (count != size * members) refuse(name, count, size);
    return array->typed_data();
  }

  [[noreturn]] void refuse(const char* name, int64_t count, int64_t size) const {
    throw std::invalid_argument(std::string(name) + " has " + std::to_string(count) +
                                " elements, expected " + std::to_string(size) + " for each of " +
                                std::to_string(members) + " members");
  }

  template <typename Arguments>
  void launch(Driver::Stream stream, bool forward, Arguments arguments) const {
    arguments.steps = static_cast<int>(steps);
    arguments.batch = static_cast<int>(batch);
    const Kernels kernels = images().kernels(image, static_cast<int>(forward_bytes),
                                             static_cast<int>(backward_bytes));
    void* pointers[] = {&arguments};
    const Driver& driver = images().driver();
    driver.check(driver.launch(forward ? kernels.forward : kernels.backward,
                               static_cast<unsigned>(members * batch), 1, 1,
                               static_cast<unsigned>(threads), 1, 1,
                               static_cast<unsigned>(forward ? forward_bytes : backward_bytes),
                               stream, pointers, nullptr),
                 "launch a kernel");
  }
};

template <typename Body>
ffi::Error guarded(const Body& body) {
  try {
    body();
    return ffi::Error::Success();
  } catch (const std::exception& error) {
    return ffi::Error::Internal(std::string("asrnn native CUDA kernel: ") + error.what());
  }
}

ffi::Error forward(Driver::Stream stream, Array recurrent, Array step_size, Array initial,
                   Array drive, Array gate_drive, Array kernel, Array bias, Array gate_kernel,
                   Array gate_bias, Output last, Output states, Output before, Output candidate,
                   Output gate, ffi::Dictionary attributes) {
  return guarded([&] {
    const Call c(attributes);
    const int64_t n = c.units, m = c.inputs;
    ForwardArguments p{};
    p.recurrent = c.operand(recurrent, n * n, "recurrent_matrix");
    p.step_size = c.operand(step_size, 1, "step_size");
    p.initial = c.operand(initial, c.state(), "initial_state");
    p.drive = c.operand(drive, c.steps * c.batch * (m == 0 ? n : m), "inputs");
    p.gate_drive = c.operand(gate_drive, c.sequence(), "gate drive");
    p.kernel = c.operand(kernel, m * n, "input_kernel");
    p.bias = c.operand(bias, n, "bias");
    p.gate_kernel = c.operand(gate_kernel, m * n, "gate_input_kernel");
    p.gate_bias = c.operand(gate_bias, n, "gate_bias");
    p.last = c.result(last, c.state(), "last state");
    p.states = c.result(states, c.sequence(), "states");
    p.before = c.result(before, c.sequence(), "states before");
    p.candidate = c.result(candidate, c.sequence(), "candidate");
    p.gate = c.result(gate, c.sequence(), "gate");
    c.launch(stream, true, p);
  });
}

ffi::Error backward(Driver::Stream stream, Array recurrent, Array step_size, Array candidate,
                    Array gate, Array last, Array states, Array inputs, Output slopes,
                    Output gate_slopes, Output d_step_size, Output d_initial, Output d_kernel,
                    Output d_bias, Output d_gate_kernel, Output d_gate_bias,
                    ffi::Dictionary attributes) {
  return guarded([&] {
    const Call c(attributes);
    const int64_t n = c.units, m = c.inputs;
    BackwardArguments p{};
    p.recurrent = c.operand(recurrent, n * n, "recurrent_matrix");
    p.step_size = c.operand(step_size, 1, "step_size");
    p.candidate = c.operand(candidate, c.sequence(), "candidate");
    p.gate = c.operand(gate, c.sequence(), "gate");
    p.last = c.operand(last, c.state(), "gradient in the last state");
    p.states = c.operand(states, c.sequence(), "gradient in the states");
    p.inputs = c.operand(inputs, c.steps * c.batch * m, "inputs");
    p.slopes = c.result(slopes, c.sequence(), "slopes");
    p.gate_slopes = c.result(gate_slopes, c.sequence(), "gate slopes");
    p.step_size_gradient = c.result(d_step_size, c.state(), "step size gradient");
    p.initial_gradient = c.result(d_initial, c.state(), "initial state gradient");
    p.kernel_gradient = c.result(d_kernel, c.state() * m, "input kernel gradient");
    p.bias_gradient = c.result(d_bias, c.state(), "bias gradient");
    p.gate_kernel_gradient = c.result(d_gate_kernel, c.state() * m, "gate kernel gradient");
    p.gate_bias_gradient = c.result(d_gate_bias, c.state(), "gate bias gradient");
    c.launch(stream, false, p);
  });
}

}  // namespace
}  // namespace asrnn

namespace {

// Null, or why the body failed; the text lives until the thread's next call.
template <typename Body>
const char* reason_of(const Body& body) {
  static thread_local std::string reason;
  try {
    body();
    return nullptr;
  } catch (const std::exception& error) {
    reason = error.what();
    return reason.c_str();
  }
}

}  // namespace

extern "C" {

// Opens the driver; null, or why it cannot be opened.
const char* asrnn_cuda_open(const char* driver) {
  return reason_of([&] { asrnn::images().open(driver); });
}

// Makes an image, the kernels of one variant, known by a number; null, or why a device, counted as
// the driver does, does not take it.
const char* asrnn_cuda_add_image(int64_t number, const char* image, int64_t size, int device) {
  return reason_of([&] {
    asrnn::images().add(number, std::string(image, static_cast<size_t>(size)), device);
  });
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(asrnn_cuda_forward, asrnn::forward,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<asrnn::LaunchStream>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Attrs(),
                              {xla::ffi::Traits::kCmdBufferCompatible});

XLA_FFI_DEFINE_HANDLER_SYMBOL(asrnn_cuda_backward, asrnn::backward,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<asrnn::LaunchStream>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Ret<asrnn::Array>()
                                  .Attrs(),
                              {xla::ffi::Traits::kCmdBufferCompatible});
}
