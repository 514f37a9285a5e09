#include "core/rotating_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sust::core {

RotatingFile::RotatingFile(Path path, std::uint64_t max_bytes, int kept)
    : path_(std::move(path)), max_bytes_(max_bytes), kept_(kept) {
    open();
}

void RotatingFile::open() {
    fd_ = Fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    struct stat info {};
    size_ = fd_ && ::fstat(fd_.get(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

void RotatingFile::rotate() {
    const auto numbered = [&](int n) { return path_.string() + "." + std::to_string(n); };
    for (int n = kept_ - 1; n >= 1; --n) {
        ::rename(numbered(n).c_str(), numbered(n + 1).c_str());
    }
    ::rename(path_.c_str(), numbered(1).c_str());
    open();
}

void RotatingFile::write(std::string_view piece) {
    const std::lock_guard lock(mutex_);
    if (size_ > 0 && size_ + piece.size() > max_bytes_) {
        rotate();
    }
    if (fd_ && write_all(fd_.get(), piece)) {
        size_ += piece.size();
    }
}

}  // namespace sust::core
