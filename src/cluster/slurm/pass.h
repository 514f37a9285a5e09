#pragma once

// The token (JWT) that slurmrestd is shown, from a file that others cannot read.

#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/file.h"
#include "core/secret.h"

namespace sust::cluster::slurm {

using core::Path;
using core::Result;

struct Pass {
    core::Secret text;
    std::string user;                       // whose it says it is; empty: it says nothing
    std::optional<core::WallTime> expires;  // as it says
};

// What `scontrol token` prints, or the token alone. denied: others may read the file.
Result<Pass> read_token(const Path& file);
// Any text; invalid where it is no token.
Result<Pass> parse_token(std::string_view text);

}  // namespace sust::cluster::slurm
