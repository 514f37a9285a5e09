#include <cerrno>
#include <csignal>
#include <system_error>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/hash.h"
#include "core/text.h"
#include "env/environment.h"
#include "env/extract.h"
#include "env/namespaces.h"
#include "env/rootfs.h"
#include "env/squashfs.h"

namespace sust::env {

using core::fail;
using core::Fault;

namespace {

constexpr int k_cannot_start = 125;
constexpr int k_cannot_execute = 126;
constexpr int k_not_found = 127;
constexpr std::string_view k_default_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The death signal is lost when credentials change and must be the command's again. If the parent
// ended in between, the signal it would have caused is sent now.
class DeathSignal {
  public:
    DeathSignal() : parent_(::getppid()) { ::prctl(PR_GET_PDEATHSIG, &signal_); }
    void restore() const {
        if (signal_ == 0) {
            return;
        }
        ::prctl(PR_SET_PDEATHSIG, signal_);
        if (::getppid() != parent_) {
            ::raise(signal_);
        }
    }

  private:
    pid_t parent_;
    int signal_ = 0;
};

// Directories and files of the new root get the modes we say, whatever the caller's mask.
class PlainMask {
  public:
    PlainMask() : before_(::umask(0022)) {}
    ~PlainMask() { ::umask(before_); }
    PlainMask(const PlainMask&) = delete;
    PlainMask& operator=(const PlainMask&) = delete;

  private:
    mode_t before_;
};

// A plain file has no digest at hand; reading gigabytes at every start for one would be absurd.
Result<std::string> content_key(const Plan& plan) {
    if (plan.image) {
        return plan.image_file.filename().string();  // a blob's name is its digest
    }
    struct stat status {};
    if (::stat(plan.image_file.c_str(), &status) != 0) {
        return core::fail_errno("look at " + plan.image_file.string(), errno);
    }
    auto told = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + ":" +
                std::to_string(status.st_size) + ":" + std::to_string(status.st_mtim.tv_sec) + "." +
                std::to_string(status.st_mtim.tv_nsec);
    return "file-" + core::sha256_hex(told);
}

// Before any namespace is entered: extraction runs a program of the host.
Result<Lower> find_lower(const Plan& plan, const core::Places& places, const core::Clock& clock) {
    TRY(inspect_squashfs(plan.image_file));
    if (::geteuid() == 0) {
        // Where even root has no loop devices (a container), the cache does as for a plain user.
        if (auto device = attach_loop(plan.image_file)) {
            return Lower{.device = std::move(*device)};
        }
    }
    auto key = TRY(content_key(plan));
    return Lower{.directory = TRY(extracted(plan.image_file, key, places.cache, clock))};
}

Result<void> enter(const Plan& plan, const RunOptions& options, const core::Places& places,
                   const core::Clock& clock) {
    auto lower = TRY(find_lower(plan, places, clock));
    PlainMask mask;
    auto kind = TRY(enter_namespaces());
    auto mounts = plan.mounts;
    mounts.insert(mounts.end(), options.mounts.begin(), options.mounts.end());
    auto access = plan.writable ? Access::writable : Access::read_only;
    auto root = TRY(build_root(lower, kind, access, mounts));
    return change_root(root.get());
}

// A place that was asked for must be there; the caller's own place is taken if it is.
Result<Path> enter_workdir(const Plan& plan, const RunOptions& options, const Path& caller) {
    auto asked = options.workdir.value_or(plan.workdir);
    if (!asked.empty()) {
        if (::chdir(asked.c_str()) != 0) {
            return fail(Fault::invalid,
                        "the working directory " + asked.string() +
                            " cannot be entered: " + std::generic_category().message(errno),
                        {.hint = "mount a directory there: --mount DIR:" + asked.string()});
        }
        return asked;
    }
    if (!caller.empty() && ::chdir(caller.c_str()) == 0) {
        return caller;
    }
    return Path("/");
}

core::Environment whole_environment(const Plan& plan, const RunOptions& options,
                                    const Path& workdir) {
    auto all = options.inherited;
    for (const auto& [name, value] : plan.env) {
        all[name] = value;
        if (value.empty()) {
            all.erase(name);
        }
    }
    for (const auto& [name, value] : options.environment) {
        all[name] = value;
    }
    all.try_emplace("PATH", k_default_path);
    if (all.contains("PWD")) {
        all["PWD"] = workdir.string();
    }
    return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (auto& text : texts) {
        out.push_back(text.data());
    }
    out.push_back(nullptr);
    return out;
}

ExecFailure cannot_execute(const std::string& program, int code, const std::string& path) {
    auto name = core::printable(program);
    if (code != ENOENT && code != ENOTDIR) {
        return {
            k_cannot_execute,
            {Fault::denied,
             "cannot execute '" + name + "': " + std::generic_category().message(code), "", ""}};
    }
    if (program.find('/') != std::string::npos && core::path_exists(program)) {
        return {k_not_found,
                {Fault::not_found, "the interpreter that '" + name + "' asks for is not there", "",
                 "a script's first line, or the program's loader, must exist in the image"}};
    }
    return {k_not_found,
            {Fault::not_found, "no command '" + name + "' in the environment", "",
             program.find('/') == std::string::npos ? "PATH inside is " + path : ""}};
}

ExecFailure execute(std::vector<std::string> argv, const core::Environment& environment) {
    std::vector<std::string> variables;
    for (const auto& [name, value] : environment) {
        variables.push_back(name + "=" + value);
    }
    auto arguments = pointers(argv);
    auto strings = pointers(variables);
    const auto& path = environment.at("PATH");
    if (argv[0].find('/') != std::string::npos) {
        ::execve(argv[0].c_str(), arguments.data(), strings.data());
        return cannot_execute(argv[0], errno, path);
    }
    int code = ENOENT;
    for (const auto& folder : core::split(path, ':')) {
        auto program = (folder.empty() ? Path(".") : Path(folder)) / argv[0];
        ::execve(program.c_str(), arguments.data(), strings.data());
        if (errno != ENOENT && errno != ENOTDIR) {
            code = errno;
        } else if (core::path_exists(program)) {
            return cannot_execute(program, errno, path);
        }
    }
    return cannot_execute(argv[0], code, path);
}

}  // namespace

ExecFailure become(const Plan& plan, const RunOptions& options,
                   const std::vector<std::string>& argv, const core::Places& places,
                   const core::Clock& clock) {
    if (argv.empty() || argv[0].empty()) {
        return {k_cannot_start,
                {Fault::invalid, "no command", "", "sust run --environment NAME -- COMMAND"}};
    }
    DeathSignal death_signal;
    std::error_code error;
    auto caller = std::filesystem::current_path(error);
    if (auto entered = enter(plan, options, places, clock); !entered) {
        return {k_cannot_start, entered.error()};
    }
    auto workdir = enter_workdir(plan, options, caller);
    if (!workdir) {
        return {k_cannot_start, workdir.error()};
    }
    death_signal.restore();
    return execute(argv, whole_environment(plan, options, *workdir));
}

}  // namespace sust::env
