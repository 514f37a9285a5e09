#include "core/fd.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace sust::core {

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        reset();
        fd_ = other.release();
    }
    return *this;
}

void Fd::reset() {
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));
    }
}

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail_errno("make a pipe", errno);
    }
    return Pipe{.read = Fd(ends[0]), .write = Fd(ends[1])};
}

}  // namespace sust::core
