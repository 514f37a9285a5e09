#pragma once

// The place of exit.json, taken before the job starts, so that a full disk at its end does not
// cost the word that matters most.

#include <sys/resource.h>

#include "cluster/words.h"
#include "core/fd.h"

namespace sust::cluster {

// What the kernel says of the command's end: wait(2)'s status, and what it used.
ExitWord word_of_end(const AttemptWord& attempt, int wait_status, const rusage& usage);

class ExitSlip {
  public:
    // Writes k_word_bytes_max bytes to exit.json.reserved; exhausted if the disk is full now.
    static Result<ExitSlip> reserve(const AttemptFiles& files);

    // Fills the slip and renames it to exit.json. Trouble is tried again for a minute, unless the
    // directory is gone.
    Result<void> hand_in(const ExitWord& word, const core::Clock& clock);

  private:
    ExitSlip(AttemptFiles files, core::Fd fd) : files_(std::move(files)), fd_(std::move(fd)) {}
    Result<void> try_hand_in(const std::string& text);

    AttemptFiles files_;
    core::Fd fd_;
};

}  // namespace sust::cluster
