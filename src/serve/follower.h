#pragma once

// Keeps a gateway's threads on the newest fleet map (docs/protocol/fleet.md). Has one thread.

#include <memory>

#include "core/file.h"
#include "serve/worker.h"

namespace sust::serve {

class Follower {
  public:
    // Every worker has `view` already.
    Follower(Shared& shared, std::shared_ptr<const View> view, std::string gateway,
             core::Path api_socket, core::Path fleet_file);
    ~Follower();  // stops at once

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sust::serve
