#include "cluster/pod_carrier.h"

#include <csignal>

#include <fcntl.h>
#include <unistd.h>

#include "cluster/fence.h"
#include "core/fd.h"
#include "core/text.h"

namespace sust::cluster {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t k_wish_bytes_max = 4 << 10;
constexpr int k_status_none = 125;  // the first run left no word
constexpr std::size_t k_agent_bytes_max = 256 << 20;

}  // namespace

Result<void> PodCarrier::unpack(const Path& job_directory, std::int64_t epoch,
                                const core::Clock& clock) const {
    const JobFiles files{job_directory};
    if (core::path_exists(files.job())) {
        return {};
    }
    const auto text = TRY(core::read_file(JobFiles{folder_ / "job"}.job(), k_job_bytes_max));
    TRY(core::make_directories(job_directory, 0700));
    TRY(raise_fence(job_directory, epoch, core::Deadline(clock, 2s)));
    return core::write_file(files.job(), text, 0600);
}

bool PodCarrier::is_cancelled() const {
    const auto wish = core::read_file(folder_ / "wishes/cancel", k_wish_bytes_max);
    return wish && !wish->empty();
}

void PodCarrier::bring_cancel(const AttemptFiles& files) const {
    if (is_cancelled()) {
        const core::Fd mark(::open(files.cancel().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
}

std::string PodCarrier::head() const {
    const auto wish = core::read_file(folder_ / "wishes/head", k_wish_bytes_max);
    return wish ? std::string(core::trim(*wish)) : "";
}

// The kubelet made the file; it is a mount, so nothing can be renamed over it.
Result<void> PodCarrier::hand_over(const ExitWord& word) const {
    const core::Fd file(::open(message_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    if (!file) {
        return core::fail_errno("open " + message_.string(), errno);
    }
    return core::within("write " + message_.string(), core::write_all(file.get(), exit_text(word)));
}

// Not for ever again: a container that ended at once would be started again at once, and what its
// first end said would be lost.
Result<int> PodCarrier::stay(const AttemptFiles& files, const Token& token, std::int64_t epoch,
                             SignalSource& signals) const {
    const auto word = TRY(read_exit(files, token, epoch));
    if (word) {
        TRY(hand_over(*word));
    }
    while (!is_cancelled()) {
        const auto signal = signals.next(1s);
        if (signal && (*signal == SIGTERM || *signal == SIGINT)) {
            break;
        }
    }
    return word ? word->status : k_status_none;
}

Result<void> bring_agent(const Path& folder) {
    const auto program = TRY(core::read_file("/proc/self/exe", k_agent_bytes_max));
    TRY(core::make_directories(folder / "bin", 0755));
    return core::write_file(folder / "bin/sust-agent", program, 0755);
}

}  // namespace sust::cluster
