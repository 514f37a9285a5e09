#pragma once

// A file that grows to a size, is renamed to FILE.1 (and that to FILE.2, ...), and starts again.

#include <cstdint>
#include <mutex>
#include <string_view>

#include "core/fd.h"
#include "core/file.h"

namespace sust::core {

// Safe from every thread of one process; one process writes one file.
class RotatingFile {
  public:
    RotatingFile(Path path, std::uint64_t max_bytes, int kept);
    // A piece is never split over two files. Trouble is swallowed: a log must not stop its writer.
    void write(std::string_view piece);

  private:
    void open();
    void rotate();

    Path path_;
    std::uint64_t max_bytes_;
    int kept_;
    std::mutex mutex_;
    Fd fd_;
    std::uint64_t size_ = 0;
};

}  // namespace sust::core
