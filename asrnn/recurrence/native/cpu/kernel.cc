// One instruction set's kernel: compiled with ASRNN_ISA, ASRNN_LANES and the matching flags, for
// products in bfloat16 with ASRNN_BFLOAT16, the number of parts of each operand.

#include "activations.h"
#include "backward.h"
#include "forward.h"
#include "panels.h"
#include "problem.h"
#include "products.h"

namespace {

void activations(const float* values, float* tanh, float* sigmoid, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) {
    float u[kLanes] = {}, alone[kLanes], s[kLanes], z[kLanes];
    const int64_t width = smaller(kLanes, count - i);
    for (int64_t j = 0; j < width; ++j) u[j] = values[i + j];
    const auto loaded = Pack<1>::load_from(u, 0);
    const auto both = Activations<true, 1>::of(loaded, loaded);
    Activations<false, 1>::of(loaded, loaded).candidate.store_to(alone, 0);
    both.candidate.store_to(s, 0);
    both.gate.store_to(z, 0);
    for (int64_t j = 0; j < width; ++j) {
      tanh[2 * (i + j)] = alone[j];
      tanh[2 * (i + j) + 1] = s[j];
      sigmoid[i + j] = z[j];
    }
  }
}

}  // namespace

#define ASRNN_JOIN_(a, b) a##b
#define ASRNN_JOIN(a, b) ASRNN_JOIN_(a, b)

namespace asrnn {

const Kernel* ASRNN_JOIN(ASRNN_ISA, _kernel)() {
  static const Kernel kernel = {kPanel,  pack_right_operand, pack_right_drive,
                                forward, backward,           activations};
  return &kernel;
}

}  // namespace asrnn
