#pragma once

// Processes that we start, and how we know them again.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>
#include <sys/types.h>

#include "core/clock.h"
#include "core/fd.h"
#include "core/file.h"
#include "core/identity.h"
#include "core/result.h"

namespace sust::core {

using Environment = std::map<std::string, std::string>;

// Boot id, pid and start time (clock ticks since boot, /proc/PID/stat field 22) together: neither
// a reused pid nor a reboot makes a stranger ours, or ours lost.
struct ProcessId {
    std::string boot_id;
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;

    bool operator==(const ProcessId&) const = default;
};

void to_json(nlohmann::json& json, const ProcessId& id);
Result<ProcessId> process_id_from_json(const nlohmann::json& json);

// not_found if there is no such process (a zombie counts as gone).
Result<ProcessId> identify(pid_t pid);
Result<std::string> boot_id();
bool alive(const ProcessId& id);
// Sends through a pidfd after the identity was checked; false if the process is gone.
Result<bool> send_signal(const ProcessId& id, int signal);
// Readable when the process ends; works for processes that are not our children. Absent: gone.
Result<std::optional<Fd>> open_pidfd(const ProcessId& id);

// The command sees descriptors 0 to 2 and no other.
struct Command {
    std::vector<std::string> argv;             // argv[0] is looked up in PATH unless it has a '/'
    std::optional<Environment> environment{};  // absent: that of this process
    Path workdir{};                            // empty: that of this process
    int in = -1, out = -1, err = -1;           // -1: /dev/null for in, inherited for out and err
    bool new_session = false;                  // setsid(): its own session and process group
    bool die_with_parent = false;              // PR_SET_PDEATHSIG(SIGKILL)
    std::optional<Identity> identity{};        // whom it runs as; needs root
};

// A child of this process. Must be waited for; the destructor kills and reaps what still runs.
class Child {
  public:
    static Result<Child> spawn(const Command& command);
    Child(Child&& other) noexcept;
    Child& operator=(Child&& other) noexcept;
    ~Child();

    pid_t pid() const { return pid_; }
    int pidfd() const { return pidfd_.get(); }
    // Exit status as a shell tells it: the code, or 128 + signal. Nothing if the deadline passes.
    Result<std::optional<int>> wait(const Deadline& deadline);
    Result<void> signal(int signal);
    // From here on the caller reaps the process, or leaves it running on its own.
    void detach();

  private:
    Child(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
    pid_t pid_ = -1;
    Fd pidfd_;
};

struct Output {
    int status = 0;  // as Child::wait
    std::string out;
    std::string err;
};

// Runs to the end and collects what it printed, at most `max_bytes` of each stream (the rest is
// read and dropped). Past the deadline the process is killed and the result is a timeout.
Result<Output> run(Command command, const Deadline& deadline, std::size_t max_bytes = 1 << 20);

}  // namespace sust::core
