// The two XLA FFI handlers, the choice of instruction set, and a hook for the activations' test.

#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "memory.h"
#include "operands.h"
#include "problem.h"
#include "traces.h"
#include "workers.h"
#include "xla/ffi/api/ffi.h"

namespace asrnn {
namespace {

namespace ffi = xla::ffi;

// Which kernels this machine can run, best first; the order of the names in library.py.
const Kernel* usable_kernel(int64_t index) {
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

const Kernel& chosen_kernel(int64_t index) {
  const Kernel* kernel = usable_kernel(index);
  require(kernel != nullptr, "instruction set not supported by this machine");
  return *kernel;
}

// What every call carries beside its arrays.
struct Call {
  Shape shape;
  const Kernel& kernel;
  Workers workers;

  Call(ffi::ThreadPool pool, ffi::Dictionary attributes)
      : shape(read_shape(attributes)),
        kernel(chosen_kernel(number(attributes, "isa"))),
        workers(pool, number(attributes, "threads")) {}

  static int64_t number(const ffi::Dictionary& attributes, const char* name) {
    const ffi::ErrorOr<int64_t> value = attributes.get<int64_t>(name);
    require(value.has_value(), std::string("missing attribute ") + name);
    return *value;
  }

  static Shape read_shape(const ffi::Dictionary& attributes) {
    Shape shape{};
    shape.members = number(attributes, "members");
    shape.steps = number(attributes, "steps");
    shape.batch = number(attributes, "batch");
    shape.inputs = number(attributes, "inputs");
    shape.units = number(attributes, "units");
    shape.slices = number(attributes, "slices");
    shape.chunk = number(attributes, "chunk");
    shape.gated = number(attributes, "gated") != 0;
    require(shape.units > 0 && shape.slices > 0 && shape.chunk > 0 &&
                shape.slices <= shape.batch,
            "impossible sizes");
    return shape;
  }

  int64_t pieces() const { return shape.members * shape.slices; }
};

thread_local Arena shared_memory;   // packed weights and gradients of a call, on its own thread
thread_local Arena private_memory;  // a slice's working memory, on each worker

Traces& traces() {
  static Traces* const store = new Traces;  // never destroyed: threads may outlive main
  return *store;
}

Packed part(const float* base, int64_t recurrent, int64_t drive, bool gated) {
  return {base, base + recurrent, gated ? base + recurrent + drive : nullptr};
}

int64_t forward_weights_size(const Shape& s) {
  return s.recurrent_size() + s.drive_size() * (s.gated ? 2 : 1);
}

Packed forward_part(const Shape& s, const float* packed) {
  return part(packed, s.recurrent_size(), s.drive_size(), s.gated);
}

void pack_forward(const Call& call, const float* recurrent, const float* drive, const float* bias,
                  const float* gate_drive, const float* gate_bias, float* to) {
  const Shape& s = call.shape;
  call.kernel.pack(recurrent, 1, s.units, s.units, s.units, to);
  to += s.recurrent_size();
  call.kernel.pack_drive(drive, bias, s.inputs, s.units, to);
  to += s.drive_size();
  if (s.gated) call.kernel.pack_drive(gate_drive, gate_bias, s.inputs, s.units, to);
}

// Memory for the traces of all members, and their tickets.
std::shared_ptr<Trace> hand_out(const Call& call, Tickets& tickets, int64_t limit) {
  const Shape& s = call.shape;
  require(static_cast<int64_t>(tickets->element_count()) == 2 * s.members, "wrong ticket count");
  const std::shared_ptr<Trace> trace =
      traces().acquire(s.members, s.slices * s.trace_size(), limit);
  const Ticket first = trace == nullptr ? traces().unused(s.members) : trace->first;
  for (int64_t i = 0; i < s.members; ++i) {
    const Ticket ticket = first + static_cast<Ticket>(i);
    memcpy(tickets->typed_data() + 2 * i, &ticket, sizeof(ticket));
  }
  return trace;
}

// The kept traces of all members, null where one is gone.
std::vector<std::shared_ptr<Trace>> collect(const Shape& shape,
                                            const std::vector<Ticket>& tickets) {
  std::vector<std::shared_ptr<Trace>> found;
  for (const Ticket ticket : tickets) {
    std::shared_ptr<Trace> trace = traces().find(ticket);
    const bool fits =
        trace != nullptr && trace->member_size == shape.slices * shape.trace_size();
    found.push_back(fits ? trace : nullptr);
  }
  return found;
}

std::vector<Ticket> read_tickets(const TicketArray& array, const Shape& shape) {
  const int64_t count = static_cast<int64_t>(array.element_count());
  require(count == 2 || count == 2 * shape.members, "wrong ticket count");
  std::vector<Ticket> tickets(static_cast<size_t>(shape.members));
  for (int64_t i = 0; i < shape.members; ++i)
    memcpy(&tickets[static_cast<size_t>(i)], array.typed_data() + (count == 2 ? 0 : 2 * i),
           sizeof(Ticket));
  return tickets;
}

template <typename Body>
ffi::Error guarded(const Body& body) {
  try {
    body();
    return ffi::Error::Success();
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "asrnn native kernel: out of memory");
  } catch (const std::exception& failure) {
    return ffi::Error::InvalidArgument(failure.what());
  }
}

ffi::Error forward(ffi::ThreadPool pool, Array recurrent, Array drive, Array bias,
                   Array gate_drive, Array gate_bias, Array step_size, Array inputs,
                   Array initial, Output final_state, Output states, Tickets ticket,
                   Output anchors, ffi::Dictionary attributes) {
  return guarded([&] {
    Call call(pool, attributes);
    const Shape& s = call.shape;
    const int64_t n = s.units, block = s.batch * n;
    const Operand a = input(recurrent, s, n * n, "recurrent_matrix");
    const Operand v = input(drive, s, s.inputs * n, "input_kernel");
    const Operand b = input(bias, s, n, "bias");
    const Operand vz = optional_input(gate_drive, s, s.inputs * n, "gate_input_kernel");
    const Operand bz = optional_input(gate_bias, s, n, "gate_bias");
    const Operand epsilon = input(step_size, s, 1, "step_size");
    const Operand x = input(inputs, s, s.steps * s.batch * s.inputs, "inputs");
    const Operand h = input(initial, s, block, "initial_state");
    const Operand last = output(final_state, s, block, "final_state");
    const Operand all = optional_output(states, s, s.steps * block, "states");
    const Operand starts = optional_output(anchors, s, s.slices * s.anchor_size(), "anchors");
    const bool traced = ticket->element_count() != 0;
    std::shared_ptr<Trace> trace;
    if (traced) trace = hand_out(call, ticket, Call::number(attributes, "trace_limit"));

    const int64_t member_size = forward_weights_size(s);
    float* packed = shared_memory.reserve(s.members * member_size);
    call.workers.each(s.members, [&](int64_t i) {
      pack_forward(call, a.of(i), v.of(i), b.of(i), vz.of(i), bz.of(i), packed + i * member_size);
    });
    call.workers.each(call.pieces(), [&](int64_t piece) {
      const int64_t i = piece / s.slices, slice = piece % s.slices;
      const int64_t begin = s.slice_begin(slice);
      float* kept = trace == nullptr ? nullptr
                                     : trace->of(trace->first + static_cast<Ticket>(i)) +
                                           slice * s.trace_size();
      call.kernel.forward({&s, forward_part(s, packed + i * member_size), *epsilon.of(i), begin,
                           s.slice_begin(slice + 1) - begin, x.of(i), h.of(i), last.of(i),
                           all.of(i), kept,
                           starts.data == nullptr ? nullptr
                                                  : starts.of(i) + slice * s.anchor_size(),
                           private_memory.reserve(s.forward_scratch())});
    });
  });
}

// Sums the slices' shares of a gradient, in the order of the slices whoever computed them: panels
// [panel][row][kernel.panel] to row-major rows; the row after the last, if any, goes to `extra`.
void reduce(const Call& call, const float* shares, int64_t share_stride, int64_t panel,
            int64_t rows, float* target, float* extra) {
  const int64_t n = call.shape.units, width = call.kernel.panel;
  const int64_t total_rows = rows + (extra == nullptr ? 0 : 1);
  const int64_t first = panel * width, last = first + width < n ? first + width : n;
  for (int64_t r = 0; r < total_rows; ++r) {
    float* to = r < rows ? target + r * n : extra;
    const float* from = shares + (panel * total_rows + r) * width;
    for (int64_t j = first; j < last; ++j) to[j] = from[j - first];
    for (int64_t slice = 1; slice < call.shape.slices; ++slice) {
      from += share_stride;
      for (int64_t j = first; j < last; ++j) to[j] += from[j - first];
    }
  }
}

ffi::Error backward(ffi::ThreadPool pool, Array recurrent, Array drive, Array bias,
                    Array gate_drive, Array gate_bias, Array step_size, Array inputs,
                    TicketArray ticket, Array anchors, Array final_given, Array states_given,
                    Output d_recurrent, Output d_drive, Output d_bias,
                    Output d_gate_drive, Output d_gate_bias, Output d_step_size,
                    Output d_inputs, Output d_initial, ffi::Dictionary attributes) {
  return guarded([&] {
    Call call(pool, attributes);
    const Shape& s = call.shape;
    const int64_t n = s.units, m = s.inputs, block = s.batch * n;
    const Operand a = input(recurrent, s, n * n, "recurrent_matrix");
    const Operand v = input(drive, s, m * n, "input_kernel");
    const Operand b = input(bias, s, n, "bias");
    const Operand vz = optional_input(gate_drive, s, m * n, "gate_input_kernel");
    const Operand bz = optional_input(gate_bias, s, n, "gate_bias");
    const Operand epsilon = input(step_size, s, 1, "step_size");
    const Operand x = input(inputs, s, s.steps * s.batch * m, "inputs");
    const std::vector<Ticket> tickets = read_tickets(ticket, s);
    const std::vector<std::shared_ptr<Trace>> kept = collect(s, tickets);
    const Operand starts = input(anchors, s, s.slices * s.anchor_size(), "anchors");
    const Operand last = input(final_given, s, block, "final cotangent");
    const Operand all = optional_input(states_given, s, s.steps * block, "states cotangent");
    const Operand da = optional_output(d_recurrent, s, n * n, "recurrent gradient");
    const bool wanted = da.data != nullptr;
    const bool gate = wanted && s.gated;
    const Operand dv = output(d_drive, s, wanted ? m * n : 0, "input kernel gradient");
    const Operand db = output(d_bias, s, wanted ? n : 0, "bias gradient");
    const Operand dvz = output(d_gate_drive, s, gate ? m * n : 0, "gate kernel gradient");
    const Operand dbz = output(d_gate_bias, s, gate ? n : 0, "gate bias gradient");
    const Operand de = output(d_step_size, s, 1, "step size gradient");
    const Operand dx = optional_output(d_inputs, s, s.steps * s.batch * m, "inputs gradient");
    const Operand dh = output(d_initial, s, block, "initial state gradient");

    const int64_t gates = s.gated ? 2 : 1;
    const int64_t back_size = s.recurrent_size() + s.back_drive_size() * gates;
    const int64_t member_size = back_size + forward_weights_size(s);
    const int64_t share = wanted ? s.recurrent_size() + s.drive_size() * gates : 0;
    float* packed = shared_memory.reserve(s.members * member_size + call.pieces() * (share + 2));
    float* shares = packed + s.members * member_size;
    double* step_shares = reinterpret_cast<double*>(shares + call.pieces() * share);
    call.workers.each(s.members, [&](int64_t i) {
      float* to = packed + i * member_size;
      call.kernel.pack(a.of(i), n, 1, n, n, to);
      if (kept[static_cast<size_t>(i)] == nullptr)
        pack_forward(call, a.of(i), v.of(i), b.of(i), vz.of(i), bz.of(i), to + back_size);
      if (dx.data == nullptr) return;
      to += s.recurrent_size();
      call.kernel.pack(v.of(i), 1, n, n, m, to);
      to += s.back_drive_size();
      if (s.gated) call.kernel.pack(vz.of(i), 1, n, n, m, to);
    });
    call.workers.each(call.pieces(), [&](int64_t piece) {
      const int64_t i = piece / s.slices, slice = piece % s.slices;
      const int64_t begin = s.slice_begin(slice);
      const float* own = packed + i * member_size;
      const std::shared_ptr<Trace>& trace = kept[static_cast<size_t>(i)];
      const float* values = trace == nullptr ? nullptr
                                             : trace->of(tickets[static_cast<size_t>(i)]) +
                                                   slice * s.trace_size();
      float* gradient = shares + piece * share;
      float* drive_gradient = gradient + s.recurrent_size();
      call.kernel.backward({&s,
                            part(own, s.recurrent_size(), s.back_drive_size(), s.gated),
                            forward_part(s, own + back_size), *epsilon.of(i), begin,
                            s.slice_begin(slice + 1) - begin, x.of(i), values,
                            starts.of(i) + slice * s.anchor_size(), last.of(i), all.of(i),
                            dx.of(i), dh.of(i), wanted ? gradient : nullptr, drive_gradient,
                            drive_gradient + s.drive_size(), step_shares + piece,
                            private_memory.reserve(s.backward_scratch())});
    });
    for (int64_t i = 0; i < s.members; ++i) {
      double sum = 0.0;
      for (int64_t slice = 0; slice < s.slices; ++slice) sum += step_shares[i * s.slices + slice];
      *de.of(i) = static_cast<float>(sum);
    }
    if (!wanted) return;
    const int64_t panels = (n + call.kernel.panel - 1) / call.kernel.panel;
    call.workers.each(s.members * panels, [&](int64_t index) {
      const int64_t i = index / panels, panel = index % panels;
      const float* from = shares + i * s.slices * share;
      reduce(call, from, share, panel, n, da.of(i), nullptr);
      from += s.recurrent_size();
      reduce(call, from, share, panel, m, dv.of(i), db.of(i));
      from += s.drive_size();
      if (s.gated) reduce(call, from, share, panel, m, dvz.of(i), dbz.of(i));
    });
  });
}

}  // namespace
}  // namespace asrnn

extern "C" {

XLA_FFI_DEFINE_HANDLER_SYMBOL(asrnn_cpu_forward, asrnn::forward,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
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
                                  .Ret<asrnn::TicketArray>()
                                  .Ret<asrnn::Array>()
                                  .Attrs());

XLA_FFI_DEFINE_HANDLER_SYMBOL(asrnn_cpu_backward, asrnn::backward,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::TicketArray>()
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
                                  .Attrs());

// Can this machine run the instruction set of that index?
int asrnn_cpu_supports(int64_t isa) { return asrnn::usable_kernel(isa) != nullptr; }

// tanh[2 i] and tanh[2 i + 1]: as the plain and as the gated cell compute it.
void asrnn_cpu_activations(int64_t isa, const float* values, float* tanh, float* sigmoid,
                           int64_t count) {
  asrnn::usable_kernel(isa)->activations(values, tanh, sigmoid, count);
}

}
