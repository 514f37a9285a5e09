#pragma once

// What an attempt has of its machine, in words: `share.json` for its wrapper, and for jobs of other
// users a file outside their directories, which they cannot change (docs/protocol/job.md).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cluster/job.h"

namespace sust::cluster {

// Where a back end counts that; absent: whatever is there.
struct Share {
    std::vector<int> cores;          // empty: all that the wrapper may use
    std::uint64_t memory_bytes = 0;  // 0: no limit
    std::vector<int> gpus;           // empty: nobody says which
    Path cgroup;  // where the wrapper makes a group for the limit of memory; empty: it makes none
    bool operator==(const Share&) const = default;
};

struct Amount {
    int cores = 0;
    std::uint64_t memory_bytes = 0;
    int gpus = 0;
    bool operator==(const Amount&) const = default;
};

struct Claim {
    Token token;
    Amount need;
    int priority = 0;
    std::int64_t order = 0;  // of submission: the smaller is sooner
    Duration longest{};      // from its start to its end at the latest
    bool operator==(const Claim&) const = default;
};

// What was claimed when the job was submitted, and what its attempt got and when.
struct ClaimWord {
    Claim claim;
    std::int64_t epoch = 0;  // of the attempt
    std::optional<Share> share{};
    core::WallTime given{};  // with a share
};

// As words.h has it: an absent file is a value, invalid: it is there and cannot be believed.
Result<std::optional<Share>> read_share(const Path& file);
Result<std::optional<ClaimWord>> read_claim(const Path& file, const Token& token);
std::string share_text(const Share& word);
std::string claim_text(const ClaimWord& word);

}  // namespace sust::cluster
