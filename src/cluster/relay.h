#pragma once

// `sust-agent relay`: on the node of a replica, lets those who have its key reach the engine's Unix
// socket over TCP. docs/protocol/relay.md. The engine listens nowhere else, and the port is the
// kernel's choice, so two replicas on a node never meet.

#include <string>
#include <vector>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"

namespace sust::cluster {

struct RelayOptions {
    core::Path socket;         // of the engine
    core::Path key_file;       // read once
    core::Path endpoint_file;  // where it listens is told here, once it does; empty: nowhere
    std::string network;       // the address is one of this (CIDR); empty: the first that is global
    std::uint16_t port = 0;    // 0: chosen by the kernel
    std::vector<std::string> argv;  // the engine
};

// Makes the socket's folder, listens, runs the command, and ends with it. The exit status is the
// command's; 125: nothing was started, and a line on standard error says why.
int run_relay(const RelayOptions& options, const core::Clock& clock, const core::Log& log);

// endpoint.json of an attempt.
struct Endpoint {
    std::string host;
    std::uint16_t port = 0;
};
inline constexpr const char* k_endpoint_file = "endpoint.json";
std::string encode(const Endpoint& endpoint);
core::Result<Endpoint> decode_endpoint(std::string_view text);

// invalid: it is no network such as 10.1.0.0/16.
core::Result<void> check_network(std::string_view network);
// The literal address of this machine that others reach: of `network` if that is said, else the
// first global one, else loopback. invalid: no address of ours is in the network.
core::Result<std::string> reachable_address(std::string_view network);

}  // namespace sust::cluster
