#pragma once

// What the wrapper has inside a pod in place of a directory that both sides see
// (docs/protocol/job.md, Carriers): job.json in a mounted Secret, wishes in annotations that the
// kubelet writes into files, and the termination message for its last word.

#include "cluster/signals.h"
#include "cluster/words.h"

namespace sust::cluster {

class PodCarrier {
  public:
    // `folder` is /sust of the pod: bin/, job/job.json and wishes/{cancel,head}.
    explicit PodCarrier(Path folder, Path message = "/dev/termination-log")
        : folder_(std::move(folder)), message_(std::move(message)) {}

    // Makes the directory that the rest of the wrapper works in, from job.json of the Secret.
    Result<void> unpack(const Path& job_directory, std::int64_t epoch,
                        const core::Clock& clock) const;
    // A wish to end becomes the file that the wrapper looks for.
    void bring_cancel(const AttemptFiles& files) const;
    // The address of the first node, said once all pods of the job are there; else empty.
    std::string head() const;
    // The last word, where the kubelet reads it.
    Result<void> hand_over(const ExitWord& word) const;
    // Of an attempt that had its run in this pod before its container was started again: says its
    // last word again, if there was one, and waits until the pod is told to end. The status to
    // exit with.
    Result<int> stay(const AttemptFiles& files, const Token& token, std::int64_t epoch,
                     SignalSource& signals) const;

  private:
    bool is_cancelled() const;

    Path folder_;
    Path message_;
};

// Puts this program into `folder`/bin, for a container whose image does not have it.
Result<void> bring_agent(const Path& folder);

}  // namespace sust::cluster
