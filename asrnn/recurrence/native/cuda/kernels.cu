// The kernels of one variant (see variant.cuh and variant.py), compiled when it is first needed.

#include "backward.cuh"
#include "forward.cuh"

ASRNN_KERNEL(asrnn_forward, asrnn::kThreads, asrnn::ForwardArguments) { asrnn::run_forward(p); }

ASRNN_KERNEL(asrnn_backward, asrnn::kThreads, asrnn::BackwardArguments) { asrnn::run_backward(p); }
