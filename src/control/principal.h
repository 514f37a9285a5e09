#pragma once

// Who asks. The one place where a caller of the control API is checked.

#include <sys/types.h>

#include "core/http_server.h"
#include "core/result.h"

namespace sust::control {

struct Principal {
    uid_t uid = 0;
};

// The owner of this installation and root; everybody else is denied.
core::Result<Principal> authenticate(const core::http::Peer& peer, uid_t owner);

}  // namespace sust::control
