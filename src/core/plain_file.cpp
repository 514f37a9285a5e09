#include "core/plain_file.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sust::core {

Result<std::optional<std::string>> read_plain_file_if_any(const Path& path, std::size_t max_bytes) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    if (!fd) {
        const int code = errno;
        if (code == ENOENT) {
            return std::optional<std::string>();
        }
        return code == ELOOP ? fail(Fault::invalid, path.string() + " is a link")
                             : fail_errno("open " + path.string(), code);
    }
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
        return fail(Fault::invalid, path.string() + " is no plain file");
    }
    std::string bytes;
    constexpr std::size_t k_piece = 64 << 10;
    while (bytes.size() <= max_bytes) {
        const auto before = bytes.size();
        bytes.resize(before + std::min(k_piece, max_bytes + 1 - before));
        const auto got = ::read(fd.get(), bytes.data() + before, bytes.size() - before);
        const int code = errno;
        bytes.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
        if (got < 0 && code != EINTR) {
            return fail_errno("read " + path.string(), code);
        }
        if (got == 0) {
            return std::optional<std::string>(std::move(bytes));
        }
    }
    return fail(Fault::too_large, fmt::format("{} is over {} bytes", path.string(), max_bytes));
}

}  // namespace sust::core
