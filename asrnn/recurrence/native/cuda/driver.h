// CUDA's driver, found when it is first needed: nothing of CUDA has to be there to compile this.

#ifndef ASRNN_CUDA_DRIVER_H_
#define ASRNN_CUDA_DRIVER_H_

#include <dlfcn.h>

#include <stdexcept>
#include <string>

namespace asrnn {

// The few functions of cuda.h that the handlers call. All return 0 or the number of an error.
struct Driver {
  using Context = void*;
  using Module = void*;
  using Function = void*;
  using Stream = void*;

  int (*current_context)(Context*);
  int (*load_module)(Module*, const void* image);
  int (*get_function)(Function*, Module, const char* name);
  int (*set_attribute)(Function, int attribute, int value);
  int (*launch)(Function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                unsigned block_y, unsigned block_z, unsigned shared_bytes, Stream,
                void** arguments, void** extra);
  int (*exchange_capture_mode)(int* mode);
  int (*start)(unsigned flags);
  int (*get_device)(int* device, int number);
  int (*retain_context)(Context*, int device);
  int (*release_context)(int device);
  int (*push_context)(Context);
  int (*pop_context)(Context*);
  int (*unload_module)(Module);
  int (*error_name)(int error, const char** name);

  static constexpr int kMaxDynamicSharedBytes = 8;  // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
  static constexpr int kRelaxed = 2;                // CU_STREAM_CAPTURE_MODE_RELAXED

  explicit Driver(const char* path) {
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(dlerror());
    find(library, "cuCtxGetCurrent", &current_context);
    find(library, "cuModuleLoadData", &load_module);
    find(library, "cuModuleGetFunction", &get_function);
    find(library, "cuFuncSetAttribute", &set_attribute);
    find(library, "cuLaunchKernel", &launch);
    find(library, "cuThreadExchangeStreamCaptureMode", &exchange_capture_mode);
    find(library, "cuGetErrorName", &error_name);
    find(library, "cuInit", &start);
    find(library, "cuDeviceGet", &get_device);
    find(library, "cuDevicePrimaryCtxRetain", &retain_context);
    find(library, "cuDevicePrimaryCtxRelease_v2", &release_context);
    find(library, "cuCtxPushCurrent_v2", &push_context);
    find(library, "cuCtxPopCurrent_v2", &pop_context);
    find(library, "cuModuleUnload", &unload_module);
  }

  // Loads an image into the context that all programs of the process share on a device, and lets it
  // go again; throws if the device does not take it.
  void try_image(int number, const void* image) const {
    int device = 0;
    Context context = nullptr;
    check(start(0), "start the driver");
    check(get_device(&device, number), "find the GPU");
    check(retain_context(&context, device), "use the GPU");
    int error = push_context(context);
    if (error == 0) {
      Module module = nullptr;
      error = load_module(&module, image);
      if (error == 0) unload_module(module);
      pop_context(&context);
    }
    release_context(device);
    check(error, "load the compiled kernels");
  }

  void check(int error, const char* what) const {
    if (error == 0) return;
    const char* name = nullptr;
    if (error_name(error, &name) != 0 || name == nullptr) name = "unknown error";
    throw std::runtime_error(std::string("cannot ") + what + ": " + name);
  }

 private:
  template <typename Pointer>
  static void find(void* library, const char* name, Pointer* function) {
    *function = reinterpret_cast<Pointer>(dlsym(library, name));
    if (*function == nullptr) throw std::runtime_error(std::string("no ") + name + " in the driver");
  }
};

}  // namespace asrnn

#endif  // ASRNN_CUDA_DRIVER_H_
