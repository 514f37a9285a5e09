#pragma once

// The directory of one image build, and the way to run programs over it as (some kind of) root.

#include <string>
#include <vector>

#include "core/clock.h"
#include "core/file.h"
#include "core/process.h"
#include "core/result.h"

namespace sust::env {

// Who builds: root itself, or a plain user as root of a user namespace with the user's
// subordinate ids, in which the owners of the image's files can exist.
enum class Builder { root, user };

// There "/" is no mount, and unshare(1) cannot keep mounts from reaching the host.
bool in_chroot();

// `argv` inside namespaces of its own: the builder's user namespace, and a process namespace whose
// processes all end with the command, so that neither a mount nor a daemon outlives a killed build.
std::vector<std::string> as_builder(Builder builder, std::vector<std::string> argv);

// Programs and permissions that a build needs, before it starts. Errors say how to get them.
core::Result<Builder> check_builder(const core::Environment& environment, const core::Clock& clock);

class Workspace {
  public:
    // Under `cache`/build; removes what builds that were killed have left there.
    static core::Result<Workspace> create(const core::Path& cache, Builder builder,
                                          const core::Clock& clock);
    Workspace(Workspace&& other) noexcept;
    Workspace& operator=(Workspace&&) = delete;
    ~Workspace();

    const core::Path& path() const { return path_; }

  private:
    Workspace(core::Path path, Builder builder, const core::Clock& clock)
        : path_(std::move(path)), builder_(builder), clock_(&clock) {}
    core::Path path_;
    Builder builder_;
    const core::Clock* clock_;
};

}  // namespace sust::env
