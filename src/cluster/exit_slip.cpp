#include "cluster/exit_slip.h"

#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sust::cluster {

using namespace std::chrono_literals;

ExitWord word_of_end(const AttemptWord& attempt, int wait_status, const rusage& usage) {
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    const bool killed = WIFSIGNALED(wait_status);
    return {.token = attempt.token,
            .epoch = attempt.epoch,
            .status = killed ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status),
            .signal = killed ? WTERMSIG(wait_status) : 0,
            .reason = killed ? ExitReason::signalled : ExitReason::exited,
            .started = attempt.started,
            .max_rss_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024,
            .cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime)};
}

Result<ExitSlip> ExitSlip::reserve(const AttemptFiles& files) {
    const auto path = files.reserve();
    core::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) {
        return core::fail_errno("create " + path.string(), errno);
    }
    TRY(core::within("reserve " + path.string(),
                     core::write_all(fd.get(), std::string(k_word_bytes_max, ' '))));
    return ExitSlip(files, std::move(fd));
}

Result<void> ExitSlip::hand_in(const ExitWord& word, const core::Clock& clock) {
    constexpr auto k_between = 200ms;
    const core::Deadline deadline(clock, 60s);
    const auto text = exit_text(word);
    while (true) {
        auto written = try_hand_in(text);
        if (written || deadline.passed() || !core::path_exists(files_.path)) {
            return written;
        }
        std::this_thread::sleep_for(k_between);
    }
}

Result<void> ExitSlip::try_hand_in(const std::string& text) {
    const auto size = static_cast<off_t>(text.size());
    if (::pwrite(fd_.get(), text.data(), text.size(), 0) != size ||
        ::ftruncate(fd_.get(), size) != 0 || ::fsync(fd_.get()) != 0) {
        return core::fail_errno("write " + files_.reserve().string(), errno);
    }
    if (::rename(files_.reserve().c_str(), files_.exit().c_str()) != 0) {
        return core::fail_errno("rename to " + files_.exit().string(), errno);
    }
    return core::sync_directory(files_.path);
}

}  // namespace sust::cluster
