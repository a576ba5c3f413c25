// Where a block is: its sequence, its unit, and what it has on the way from global memory.

#ifndef ASRNN_CUDA_SEQUENCE_CUH_
#define ASRNN_CUDA_SEQUENCE_CUH_

#include "arguments.h"
#include "device.cuh"
#include "variant.cuh"

namespace asrnn {

// A block has one sequence of one member, a thread one unit of it.
//
// Indices within an array of a member are ints (check_size in __init__.py sees to it that they suffice), and the
// arrays' addresses are the same for the whole block: both are to save registers.
struct Place {
  int member, example, batch, steps, row;

  template <typename Arguments>
  ASRNN_METHOD explicit Place(const Arguments& p)
      : member(block_index() / p.batch),
        example(block_index() % p.batch),
        batch(p.batch),
        steps(p.steps),
        row(thread_index()) {}

  // Threads beyond the last unit only keep the others company.
  ASRNN_METHOD bool real() const { return kUnits == kThreads || row < kUnits; }

  // The thread's element of [B, n], and of [T, B, n] at a step.
  ASRNN_METHOD int in_batch() const { return example * kUnits + row; }
  ASRNN_METHOD int in_sequence(int step) const { return (step * batch + example) * kUnits + row; }

  // A member's array of an operand; of an output, of so many floats for each member.
  ASRNN_METHOD const float* of_member(const Operand& operand) const {
    return operand.data == nullptr ? nullptr : operand.data + member * operand.stride;
  }
  ASRNN_METHOD float* of_member(float* output, int size) const {
    return output == nullptr ? nullptr : output + static_cast<long long>(member) * size;
  }
  ASRNN_METHOD int batch_size() const { return batch * kUnits; }
  ASRNN_METHOD int sequence_size() const { return steps * batch * kUnits; }
};

// A thread fetches its own element of [T, B, n], or x of its sequence together with the others.
ASRNN_DEVICE void fetch_own(const Place& at, float* slot, const float* sequence, int step) {
  const bool wanted = at.real() && sequence != nullptr && step >= 0 && step < at.steps;
  prefetch_if(wanted, slot + at.row, sequence + at.in_sequence(step));
}

ASRNN_DEVICE void fetch_inputs(const Place& at, float* slot, const float* x, int step) {
  const bool wanted = at.row < kInputs && x != nullptr && step >= 0 && step < at.steps;
  prefetch_if(wanted, slot + at.row, x + (step * at.batch + at.example) * kInputs + at.row);
}

ASRNN_DEVICE int slot_of(int step) { return step & (kDepth - 1); }

// Sets the two vectors of a block to zero; what lies beyond n stays so.
ASRNN_DEVICE void clear_vectors(float* vectors, int row) {
  for (int i = row; i < 2 * kLine; i += kThreads) vectors[i] = 0.0f;
}

// Writes an element of an output [T, B, n], if it is wanted and the step is one.
ASRNN_DEVICE void keep(const Place& at, float* array, int step, float value) {
  store_if(array != nullptr && at.real() && step >= 0, array + at.in_sequence(step), value);
}

}  // namespace asrnn

#endif  // ASRNN_CUDA_SEQUENCE_CUH_
