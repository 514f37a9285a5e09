#pragma once

// The calls that a site was given, one line each, in the order in which they happened. The engine
// is deterministic, so that playing them again is the state of the site.

#include <functional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/fd.h"
#include "core/file.h"

namespace sust::cluster::simulated {

// What a journal is for; it is refused for anything else.
struct JournalHead {
    std::string model;        // the digest of SITE.toml
    core::WallTime origin{};  // when the site began
};

struct Call {
    core::Duration at{};  // of the site
    std::string what;     // "submit"
    std::string words;    // JSON, whose meaning `what` decides
};

class Journal {
  public:
    // Creates it with `head`, or reads it: `head.origin` is that of the file then, and `replay` is
    // called with every call. A last line that was cut off is removed. conflict: another process
    // has it open, or it is of another SITE.toml.
    static core::Result<Journal> open(const core::Path& path, JournalHead& head,
                                      const std::function<core::Result<void>(const Call&)>& replay);

    // exhausted: it has grown to its limit, and the site takes no further call.
    core::Result<void> add(const Call& call);

  private:
    Journal(core::Fd fd, std::uint64_t size) : fd_(std::move(fd)), size_(size) {}
    core::Fd fd_;
    std::uint64_t size_;
};

inline constexpr std::uint64_t k_journal_bytes_max = 256 << 20;  // about 300,000 jobs
inline constexpr std::size_t k_call_bytes_max = 1 << 20;

}  // namespace sust::cluster::simulated
