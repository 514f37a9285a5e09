#include "cluster/signals.h"

#include <algorithm>
#include <csignal>

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace sust::cluster {

core::Result<SignalSource> SignalSource::open() {
    sigset_t wanted;
    ::sigemptyset(&wanted);
    for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM,
                             SIGWINCH, SIGCONT}) {
        ::sigaddset(&wanted, signal);
        // An ignored signal never reaches the descriptor, and ignored children cannot be waited
        // for; whoever started us may have left either.
        ::signal(signal, SIG_DFL);
    }
    ::signal(SIGPIPE, SIG_IGN);
    ::sigprocmask(SIG_SETMASK, &wanted, nullptr);
    core::Fd fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) {
        return core::fail_errno("open a signalfd", errno);
    }
    return SignalSource(std::move(fd));
}

std::optional<int> SignalSource::next(core::Duration wait) {
    constexpr core::Duration k_longest = std::chrono::hours(1);  // fits poll's int
    pollfd ready{fd_.get(), POLLIN, 0};
    ::poll(&ready, 1, static_cast<int>(std::min(wait, k_longest).count()));
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof info) != sizeof info) {
        return std::nullopt;
    }
    return static_cast<int>(info.ssi_signo);
}

}  // namespace sust::cluster
