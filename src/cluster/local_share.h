#pragma once

// What one job of this machine has of it, and its place in line. Both are on disk before the
// wrapper starts and are found again by the next controller. Of another user's job they stand
// outside its directory, too, and that copy is believed: what the user writes into the directory
// later moves nobody in line, and frees or keeps nothing. On the control loop's thread.

#include <optional>
#include <string>

#include "cluster/book.h"
#include "cluster/local_context.h"

namespace sust::cluster {

class LocalShare {
  public:
    LocalShare(const BookedJob& job, LocalContext& context) : job_(job), context_(context) {}
    ~LocalShare();
    LocalShare(const LocalShare&) = delete;
    LocalShare& operator=(const LocalShare&) = delete;

    // What an earlier controller knew, before anybody is given anything. Repeated until it can be
    // read; until then nothing is given.
    void recall();
    // Nothing: it has one. Otherwise what it waits for.
    std::optional<std::string> take();
    // It has ended, or begins anew: `wrapper` is that of an attempt that may have left its group.
    void give_back(const std::optional<AttemptWord>& attempt);
    void renew();
    // Another user's wrapper should have ended long ago, whatever is said in its directory.
    bool is_overdue() const;

  private:
    Claim claim_of_words() const;
    Path file() const;
    Result<core::ActAs> act_as_ourselves() const;
    Result<void> recall_own();
    Result<void> recall_from_others();
    Result<void> keep(const Share& share);
    Result<void> keep_claim() const;
    core::MonoTime longest_until() const;

    const BookedJob& job_;
    LocalContext& context_;
    bool recalled_ = false;
    std::optional<Share> share_;
    // Of another user's job: as it was when it was submitted, and when the share was given.
    std::optional<Claim> claim_;
    core::WallTime given_{};
};

}  // namespace sust::cluster
