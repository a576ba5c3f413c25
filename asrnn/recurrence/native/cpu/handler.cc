// The two XLA FFI handlers, the choice of instruction set, and a hook for the activations' test.

#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "call.h"
#include "memory.h"
#include "operands.h"
#include "problem.h"
#include "traces.h"
#include "weights.h"
#include "xla/ffi/api/ffi.h"

namespace asrnn {
namespace {

namespace ffi = xla::ffi;

thread_local Arena shared_memory;   // packed weights and gradients of a call, on its own thread
thread_local Arena private_memory;  // a slice's working memory, on each worker

Traces& traces() {
  static Traces* const store = new Traces;  // never destroyed: threads may outlive main
  return *store;
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

ffi::Error forward(ffi::ThreadPool pool, Array matrix, Array drive, Array bias, Array gate_drive,
                   Array gate_bias, Array step_size, Array diffusion, Array inputs, Array initial,
                   Output final_state, Output states, Tickets ticket, Output anchors,
                   ffi::Dictionary attributes) {
  return guarded([&] {
    Call call(pool, attributes);
    const Shape& s = call.shape;
    const int64_t block = s.batch * s.carried();
    const Parameters given(s, matrix, drive, bias, gate_drive, gate_bias, step_size, diffusion);
    const Operand x = input(inputs, s, s.steps * s.batch * s.inputs, "inputs");
    const Operand h = input(initial, s, block, "initial_state");
    const Operand last = output(final_state, s, block, "final_state");
    const Operand all = optional_output(states, s, s.steps * s.batch * s.units, "states");
    const Operand starts = optional_output(anchors, s, s.slices * s.anchor_size(), "anchors");
    const bool traced = ticket->element_count() != 0;
    std::shared_ptr<Trace> trace;
    if (traced) trace = hand_out(call, ticket, Call::number(attributes, "trace_limit"));

    const int64_t member_size = s.forward_weights();
    float* packed = shared_memory.reserve(s.members * member_size);
    call.workers.each(s.members, [&](int64_t i) {
      pack_forward(call, given, i, packed + i * member_size);
    });
    call.workers.each(call.pieces(), [&](int64_t piece) {
      const int64_t i = piece / s.slices, index = piece % s.slices;
      ForwardSlice slice{};
      slice.shape = &s;
      slice.weights = forward_weights(s, packed + i * member_size);
      slice.step_size = *given.step_size.of(i);
      slice.diffusion = given.diffusion_of(i);
      slice.begin = s.slice_begin(index);
      slice.rows = s.slice_begin(index + 1) - slice.begin;
      slice.inputs = x.of(i);
      slice.initial = h.of(i);
      slice.final_state = last.of(i);
      slice.states = all.of(i);
      if (trace != nullptr)
        slice.trace =
            trace->of(trace->first + static_cast<Ticket>(i)) + index * s.trace_size();
      if (starts.data != nullptr) slice.anchors = starts.of(i) + index * s.anchor_size();
      slice.scratch = private_memory.reserve(s.forward_scratch());
      call.kernel.forward(slice);
    });
  });
}

// Sums the slices' shares of a scalar's gradient.
void sum_scalars(const Shape& s, const double* shares, const Operand& target) {
  for (int64_t i = 0; i < s.members; ++i) {
    double sum = 0.0;
    for (int64_t slice = 0; slice < s.slices; ++slice) sum += shares[i * s.slices + slice];
    *target.of(i) = static_cast<float>(sum);
  }
}

// Can the states be taken back from the final one?
void require_invertible(const Shape& s, const Parameters& given) {
  require(s.parts > 1, "a state of one part has no way back");
  for (int64_t i = 0; i < s.members; ++i)
    require(given.diffusion_of(i) == 0.0f,
            "remat=reverse needs a diffusion of 0, found " +
                std::to_string(given.diffusion_of(i)) + "; set it to 0 or use another remat");
}

ffi::Error backward(ffi::ThreadPool pool, Array matrix, Array drive, Array bias, Array gate_drive,
                    Array gate_bias, Array step_size, Array diffusion, Array inputs,
                    TicketArray ticket, Array anchors, Array final_state, Array final_given,
                    Array states_given, Output d_matrix, Output d_drive, Output d_bias,
                    Output d_gate_drive, Output d_gate_bias, Output d_step_size,
                    Output d_diffusion, Output d_inputs, Output d_initial,
                    ffi::Dictionary attributes) {
  return guarded([&] {
    Call call(pool, attributes);
    const Shape& s = call.shape;
    const int64_t n = s.units, m = s.inputs, block = s.batch * s.carried();
    const Parameters given(s, matrix, drive, bias, gate_drive, gate_bias, step_size, diffusion);
    const Operand x = input(inputs, s, s.steps * s.batch * m, "inputs");
    const Operand starts = optional_input(anchors, s, s.slices * s.anchor_size(), "anchors");
    const Operand end = optional_input(final_state, s, block, "final_state");
    const bool reverse = end.data != nullptr;
    if (reverse) require_invertible(s, given);
    const Operand last = input(final_given, s, block, "final cotangent");
    const Operand all =
        optional_input(states_given, s, s.steps * s.batch * n, "states cotangent");
    const Operand dm = optional_output(d_matrix, s, s.width() * s.width(), "matrix gradient");
    const bool wanted = dm.data != nullptr;
    const bool gate = wanted && s.gated;
    const Operand dv = output(d_drive, s, wanted ? m * n : 0, "input kernel gradient");
    const Operand db = output(d_bias, s, wanted ? n : 0, "bias gradient");
    const Operand dvz = output(d_gate_drive, s, gate ? m * n : 0, "gate kernel gradient");
    const Operand dbz = output(d_gate_bias, s, gate ? n : 0, "gate bias gradient");
    const Operand de = output(d_step_size, s, 1, "step size gradient");
    const Operand dd = optional_output(d_diffusion, s, 1, "diffusion gradient");
    const Operand dx = optional_output(d_inputs, s, s.steps * s.batch * m, "inputs gradient");
    const Operand dh = output(d_initial, s, block, "initial state gradient");
    const std::vector<Ticket> tickets = reverse ? std::vector<Ticket>() : read_tickets(ticket, s);
    std::vector<std::shared_ptr<Trace>> kept = collect(s, tickets);
    kept.resize(static_cast<size_t>(s.members));

    const int64_t back_size = s.backward_weights();
    const int64_t member_size = back_size + s.forward_weights();
    const int64_t share = wanted ? s.gradient_size() : 0;
    float* packed = shared_memory.reserve(s.members * member_size + call.pieces() * (share + 4));
    float* shares = packed + s.members * member_size;
    double* step_shares = reinterpret_cast<double*>(shares + call.pieces() * share);
    double* diffusion_shares = step_shares + call.pieces();
    call.workers.each(s.members, [&](int64_t i) {
      float* to = packed + i * member_size;
      pack_backward(call, given, i, dx.data != nullptr, to);
      if (kept[static_cast<size_t>(i)] == nullptr) pack_forward(call, given, i, to + back_size);
    });
    call.workers.each(call.pieces(), [&](int64_t piece) {
      const int64_t i = piece / s.slices, index = piece % s.slices;
      const float* own = packed + i * member_size;
      const std::shared_ptr<Trace>& trace = kept[static_cast<size_t>(i)];
      BackwardSlice slice{};
      slice.shape = &s;
      slice.weights = backward_weights(s, own);
      slice.forward_weights = forward_weights(s, own + back_size);
      slice.step_size = *given.step_size.of(i);
      slice.diffusion = given.diffusion_of(i);
      slice.begin = s.slice_begin(index);
      slice.rows = s.slice_begin(index + 1) - slice.begin;
      slice.inputs = x.of(i);
      if (trace != nullptr)
        slice.trace = trace->of(tickets[static_cast<size_t>(i)]) + index * s.trace_size();
      if (reverse) {
        slice.final_state = end.of(i);
      } else {
        slice.anchors = starts.of(i) + index * s.anchor_size();
      }
      slice.final_cotangent = last.of(i);
      slice.states_cotangent = all.of(i);
      slice.inputs_cotangent = dx.of(i);
      slice.initial_cotangent = dh.of(i);
      if (wanted) {
        slice.recurrent_gradient = shares + piece * share;
        slice.drive_gradient = slice.recurrent_gradient + s.recurrent_size();
        slice.gate_drive_gradient = slice.drive_gradient + s.parts * s.drive_size();
      }
      slice.step_size_gradient = step_shares + piece;
      if (dd.data != nullptr) slice.diffusion_gradient = diffusion_shares + piece;
      slice.scratch = private_memory.reserve(s.backward_scratch());
      call.kernel.backward(slice);
    });
    sum_scalars(s, step_shares, de);
    if (dd.data != nullptr) sum_scalars(s, diffusion_shares, dd);
    if (!wanted) return;
    const int64_t panels = (s.width() + call.kernel.panel - 1) / call.kernel.panel;
    call.workers.each(s.members * panels, [&](int64_t index) {
      const int64_t i = index / panels;
      const Shares of_member{call, shares + i * s.slices * share, share};
      of_member.sum_panel(index % panels, dm.of(i), dv.of(i), db.of(i), dvz.of(i), dbz.of(i));
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
                                  .Arg<asrnn::Array>()
                                  .Arg<asrnn::TicketArray>()
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
                                  .Ret<asrnn::Array>()
                                  .Attrs());

// Has this library the kernel of that index, and can the machine run it? Of the kernels that round
// the latter is not asked here.
int asrnn_cpu_supports(int64_t isa) { return asrnn::usable_kernel(isa) != nullptr; }

// Can this machine run the kernels that round? See TileUnitState.
int asrnn_cpu_tile_unit() { return static_cast<int>(asrnn::tile_unit()); }

// tanh[2 i] and tanh[2 i + 1]: as the plain and as the gated cell compute it.
void asrnn_cpu_activations(int64_t isa, const float* values, float* tanh, float* sigmoid,
                           int64_t count) {
  asrnn::usable_kernel(isa)->activations(values, tanh, sigmoid, count);
}

}
