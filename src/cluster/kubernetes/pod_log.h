#pragma once

// What a pod has printed, kept in a file of this machine, because it is gone with the pod.

#include "cluster/kubernetes/client.h"
#include "core/log.h"

namespace sust::cluster::kubernetes {

// Appends what the log at `path` has beyond what `file` holds; of the file at most `max_bytes` are
// kept, cut in front as a hole. A pod that has printed nothing yet, or is gone, adds nothing.
// On the thread of the client; others may read the file meanwhile.
enum class Run { newest, before };  // of a container that may have been started again
Result<void> bring_log(Client& client, const std::string& path, const Path& file,
                       std::uint64_t max_bytes, const core::Log& log, Run run = Run::newest);

// Of a log that is `text` now, and of which `kept` bytes are there that end with `tail`: where the
// rest begins. A log that was rotated does not begin where it did.
std::size_t where_it_goes_on(std::string_view text, std::uint64_t kept, std::string_view tail);

// Where a log is asked for, and the file that has it here.
struct LogSource {
    std::string path;
    Path file;
    bool restarts = false;  // its container is started again, and what it said is the run before's
};
// The last lines of pods that have ended, tried a few times; what is lost is told in the log.
void bring_last_lines(Client& client, const std::vector<LogSource>& sources, std::size_t max,
                      const core::Log& log);

}  // namespace sust::cluster::kubernetes
