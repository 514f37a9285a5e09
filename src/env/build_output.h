#pragma once

// What mmdebstrap, apt and mksquashfs say, read as progress and as reasons.

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "env/build_file.h"

namespace sust::env {

struct BuildProgress {
    std::string phase;
    double seconds = 0;  // since the build began
};
using OnProgress = std::function<void(const BuildProgress&)>;  // at least once per second

// Reads the standard error of the programs until all of them have closed it. One thread.
class BuildListener {
  public:
    BuildListener(const OnProgress& progress, const std::function<bool()>& cancelled,
                  const core::Clock& clock)
        : progress_(progress), cancelled_(cancelled), clock_(clock), began_(clock.monotonic()) {}

    // unavailable: cancelled; timeout: the deadline passed.
    core::Result<void> listen(int fd, const core::Deadline& deadline);
    // The last lines that are not progress.
    std::vector<std::string> lines() const { return {lines_.begin(), lines_.end()}; }

  private:
    void take_lines(std::string& rest);
    void take_line(std::string_view line);
    void report();

    const OnProgress& progress_;
    const std::function<bool()>& cancelled_;
    const core::Clock& clock_;
    core::MonoTime began_;
    std::optional<core::MonoTime> last_report_;
    std::string phase_ = "starting";
    std::deque<std::string> lines_;
};

// What they said before they gave up, as an error that names the mirror, the package or the file,
// and the next step.
core::Error explain_failure(const std::vector<std::string>& lines, const BuildFile& file,
                            const std::string& mirror);

}  // namespace sust::env
