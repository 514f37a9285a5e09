#include "cluster/wrapper.h"

namespace sust::cluster {

core::Environment base_environment(const core::Environment& of_wrapper) {
    core::Environment base = {
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        {"LANG", "C.UTF-8"}};
    // Who the user is and where its files are; nothing that happened to be set around the caller.
    for (const auto* name : {"HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
                             "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"}) {
        if (const auto found = of_wrapper.find(name); found != of_wrapper.end()) {
            base.insert(*found);
        }
    }
    // What a scheduler says about the place that it gave.
    for (const auto& [name, value] : of_wrapper) {
        if (name.starts_with("SLURM") || name.ends_with("_VISIBLE_DEVICES") ||
            name == "GPU_DEVICE_ORDINAL") {
            base.emplace(name, value);
        }
    }
    return base;
}

std::string attempt_mark(const Path& attempt_directory) {
    return "SUST_JOB_ATTEMPT=" + attempt_directory.string();
}

}  // namespace sust::cluster
