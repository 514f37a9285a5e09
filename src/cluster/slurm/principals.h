#pragma once

// Whose jobs a Slurm back end may run besides its own: an allow-list, by Unix name.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/identity.h"
#include "core/process.h"

namespace sust::cluster::slurm {

struct Principal {
    Identity identity;
    std::string home;
    std::string shell;
};

class Principals {
  public:
    // Looks each up once. invalid: a name that nobody has, or root; denied: this process cannot
    // become others.
    static core::Result<Principals> find(const std::vector<std::string>& names);

    bool empty() const { return by_name_.empty(); }
    const Principal* named(const std::string& name) const;
    const Principal* of(uid_t uid) const;
    std::vector<std::string> names() const;

  private:
    std::map<std::string, Principal> by_name_;
};

// `words` with {user}, {uid} and {gid} in place.
std::vector<std::string> becoming(const std::vector<std::string>& words, const Principal& who);
// A wrapper's environment in place of that of whoever runs the back end.
core::Environment environment_of(const Principal& who, core::Environment base);

}  // namespace sust::cluster::slurm
