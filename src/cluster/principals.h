#pragma once

// Whose jobs a back end may run besides its own: an allow-list, by Unix name.

#include <optional>
#include <string>
#include <vector>

#include "cluster/job.h"
#include "core/identity.h"
#include "core/process.h"

namespace sust::cluster {

struct Principal {
    core::Identity identity{};
    std::string home{};
    std::string shell{};
};

class Principals {
  public:
    Principals() = default;
    explicit Principals(std::vector<Principal> all) : all_(std::move(all)) {}

    bool empty() const { return all_.empty(); }
    const Principal* named(const std::string& name) const;
    const Principal* of(uid_t uid) const;
    std::vector<std::string> names() const;
    const std::vector<Principal>& all() const { return all_; }
    // Whom a job of `backend` is to belong to; nothing: the spec names nobody, so us. denied: who
    // is not on the list.
    Result<std::optional<core::Identity>> owner_for(const JobSpec& spec,
                                                    std::string_view backend) const;
    // To whom the directory of a job belongs: the folder that it is in is ours, so this cannot be
    // forged, and what is in it can. Nothing: to us. Who is not on the list is only a number.
    std::optional<core::Identity> owner_of(const Path& directory) const;

  private:
    std::vector<Principal> all_;
};

// A wrapper's environment in place of that of whoever runs the back end.
core::Environment environment_of(const Principal& who, core::Environment base);

}  // namespace sust::cluster
