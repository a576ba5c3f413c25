// main KERNEL GRID BLOCK N: launches one of the kernels on arrays of 512 and 64 floats.
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels.cu"

int main(int, char** arguments) {
  const std::string name = arguments[1];
  const auto grid = static_cast<unsigned>(std::atoi(arguments[2]));
  const auto block = static_cast<unsigned>(std::atoi(arguments[3]));
  const std::vector<float> in(512, 1.0f);
  std::vector<float> out(64);
  const asrnn::Arguments given{in.data(), out.data(), std::atoi(arguments[4])};
  for (const auto& [kernel, simulate] : {
           std::pair{"block_sum", asrnn::simulate_block_sum},
           {"hand_down", asrnn::simulate_hand_down},
           {"hand_over", asrnn::simulate_hand_over},
           {"ring", asrnn::simulate_ring},
           {"some_leave", asrnn::simulate_some_leave},
           {"two_barriers", asrnn::simulate_two_barriers},
           {"half_a_warp", asrnn::simulate_half_a_warp},
           {"two_exchanges", asrnn::simulate_two_exchanges},
           {"write_at", asrnn::simulate_write_at},
           {"write_global_at", asrnn::simulate_write_global_at},
       }) {
    if (name == kernel) return simulate(&given, grid, block, 1024) == 0 ? 0 : 1;
  }
  return 2;
}
