#include "cluster/relay_link.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>

#include <poll.h>
#include <sys/socket.h>

#include "core/link_proof.h"
#include "core/listen.h"

namespace sust::cluster {

using core::Deadline;
using core::fail;
using core::Fault;
using core::Result;
using namespace std::chrono_literals;

namespace {

// Somebody who connects and says nothing holds a thread only for so long.
constexpr core::Duration k_proof_within = 5s;
// As gateways: an engine that works on a long prompt says nothing for minutes.
constexpr core::Duration k_stall = 15min;
constexpr core::Duration k_connect_within = 2s;
constexpr core::Duration k_connect_pause = 5ms;
constexpr std::size_t k_piece_bytes = 64 << 10;

// The events of `fd`, or 0 at the deadline.
short wait_for(int fd, short events, const Deadline& deadline) {
    while (true) {
        pollfd entry{.fd = fd, .events = events, .revents = 0};
        const int count = ::poll(&entry, 1, static_cast<int>(deadline.left().count()));
        if (count > 0) {
            return entry.revents;
        }
        if (count == 0 || errno != EINTR) {
            return 0;
        }
    }
}

Result<std::string> read_exactly(int fd, std::size_t count, const Deadline& deadline) {
    std::string bytes;
    while (bytes.size() < count) {
        if (wait_for(fd, POLLIN, deadline) == 0) {
            return fail(Fault::timeout, "a connection did not prove its key in time");
        }
        char piece[256];
        const auto got = ::recv(fd, piece, std::min(sizeof piece, count - bytes.size()), 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            return fail(Fault::unavailable, "a connection ended before it proved its key");
        }
        bytes.append(piece, got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    return bytes;
}

Result<void> send_whole(int fd, std::string_view bytes, const Deadline& deadline) {
    while (!bytes.empty()) {
        if (wait_for(fd, POLLOUT, deadline) == 0) {
            return fail(Fault::timeout, "a connection takes no bytes");
        }
        const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return core::fail_errno("send", errno);
        }
        bytes.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
    }
    return {};
}

Result<void> admit(int peer, const core::Secret& key, const core::Clock& clock) {
    const Deadline deadline(clock, k_proof_within);
    const core::LinkServer server;
    TRY(send_whole(peer, server.hello(), deadline));
    const auto claim = TRY(read_exactly(peer, core::k_link_claim_bytes, deadline));
    return send_whole(peer, TRY(server.grant(claim, key)), deadline);
}

// An engine whose queue is full answers at once instead of letting us wait.
Result<core::Fd> connect_engine(const core::Path& socket, const core::Clock& clock) {
    const Deadline deadline(clock, k_connect_within);
    while (true) {
        auto made = core::connect_unix_socket(socket);
        if (made || made.error().fault != Fault::exhausted || deadline.passed()) {
            return made;
        }
        std::this_thread::sleep_for(k_connect_pause);
    }
}

// Bytes on their way in one direction: read when all of the last piece has been sent.
class Way {
  public:
    Way(int from, int to) : from_(from), to_(to) {}

    // What to wait for, added to the events of the two ends.
    void want(pollfd& from, pollfd& to) const {
        auto& events = left_.empty() ? from.events : to.events;
        events = static_cast<short>(events | (left_.empty() ? POLLIN : POLLOUT));
    }
    // False: one end is gone.
    bool move() {
        if (left_.empty()) {
            const auto got = ::recv(from_, piece_.data(), piece_.size(), 0);
            if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
                return false;
            }
            left_ = {piece_.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
        }
        if (!left_.empty()) {
            const auto sent = ::send(to_, left_.data(), left_.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno != EAGAIN && errno != EINTR) {
                return false;
            }
            left_.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
        }
        return true;
    }

  private:
    int from_;
    int to_;
    std::array<char, k_piece_bytes> piece_{};
    std::string_view left_;
};

// A peer that has gone frees the engine's slot at once, and an engine that ends the connection has
// said all: whichever ends, both do.
void pump(int peer, int engine) {
    const auto in = std::make_unique<Way>(peer, engine);
    const auto out = std::make_unique<Way>(engine, peer);
    while (true) {
        std::array<pollfd, 2> ends{
            {{.fd = peer, .events = 0, .revents = 0}, {.fd = engine, .events = 0, .revents = 0}}};
        in->want(ends[0], ends[1]);
        out->want(ends[1], ends[0]);
        const int count =
            ::poll(ends.data(), ends.size(), static_cast<int>(core::Duration(k_stall).count()));
        if (count == 0 || (count < 0 && errno != EINTR)) {
            return;
        }
        if (count > 0 && (!in->move() || !out->move())) {
            return;
        }
    }
}

}  // namespace

Result<void> serve_link(core::Fd peer, const core::Path& engine, const core::Secret& key,
                        const core::Clock& clock) {
    TRY(admit(peer.get(), key, clock));
    const auto socket = TRY(connect_engine(engine, clock));
    pump(peer.get(), socket.get());
    return {};
}

}  // namespace sust::cluster
