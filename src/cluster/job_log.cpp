#include "cluster/job_log.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sust::cluster {

Result<JobLog> JobLog::open(const Path& path, std::uint64_t max_bytes) {
    core::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!fd) {
        return core::fail_errno("open " + path.string(), errno);
    }
    return JobLog(std::move(fd), max_bytes);
}

void JobLog::bound(const core::Log& log) {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) {
        return;
    }
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (size < cut_) {
        cut_ = 0;  // the job truncated its own log
    }
    if (size - cut_ <= max_bytes_ + max_bytes_ / 4) {
        return;
    }
    constexpr std::uint64_t k_block = 4096;  // a part of a block would become zeros, not a hole
    const auto until = (size - max_bytes_) / k_block * k_block;
    if (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                    static_cast<off_t>(until)) == 0) {
        cut_ = until;
        return;
    }
    // A file system without holes: starting again is the only bound left.
    log.warn("the log of the job was cut to nothing: this file system has no holes");
    (void)!::ftruncate(fd_.get(), 0);
}

Result<LogChunk> read_job_log(const Path& path, std::uint64_t offset, std::size_t max_bytes) {
    // Whoever runs the job may have put a link or a pipe in its place.
    core::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    if (!fd) {
        return errno == ENOENT ? Result<LogChunk>(LogChunk{})
                               : core::fail_errno("open " + path.string(), errno);
    }
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
        return core::fail(core::Fault::invalid, path.string() + " is no plain file");
    }
    const auto size = static_cast<std::uint64_t>(info.st_size);
    LogChunk chunk{.end = size};
    auto from = offset > size ? 0 : offset;  // it was cut to nothing: read what is there now
    // ENXIO: no data after `from`; other errors: a file system that knows no holes.
    if (const auto data = ::lseek(fd.get(), static_cast<off_t>(from), SEEK_DATA); data >= 0) {
        from = static_cast<std::uint64_t>(data);
    }
    chunk.bytes.resize(std::min<std::uint64_t>(max_bytes, size - std::min(from, size)));
    const auto got =
        ::pread(fd.get(), chunk.bytes.data(), chunk.bytes.size(), static_cast<off_t>(from));
    if (got < 0) {
        return core::fail_errno("read " + path.string(), errno);
    }
    chunk.bytes.resize(static_cast<std::size_t>(got));
    chunk.next_offset = from + chunk.bytes.size();
    return chunk;
}

}  // namespace sust::cluster
