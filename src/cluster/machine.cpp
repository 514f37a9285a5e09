#include "cluster/machine.h"

#include <algorithm>
#include <filesystem>

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"

namespace sust::cluster {

namespace {

constexpr int k_gpus_max = 1'000;

}  // namespace

std::string host_name() {
    utsname names{};
    return ::uname(&names) == 0 ? names.nodename : "localhost";
}

std::vector<int> core_indexes() {
    cpu_set_t usable;
    if (::sched_getaffinity(0, sizeof usable, &usable) != 0) {
        return {0};
    }
    std::vector<int> cores;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(static_cast<std::size_t>(core), &usable)) {
            cores.push_back(core);
        }
    }
    return cores;
}

std::vector<int> gpu_indexes() {
    constexpr std::string_view k_prefix = "nvidia";
    std::vector<int> gpus;
    std::error_code trouble;
    std::filesystem::directory_iterator entry("/dev", trouble);
    for (; !trouble && entry != std::filesystem::directory_iterator(); entry.increment(trouble)) {
        const auto name = entry->path().filename().string();
        const auto index = name.starts_with(k_prefix)
                               ? core::parse_integer(name.substr(k_prefix.size()))
                               : core::fail(core::Fault::not_found, "");
        if (index && *index >= 0 && *index < k_gpus_max) {
            gpus.push_back(static_cast<int>(*index));
        }
    }
    std::sort(gpus.begin(), gpus.end());
    return gpus;
}

// "Model:   NVIDIA H100 80GB HBM3"; a machine has GPUs of one kind.
std::string gpu_model() {
    constexpr std::string_view k_key = "Model:";
    std::error_code trouble;
    std::filesystem::directory_iterator entry("/proc/driver/nvidia/gpus", trouble);
    if (trouble || entry == std::filesystem::directory_iterator()) {
        return {};
    }
    const auto text = core::read_file(entry->path() / "information", 64 << 10).value_or("");
    const auto begin = text.find(k_key);
    return begin == std::string::npos
               ? std::string()
               : std::string(core::trim(text.substr(
                     begin + k_key.size(), text.find('\n', begin) - begin - k_key.size())));
}

Node this_node() {
    const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
    const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return Node{.name = host_name(),
                .cores = static_cast<int>(core_indexes().size()),
                .memory_bytes = pages * page_bytes};
}

}  // namespace sust::cluster
