#pragma once

// The files of a job's directory, which carry what the wrapper and the scheduler say to each
// other. docs/protocol/job.md is the contract: fields, and what a reader may conclude from them.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cluster/job.h"

namespace sust::cluster {

// Limits of what a reader accepts.
inline constexpr std::size_t k_job_bytes_max = 2 << 20;   // JSON of the largest specification
inline constexpr std::size_t k_word_bytes_max = 4 << 10;  // a termination message of Kubernetes
inline constexpr std::uint64_t k_log_bytes = 64 << 20;    // kept of each stream

// jobs/<token>/<epoch>/
struct AttemptFiles {
    Path path;

    Path attempt() const { return path / "attempt.json"; }
    Path exit() const { return path / "exit.json"; }
    Path reserve() const { return path / "exit.json.reserved"; }
    Path verdict() const { return path / "verdict.json"; }
    Path cancel() const { return path / "cancel"; }      // empty: its being there is the word
    Path stopping() const { return path / "stopping"; }  // empty likewise
    Path heartbeat() const { return path / "heartbeat"; }
    Path share() const { return path / "share.json"; }
    Path cannot_start() const { return path / "cannot_start"; }  // a launcher's: no task ran
    Path failed() const { return path / "failed"; }     // by a launcher: the first task that failed
    Path native() const { return path / "native_id"; }  // what the scheduler calls it
    Path orders() const { return path / "orders.json"; }
    Path lock() const { return path / "lock"; }
    Path out() const { return path / "stdout"; }
    Path err() const { return path / "stderr"; }
    Path wrapper_log() const { return path / "wrapper.log"; }
};

// jobs/<token>/
struct JobFiles {
    Path path;

    Path job() const { return path / "job.json"; }
    AttemptFiles attempt(std::int64_t epoch) const { return {path / std::to_string(epoch)}; }
};

struct JobWord {
    JobSpec spec;
    std::uint64_t log_bytes = k_log_bytes;
    std::vector<std::string> launcher{};  // put before the command; empty: it is started as it is
};

struct AttemptWord {
    Token token;
    std::int64_t epoch = 0;
    std::string host;
    core::ProcessId wrapper;
    core::ProcessId child;  // leader of the job's session and process group
    core::WallTime started{};
};

// stopped: by a signal to the wrapper, of which the scheduler may know more.
enum class ExitReason {
    exited,
    signalled,
    time_limit,
    cancelled,
    fenced,
    cannot_start,
    stopped,
    out_of_memory
};
std::string_view to_string(ExitReason reason);

struct ExitWord {
    Token token;
    std::int64_t epoch = 0;
    int status = 0;  // as a shell tells it
    int signal = 0;  // 0: none
    ExitReason reason = ExitReason::exited;
    std::string detail;
    core::WallTime started{};
    core::WallTime finished{};
    std::uint64_t max_rss_bytes = 0;
    double cpu_seconds = 0;
    int leftovers = 0;  // processes that even SIGKILL did not end in time
};

// Of several tasks that failed on several nodes, the one that comes first is told; a scheduler's
// starter knows only the largest status.
struct FailedWord {
    int status = 0;
    int signal = 0;  // 0: none
};

// The scheduler's own word about an attempt whose wrapper says nothing.
struct VerdictWord {
    End end = End::vanished;
    std::string reason;
    core::WallTime time{};
};

// Reading: an absent file is a value. `invalid` means that the file is there and cannot be
// believed (not JSON, another token or epoch, a format of another version); every other fault is
// trouble of the carrier, which may pass.
Result<std::optional<JobWord>> read_job(const JobFiles& files);
Result<std::optional<AttemptWord>> read_attempt(const AttemptFiles& files, const Token& token,
                                                std::int64_t epoch);
Result<std::optional<ExitWord>> read_exit(const AttemptFiles& files, const Token& token,
                                          std::int64_t epoch);
// The text of exit.json, as a carrier other than the directory brought it.
Result<ExitWord> parse_exit(std::string_view text, const Token& token, std::int64_t epoch);
Result<std::optional<VerdictWord>> read_verdict(const AttemptFiles& files);
Result<std::optional<FailedWord>> read_failed(const AttemptFiles& files);
// Later ones change nothing.
Result<void> write_failed_once(const AttemptFiles& files, const FailedWord& word);
Result<std::optional<Orders>> read_orders(const AttemptFiles& files);

std::string job_text(const JobWord& word);
std::string attempt_text(const AttemptWord& word);
std::string exit_text(const ExitWord& word);  // at most k_word_bytes_max
std::string verdict_text(const VerdictWord& word);
std::string orders_text(const Orders& word);

}  // namespace sust::cluster
