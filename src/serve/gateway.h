#pragma once

// A gateway: clients on one side, engines on the other, usage on disk. It starts from the fleet
// map that it kept, follows sustd's when there is one, and needs nobody to go on.

#include <cstdint>
#include <memory>
#include <string>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/result.h"
#include "core/secret.h"

namespace sust::serve {

struct GatewayOptions {
    std::string id;  // names its ledger files, and itself to sustd
    std::string address = "127.0.0.1";
    std::uint16_t port = 8080;  // 0: chosen by the kernel
    unsigned threads = 1;
    core::Path api_socket;  // of sustd
    core::Path fleet_file;  // the map as it was last known; 0600, it holds the keys' HMACs
    core::Path ledger_directory;
    core::Duration drain = std::chrono::seconds(20);  // for requests at work when it is stopped
};

class Gateway {
  public:
    // Listens and serves when it returns. conflict: the port is in use; invalid: an address that
    // is not a loopback address.
    static core::Result<std::unique_ptr<Gateway>> start(const core::Clock& clock, core::Log log,
                                                        core::Secret server_secret,
                                                        GatewayOptions options);
    // Accepts no more, lets requests finish until the drain time is over, ends the rest.
    ~Gateway();

    std::uint16_t port() const;

  private:
    struct Impl;
    explicit Gateway(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace sust::serve
