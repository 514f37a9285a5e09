#include "cluster/notice.h"

#include <charconv>
#include <csignal>

#include <fmt/format.h>

#include "cluster/processes.h"
#include "core/file.h"
#include "core/text.h"

namespace sust::cluster {

namespace {

// A line "SigCgt:\t00000000..." of /proc/PID/status has the bit of the signal.
bool has_bit(std::string_view status, std::string_view name, int signal) {
    const auto begin = status.find(name);
    if (begin == std::string_view::npos) {
        return false;
    }
    const auto line = status.substr(begin, status.find('\n', begin) - begin);
    const auto digits = core::trim(line.substr(name.size()));
    std::uint64_t mask = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), mask, 16);
    return (mask >> (signal - 1) & 1) != 0;
}

bool listens(pid_t pid) {
    const auto status = core::read_file(fmt::format("/proc/{}/status", pid), 64 << 10);
    return status && (has_bit(*status, "SigCgt:", SIGUSR1) || has_bit(*status, "SigBlk:", SIGUSR1));
}

}  // namespace

void give_notice(pid_t ancestor) {
    const auto all = list_processes();
    if (!all) {
        return;
    }
    for (const auto& process : descendants_of(ancestor, *all)) {
        if (listens(process.pid)) {
            (void)core::send_signal(process, SIGUSR1);
        }
    }
}

}  // namespace sust::cluster
