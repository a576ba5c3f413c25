// The sizes for which the kernels are compiled, and what follows from them.
//
// A block runs one sequence. Its thread i owns unit i: the state h_i and all that is elementwise.
// The product with A [n, n] is shared: kLanes neighbouring threads have kLanes rows in common and
// share out their columns, four columns (a quad) at a time in turn, so that each thread reads
// n / kLanes elements of the vector instead of n. Where the registers of a thread do not hold its
// part of A, the last quads of columns are in shared memory.

#ifndef ASRNN_CUDA_VARIANT_CUH_
#define ASRNN_CUDA_VARIANT_CUH_

namespace asrnn {

constexpr int kUnits = ASRNN_UNITS;            // n
constexpr int kInputs = ASRNN_INPUTS;          // m, or 0 if V x + b comes ready made: wide
constexpr bool kGated = ASRNN_GATED;
constexpr int kLanes = ASRNN_LANES;            // a power of two: threads that share rows of A
constexpr int kHeldQuads = ASRNN_HELD_QUADS;   // of a thread's quads of columns, in registers

constexpr bool kWide = kInputs == 0;
constexpr int kWarp = 32;
constexpr int kThreads = (kUnits + kWarp - 1) / kWarp * kWarp;
constexpr int kQuads = (kUnits + 4 * kLanes - 1) / (4 * kLanes);  // of columns, of a thread
constexpr int kLine = 4 * kLanes * kQuads;                        // n in whole quads of all lanes
constexpr int kSharedQuads = kQuads - kHeldQuads;
constexpr int kSharedWeights = kSharedQuads * kLanes * 4 * kThreads;

// Steps that are on their way from global memory, the one at work included; a power of two.
constexpr int kDepth = 8;
constexpr int kGates = kGated ? 2 : 1;
constexpr int kForwardSlot = kWide ? kGates * kThreads : kInputs;
constexpr int kBackwardSlot = (kGates + 1) * kThreads + kInputs;
constexpr int kDrive = kWide ? 0 : (kInputs + 1) * kThreads;
constexpr int kForwardShared =
    2 * kLine + kSharedWeights + kGates * kDrive + kDepth * kForwardSlot;
constexpr int kBackwardShared = 2 * kLine + kSharedWeights + kDepth * kBackwardSlot;

static_assert(kHeldQuads <= kQuads && kLine >= kUnits, "the columns of A do not fit");
static_assert(4 * kForwardShared == ASRNN_FORWARD_SHARED, "see variant.py");
static_assert(4 * kBackwardShared == ASRNN_BACKWARD_SHARED, "see variant.py");

}  // namespace asrnn

#endif  // ASRNN_CUDA_VARIANT_CUH_
