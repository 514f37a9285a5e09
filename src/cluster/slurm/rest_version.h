#pragma once

// The versions of slurmrestd's interface that we speak. Slurm 22.05 has v0.0.38; from v0.0.40
// (Slurm 23.11 to 24.11) requests and answers are shaped in another way, and say more.

#include <span>
#include <string_view>

namespace sust::cluster::slurm {

struct RestVersion {
    std::string_view name;
    // Texts that were flags are lists, numbers say whether they are set; nodes can be kept off and
    // held, and jobs are cancelled as somebody's.
    bool structured = false;
};

// Newest first.
std::span<const RestVersion> rest_versions();
// Null where there is none of that name.
const RestVersion* rest_version_named(std::string_view name);
// "v0.0.42, v0.0.41, ...", for messages.
std::string_view rest_version_names();

}  // namespace sust::cluster::slurm
