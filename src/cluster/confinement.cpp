#include "cluster/confinement.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::cluster {

namespace {

Result<void> set(const Path& file, const std::string& value) {
    const core::Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd || ::write(fd.get(), value.data(), value.size()) < 0) {
        return core::fail_errno("write " + file.string(), errno);
    }
    return {};
}

int limit_data(std::uint64_t bytes) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_DATA, &limit) != 0) {
        return errno;
    }
    limit.rlim_cur = limit.rlim_max = std::min<rlim_t>(bytes, limit.rlim_max);
    return ::setrlimit(RLIMIT_DATA, &limit) == 0 ? 0 : errno;
}

int limit_cores(const std::vector<int>& cores) {
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    for (const int core : cores) {
        CPU_SET(static_cast<std::size_t>(core), &wanted);
    }
    return ::sched_setaffinity(0, sizeof wanted, &wanted) == 0 ? 0 : errno;
}

}  // namespace

Result<Confinement> Confinement::make(const Share& share, const std::string& name) {
    Confinement made;
    made.share_ = share;
    if (share.memory_bytes == 0 || share.cgroup.empty()) {
        return made;
    }
    made.group_ = share.cgroup / name;
    if (::mkdir(made.group_.c_str(), 0755) != 0 && errno != EEXIST) {
        return core::fail_errno("make " + made.group_.string(), errno);
    }
    TRY(set(made.group_ / "memory.max", std::to_string(share.memory_bytes)));
    // Half of a job is no use to anybody, and swap would only make the end slow. Kernels without
    // swap or older than 4.19 have one or the other not.
    (void)set(made.group_ / "memory.oom.group", "1");
    (void)set(made.group_ / "memory.swap.max", "0");
    const auto file = made.group_ / "cgroup.procs";
    made.processes_ = core::Fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!made.processes_) {
        return core::fail_errno("open " + file.string(), errno);
    }
    return made;
}

int Confinement::enter() const {
    if (processes_ && ::write(processes_.get(), "0", 1) != 1) {  // 0: whoever writes
        return errno;
    }
    if (share_.memory_bytes > 0 && group_.empty()) {
        if (const int code = limit_data(share_.memory_bytes); code != 0) {
            return code;
        }
    }
    return share_.cores.empty() ? 0 : limit_cores(share_.cores);
}

bool Confinement::ran_out_of_memory() const {
    if (group_.empty()) {
        return false;
    }
    const auto events = core::read_file(group_ / "memory.events", 4096);
    for (const auto& line : core::split(events.value_or(""), '\n')) {
        const auto words = core::split(line, ' ');
        if (words.size() == 2 && words[0] == "oom_kill") {
            return words[1] != "0";
        }
    }
    return false;
}

void Confinement::remove() const {
    if (!group_.empty()) {
        (void)::rmdir(group_.c_str());  // refused while something is in it
    }
}

std::string group_name(const Token& token, std::int64_t epoch, pid_t wrapper) {
    return fmt::format("{}.{}.{}", token.value, epoch, wrapper);
}

}  // namespace sust::cluster
