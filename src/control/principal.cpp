#include "control/principal.h"

namespace sust::control {

core::Result<Principal> authenticate(const core::http::Peer& peer, uid_t owner) {
    if (peer.uid == 0 || peer.uid == static_cast<std::int64_t>(owner)) {
        return Principal{.uid = static_cast<uid_t>(peer.uid)};
    }
    return core::fail(core::Fault::denied, "this installation belongs to another user",
                      {.hint = "run your own: sust up"});
}

}  // namespace sust::control
