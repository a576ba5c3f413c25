// A CUDA driver for tests, whose device is the simulator: the functions that the handler calls,
// with the driver's names, types and errors. As if the process had called cuInit and made a context
// current, as JAX does before it runs a kernel.
//
// An image is the path of a library built from a kernel and the simulator's device.cuh, as text.
// Unlike hardware, a launch is over when it returns, and a failed one does not spoil the context.
//
// ASRNN_SIMULATOR_FAIL=<symbol>:<code> in the environment makes that function fail;
// ASRNN_SIMULATOR_CONTEXT=<number> is the context that is current where none was
// pushed; 0, the device's primary one, by default.

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace {

constexpr int kSuccess = 0, kInvalidValue = 1, kInvalidDevice = 101, kInvalidImage = 200,
              kInvalidContext = 201, kInvalidHandle = 400, kNotFound = 500,
              kCaptureUnsupported = 900;
constexpr int kAttributeThreads = 0, kAttributeStaticShared = 1, kAttributeLocal = 3,
              kAttributeDynamicShared = 8;
constexpr int kDefaultShared = 48 * 1024, kLargestShared = 227 * 1024;  // bytes a block
constexpr int kRelaxedCapture = 2;

struct Error {
  int code;
  const char *name, *text;
};

constexpr Error kErrors[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
};

struct Function {
  int (*simulate)(const void*, unsigned, unsigned, unsigned);
  unsigned (*launch_bound)();
  void* context;
  int dynamic_shared;
};

struct Module {
  void *library, *context;
};

std::mutex mutex;
std::set<void*> modules, functions;
thread_local int capture_mode = 0;
thread_local std::vector<void*> pushed_contexts;

int complain(int code, const char* symbol, const std::string& why) {
  std::fprintf(stderr, "asrnn simulator: %s: %s\n", symbol, why.c_str());
  return code;
}

// The code that the environment tells this function to fail with, or 0.
int failure_of(const char* symbol) {
  const char* const plan = std::getenv("ASRNN_SIMULATOR_FAIL");
  const std::size_t length = std::strlen(symbol);
  if (plan == nullptr || std::strncmp(plan, symbol, length) != 0 || plan[length] != ':') return 0;
  return std::atoi(plan + length + 1);
}

void* context_of(unsigned long long number) { return reinterpret_cast<void*>(number + 1); }

void* primary_context() { return context_of(0); }

// The handle of the context that is current.
void* context() {
  if (!pushed_contexts.empty()) return pushed_contexts.back();
  const char* const number = std::getenv("ASRNN_SIMULATOR_CONTEXT");
  return number == nullptr ? primary_context() : context_of(std::strtoull(number, nullptr, 10));
}

bool known(const std::set<void*>& handles, void* handle) {
  const std::lock_guard<std::mutex> lock(mutex);
  return handles.count(handle) != 0;
}

void remember(std::set<void*>& handles, void* handle) {
  const std::lock_guard<std::mutex> lock(mutex);
  handles.insert(handle);
}

template <const char* Error::* kField>
int describe(int code, const char** text) {
  if (text == nullptr) return kInvalidValue;
  *text = nullptr;
  for (const Error& error : kErrors) {
    if (error.code == code) *text = error.*kField;
  }
  return *text ? kSuccess : kInvalidValue;
}

}  // namespace

#define FAIL_IF_PLANNED() \
  if (const int planned = failure_of(__func__)) return planned

extern "C" {

int cuInit(unsigned flags) {
  FAIL_IF_PLANNED();
  return flags == 0 ? kSuccess : kInvalidValue;
}

int cuDeviceGet(int* device, int number) {
  FAIL_IF_PLANNED();
  if (device == nullptr) return kInvalidValue;
  if (number != 0) return kInvalidDevice;
  *device = number;
  return kSuccess;
}

int cuDevicePrimaryCtxRetain(void** its_context, int device) {
  FAIL_IF_PLANNED();
  if (its_context == nullptr) return kInvalidValue;
  if (device != 0) return kInvalidDevice;
  *its_context = primary_context();
  return kSuccess;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
  FAIL_IF_PLANNED();
  return device == 0 ? kSuccess : kInvalidDevice;
}

int cuCtxPushCurrent_v2(void* pushed) {
  FAIL_IF_PLANNED();
  if (pushed != primary_context()) return kInvalidValue;
  pushed_contexts.push_back(pushed);
  return kSuccess;
}

int cuCtxPopCurrent_v2(void** popped) {
  FAIL_IF_PLANNED();
  if (pushed_contexts.empty()) return kInvalidContext;
  if (popped != nullptr) *popped = pushed_contexts.back();
  pushed_contexts.pop_back();
  return kSuccess;
}

int cuCtxGetCurrent(void** current) {
  FAIL_IF_PLANNED();
  if (current == nullptr) return kInvalidValue;
  *current = context();
  return kSuccess;
}

int cuStreamGetCtx(void* /*stream*/, void** its_context) {
  FAIL_IF_PLANNED();
  if (its_context == nullptr) return kInvalidValue;
  *its_context = context();
  return kSuccess;
}

int cuThreadExchangeStreamCaptureMode(int* mode) {
  FAIL_IF_PLANNED();
  if (mode == nullptr || *mode < 0 || *mode > kRelaxedCapture) return kInvalidValue;
  const int before = capture_mode;
  capture_mode = *mode;
  *mode = before;
  return kSuccess;
}

// Another thread may be capturing a stream at any time, so loading asks for the relaxed mode.
int cuModuleLoadData(void** module, const void* image) {
  FAIL_IF_PLANNED();
  if (module == nullptr || image == nullptr) return kInvalidValue;
  if (capture_mode != kRelaxedCapture) {
    return complain(kCaptureUnsupported, __func__, "not in the relaxed capture mode");
  }
  void* const library = dlopen(static_cast<const char*>(image), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return complain(kInvalidImage, __func__, dlerror());
  *module = new Module{library, context()};
  remember(modules, *module);
  return kSuccess;
}

int cuModuleUnload(void* module) {
  FAIL_IF_PLANNED();
  const std::lock_guard<std::mutex> lock(mutex);
  if (modules.erase(module) == 0) return kInvalidHandle;
  delete static_cast<Module*>(module);
  return kSuccess;
}

int cuModuleGetFunction(void** function, void* module, const char* name) {
  FAIL_IF_PLANNED();
  if (function == nullptr || name == nullptr) return kInvalidValue;
  if (!known(modules, module)) return kInvalidHandle;
  const auto [library, its_context] = *static_cast<Module*>(module);
  void* const simulate = dlsym(library, (std::string("simulate_") + name).c_str());
  void* const bound = dlsym(library, (std::string("launch_bound_") + name).c_str());
  if (simulate == nullptr || bound == nullptr) return kNotFound;
  auto* const found = new Function{reinterpret_cast<decltype(Function::simulate)>(simulate),
                                   reinterpret_cast<decltype(Function::launch_bound)>(bound),
                                   its_context, kDefaultShared};
  remember(functions, found);
  *function = found;
  return kSuccess;
}

int cuFuncSetAttribute(void* function, int attribute, int value) {
  FAIL_IF_PLANNED();
  if (!known(functions, function)) return kInvalidHandle;
  if (attribute != kAttributeDynamicShared || value < 0 || value > kLargestShared) {
    return kInvalidValue;
  }
  static_cast<Function*>(function)->dynamic_shared = value;
  return kSuccess;
}

int cuFuncGetAttribute(int* value, int attribute, void* function) {
  FAIL_IF_PLANNED();
  if (value == nullptr) return kInvalidValue;
  if (!known(functions, function)) return kInvalidHandle;
  const auto* const asked = static_cast<Function*>(function);
  switch (attribute) {
    case kAttributeThreads: *value = static_cast<int>(asked->launch_bound()); return kSuccess;
    case kAttributeStaticShared:
    case kAttributeLocal: *value = 0; return kSuccess;
    case kAttributeDynamicShared: *value = asked->dynamic_shared; return kSuccess;
    default: return kInvalidValue;
  }
}

int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                   void* /*stream*/, void** parameters, void** extra) {
  FAIL_IF_PLANNED();
  if (!known(functions, function)) return kInvalidHandle;
  const auto* const launched = static_cast<Function*>(function);
  if (launched->context != context()) {
    return complain(kInvalidHandle, __func__, "the function is of another context");
  }
  if (grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1) {
    return complain(kInvalidValue, __func__, "the simulator has one dimension");
  }
  if (parameters == nullptr || parameters[0] == nullptr || extra != nullptr) {
    return complain(kInvalidValue, __func__, "the simulator takes one parameter, in kernelParams");
  }
  if (shared_bytes > static_cast<unsigned>(launched->dynamic_shared)) {
    const std::string asked = std::to_string(shared_bytes);
    const std::string allowed = std::to_string(launched->dynamic_shared);
    return complain(kInvalidValue, __func__,
                    asked + " bytes of shared memory, the function may have " + allowed);
  }
  return launched->simulate(parameters[0], grid_x, block_x, shared_bytes);
}

int cuGetErrorName(int code, const char** name) {
  FAIL_IF_PLANNED();
  return describe<&Error::name>(code, name);
}

int cuGetErrorString(int code, const char** text) {
  FAIL_IF_PLANNED();
  return describe<&Error::text>(code, text);
}

}  // extern "C"
