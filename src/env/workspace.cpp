#include "env/workspace.h"

#include <system_error>

#include <pwd.h>
#include <unistd.h>

#include "core/text.h"
#include "env/extract.h"
#include "env/hold.h"

namespace sust::env {

using core::Clock;
using core::Deadline;
using core::fail;
using core::Fault;
using core::Path;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto k_removal = 5min;

bool in_path(std::string_view program, const core::Environment& environment) {
    auto path = environment.find("PATH");
    auto folders = core::split(path == environment.end() ? "/usr/bin" : path->second, ':');
    for (const auto& folder : folders) {
        if (::access((Path(folder) / program).c_str(), X_OK) == 0) {
            return true;
        }
    }
    return false;
}

// One try in the namespace is the proof: newuidmap, /etc/subuid, /etc/subgid and the kernel's
// permission are all in it.
Result<void> check_user_namespace(const Clock& clock) {
    auto output = core::run({.argv = as_builder(Builder::user, {"true"})}, Deadline(clock, 30s));
    if (!output) {
        return tl::unexpected(output.error());
    }
    if (output->status == 0) {
        return {};
    }
    const auto* entry = ::getpwuid(::getuid());
    std::string user = entry == nullptr ? std::to_string(::getuid()) : entry->pw_name;
    return fail(Fault::denied,
                "a plain user builds images in a user namespace, and that does not work here: " +
                    core::printable(core::trim(output->err), 200),
                {.hint = "install the package uidmap and give '" + user +
                         "' subordinate ids: usermod --add-subuids 100000-165535 --add-subgids "
                         "100000-165535 " +
                         user + "; or build as root"});
}

void remove_workspace(const Path& path, Builder builder, const Clock& clock) {
    // Killed processes take a moment to let go; what still remains goes with the next build.
    for (int tries = 0; tries < 3 && core::path_exists(path); ++tries) {
        if (builder == Builder::root) {
            (void)remove_stubborn_tree(path);
        } else {
            (void)core::run({.argv = as_builder(builder, {"rm", "-rf", path.string()})},
                            Deadline(clock, k_removal));
        }
    }
}

void remove_dead(const Path& folder, Builder builder, const Clock& clock) {
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error)) {
        auto process = process_of_root(at->path().filename().string());
        if (process && !core::alive(*process)) {
            remove_workspace(at->path(), builder, clock);
        }
    }
}

}  // namespace

bool in_chroot() {
    constexpr std::size_t k_max_bytes = 16 << 20;
    auto mounts = core::read_file("/proc/self/mountinfo", k_max_bytes).value_or(" / / ");
    for (const auto& line : core::split(mounts, '\n')) {
        auto fields = core::split(line, ' ');
        if (fields.size() > 4 && fields[4] == "/") {
            return false;
        }
    }
    return true;
}

std::vector<std::string> as_builder(Builder builder, std::vector<std::string> argv) {
    std::vector<std::string> all{"unshare", "--mount",           "--pid",
                                 "--fork",  "--kill-child=KILL", "--mount-proc"};
    if (in_chroot()) {
        all.emplace_back("--propagation=unchanged");
    }
    if (builder == Builder::user) {
        all.insert(all.end(), {"--user", "--map-root-user", "--map-auto"});
    }
    all.emplace_back("--");
    all.insert(all.end(), argv.begin(), argv.end());
    return all;
}

Result<Builder> check_builder(const core::Environment& environment, const Clock& clock) {
    for (const char* program : {"mmdebstrap", "mksquashfs", "unshare"}) {
        if (!in_path(program, environment)) {
            return fail(Fault::not_found,
                        std::string("building an image needs ") + program + ", which is not here",
                        {.hint = "apt-get install mmdebstrap squashfs-tools uidmap util-linux"});
        }
    }
    if (::geteuid() == 0) {
        return Builder::root;
    }
    TRY(check_user_namespace(clock));
    return Builder::user;
}

Result<Workspace> Workspace::create(const Path& cache, Builder builder, const Clock& clock) {
    auto folder = cache / "build";
    TRY(core::make_directories(folder, 0700));
    remove_dead(folder, builder, clock);
    auto path = folder / root_id(TRY(core::identify(::getpid())));
    remove_workspace(path, builder, clock);  // of an earlier build of this very process
    TRY(core::make_directories(path, 0755));
    TRY(core::make_directories(path / "tmp", 0755));
    return Workspace(path, builder, clock);
}

Workspace::Workspace(Workspace&& other) noexcept
    : path_(std::exchange(other.path_, Path())), builder_(other.builder_), clock_(other.clock_) {}

Workspace::~Workspace() {
    if (!path_.empty()) {
        remove_workspace(path_, builder_, *clock_);
    }
}

}  // namespace sust::env
