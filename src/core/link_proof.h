#pragma once

// Two programs that hold one key prove it to each other over a connection, and neither sends it.
// docs/protocol/relay.md has the three lines; each has a fixed length, so nothing is read too far.
// Used by the relay on a node, by gateways and by probes; any thread.

#include <string>
#include <string_view>

#include "core/secret.h"

namespace sust::core {

inline constexpr std::size_t k_link_hello_bytes = 78;
inline constexpr std::size_t k_link_claim_bytes = 130;
inline constexpr std::size_t k_link_grant_bytes = 65;

// The key of one link, made from a secret that both sides know, or one of them and a file.
Secret link_key(const Secret& secret, std::string_view link);

// Of one connection, where it was accepted.
class LinkServer {
  public:
    LinkServer();
    // The first line, sent at once.
    std::string hello() const;
    // The line that answers a right claim. denied: the other side does not have the key.
    Result<std::string> grant(std::string_view claim, const Secret& key) const;

  private:
    std::string nonce_;
};

// Of one connection, where it was made.
class LinkClient {
  public:
    // unavailable: it is no relay that says hello.
    static Result<LinkClient> answer(std::string_view hello, const Secret& key);
    const std::string& claim() const { return claim_; }
    // denied: whoever listens there does not have the key, and gets nothing.
    Result<void> check(std::string_view grant) const;

  private:
    std::string claim_;
    std::string expected_;
};

}  // namespace sust::core
