#include "core/link_proof.h"

#include "core/hash.h"
#include "core/text.h"

namespace sust::core {

namespace {

constexpr std::string_view k_greeting = "sust-relay/1 ";
constexpr std::size_t k_nonce_bytes = 32;
constexpr std::size_t k_hex_bytes = 2 * k_nonce_bytes;

static_assert(k_link_hello_bytes == k_greeting.size() + k_hex_bytes + 1);
static_assert(k_link_claim_bytes == 2 * k_hex_bytes + 2);
static_assert(k_link_grant_bytes == k_hex_bytes + 1);

// Hex, because a hash of random bytes is as random.
std::string make_nonce() {
    return sha256_hex(random_bytes(k_nonce_bytes));
}

// Which side speaks is part of what is proved: a claim sent back is no grant.
std::string proof(std::string_view side, std::string_view server_nonce,
                  std::string_view client_nonce, const Secret& key) {
    return hmac_sha256_hex(
        key, std::string(side) + " " + std::string(server_nonce) + " " + std::string(client_nonce));
}

}  // namespace

Secret link_key(const Secret& secret, std::string_view link) {
    return Secret(hmac_sha256_hex(secret, "link " + std::string(link)));
}

LinkServer::LinkServer() : nonce_(make_nonce()) {}

std::string LinkServer::hello() const {
    return std::string(k_greeting) + nonce_ + "\n";
}

Result<std::string> LinkServer::grant(std::string_view claim, const Secret& key) const {
    const bool shaped =
        claim.size() == k_link_claim_bytes && claim[k_hex_bytes] == ' ' && claim.back() == '\n';
    const auto nonce = claim.substr(0, k_hex_bytes);
    if (!shaped || !equal_constant_time(claim.substr(k_hex_bytes + 1, k_hex_bytes),
                                        proof("client", nonce_, nonce, key))) {
        return fail(Fault::denied, "a connection did not prove that it has the key");
    }
    return proof("server", nonce_, nonce, key) + "\n";
}

Result<LinkClient> LinkClient::answer(std::string_view hello, const Secret& key) {
    if (hello.size() != k_link_hello_bytes || !hello.starts_with(k_greeting) ||
        hello.back() != '\n') {
        return fail(Fault::unavailable, "it is no relay of ours that answers: " +
                                            printable(trim(hello), k_link_hello_bytes));
    }
    const auto server_nonce = hello.substr(k_greeting.size(), k_hex_bytes);
    const auto nonce = make_nonce();
    LinkClient client;
    client.claim_ = nonce + " " + proof("client", server_nonce, nonce, key) + "\n";
    client.expected_ = proof("server", server_nonce, nonce, key) + "\n";
    return client;
}

Result<void> LinkClient::check(std::string_view grant) const {
    if (!equal_constant_time(grant, expected_)) {
        return fail(Fault::denied, "whoever listens there does not have the key of the link");
    }
    return {};
}

}  // namespace sust::core
