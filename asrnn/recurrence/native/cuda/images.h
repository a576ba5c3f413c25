// The compiled kernels by number, loaded into a context of CUDA when they first run there. Contexts
// are those of XLA, which lets none of them go.

#ifndef ASRNN_CUDA_IMAGES_H_
#define ASRNN_CUDA_IMAGES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "driver.h"

namespace asrnn {

struct Kernels {
  Driver::Function forward, backward;
};

// While this lives, kernels can be loaded though XLA records the thread's launches into a graph.
class RelaxedCapture {
 public:
  explicit RelaxedCapture(const Driver& driver) : driver_(driver) { exchange(); }
  ~RelaxedCapture() { exchange(); }
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;

 private:
  void exchange() { driver_.exchange_capture_mode(&mode_); }

  const Driver& driver_;
  int mode_ = Driver::kRelaxed;
};

class Images {
 public:
  // Has to be called first. Throws if there is no driver.
  void open(const char* driver) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (driver_ == nullptr) driver_ = std::make_unique<Driver>(driver);
  }

  // Throws if the device does not take the image.
  void add(int64_t number, std::string image, int device) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const RelaxedCapture relaxed(driver());
    driver().try_image(device, image.data());
    images_[number] = std::move(image);
  }

  // The kernels of an image in the context of this thread, allowed so much shared memory.
  Kernels kernels(int64_t number, int forward_bytes, int backward_bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Driver::Context context = nullptr;
    driver().check(driver().current_context(&context), "find the context of CUDA");
    const auto key = std::make_pair(context, number);
    const auto found = loaded_.find(key);
    if (found != loaded_.end()) return found->second;
    const RelaxedCapture relaxed(driver());
    return loaded_[key] = load(number, forward_bytes, backward_bytes);
  }

  const Driver& driver() const {
    if (driver_ == nullptr) throw std::runtime_error("the driver of CUDA is not open");
    return *driver_;
  }

 private:
  Kernels load(int64_t number, int forward_bytes, int backward_bytes) {
    const auto image = images_.find(number);
    if (image == images_.end())
      throw std::runtime_error(
          "its kernels were compiled in another process; trace the function in this one");
    Driver::Module module = nullptr;
    driver().check(driver().load_module(&module, image->second.data()), "load the kernels");
    return {function(module, "asrnn_forward", forward_bytes),
            function(module, "asrnn_backward", backward_bytes)};
  }

  Driver::Function function(Driver::Module module, const char* name, int shared_bytes) {
    Driver::Function found = nullptr;
    driver().check(driver().get_function(&found, module, name), "find a kernel");
    driver().check(
        driver().set_attribute(found, Driver::kMaxDynamicSharedBytes, shared_bytes),
        "reserve shared memory");
    return found;
  }

  std::mutex mutex_;
  std::unique_ptr<Driver> driver_;
  std::map<int64_t, std::string> images_;
  std::map<std::pair<Driver::Context, int64_t>, Kernels> loaded_;
};

}  // namespace asrnn

#endif  // ASRNN_CUDA_IMAGES_H_
