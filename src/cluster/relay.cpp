#include "cluster/relay.h"

#include <atomic>
#include <csignal>
#include <cstring>
#include <thread>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/relay_link.h"
#include "core/listen.h"
#include "core/process.h"
#include "core/text.h"

namespace sust::cluster {

using core::Deadline;
using core::fail;
using core::Fault;
using core::Fd;
using core::Result;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr int k_format = 1;
constexpr int k_status_failed = 125;
constexpr std::size_t k_key_bytes_max = 4 << 10;
// Gateways hold about as many as an engine has slots; each costs a thread.
constexpr int k_links_max = 512;
// A peer whose machine went away is noticed after about a minute and a half.
constexpr int k_keepalive_idle_s = 30;
constexpr int k_keepalive_probes = 6;
constexpr int k_keepalive_every_s = 10;

// --- Addresses -------------------------------------------------------------------------------

// Four or sixteen bytes; an IPv4 address and an IPv6 one are never in one network.
std::string bytes_of(const sockaddr& address) {
    if (address.sa_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
        return {reinterpret_cast<const char*>(&v4.sin_addr), sizeof v4.sin_addr};
    }
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    return {reinterpret_cast<const char*>(&v6.sin6_addr), sizeof v6.sin6_addr};
}

std::string text_of(const std::string& bytes) {
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
    return text;
}

struct Network {
    std::string bytes;
    int bits = 0;

    bool has(const std::string& address) const {
        if (address.size() != bytes.size()) {
            return false;
        }
        for (int bit = 0; bit < bits; ++bit) {
            const auto index = static_cast<std::size_t>(bit / 8);
            const int mask = 0x80 >> (bit % 8);
            if (((address[index] ^ bytes[index]) & mask) != 0) {
                return false;
            }
        }
        return true;
    }
};

Result<Network> parse_network(std::string_view text) {
    const auto slash = text.find('/');
    const std::string address(text.substr(0, slash));
    Network network;
    char bytes[16] = {};
    if (::inet_pton(AF_INET, address.c_str(), bytes) == 1) {
        network.bytes.assign(bytes, 4);
    } else if (::inet_pton(AF_INET6, address.c_str(), bytes) == 1) {
        network.bytes.assign(bytes, 16);
    }
    const auto most = static_cast<std::int64_t>(network.bytes.size() * 8);
    const auto bits = slash == std::string_view::npos ? Result<std::int64_t>(most)
                                                      : core::parse_integer(text.substr(slash + 1));
    if (network.bytes.empty() || !bits || *bits < 0 || *bits > most) {
        return fail(Fault::invalid, "'" + core::printable(text, 60) + "' is no network",
                    {.hint = "for example 10.1.0.0/16"});
    }
    network.bits = static_cast<int>(*bits);
    return network;
}

// Of this machine, in the kernel's order; those of a link alone need a scope and are left out.
Result<std::vector<std::string>> own_addresses() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) {
        return core::fail_errno("list the addresses of this machine", errno);
    }
    std::vector<std::string> found;
    for (const auto* one = list; one != nullptr; one = one->ifa_next) {
        if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0 ||
            (one->ifa_addr->sa_family != AF_INET && one->ifa_addr->sa_family != AF_INET6)) {
            continue;
        }
        auto bytes = bytes_of(*one->ifa_addr);
        if (bytes.size() != 16 || !(bytes[0] == '\xfe' && (bytes[1] & 0xc0) == 0x80)) {
            found.push_back(std::move(bytes));
        }
    }
    ::freeifaddrs(list);
    return found;
}

bool is_loopback(const std::string& address) {
    return address.size() == 4 ? address[0] == 127
                               : address == std::string(15, '\0') + std::string(1, '\1');
}

// --- Listening -------------------------------------------------------------------------------

void set_option(int fd, int level, int name, int value) {
    (void)::setsockopt(fd, level, name, &value, sizeof value);
}

void tune_link(int fd) {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, k_keepalive_idle_s);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, k_keepalive_every_s);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, k_keepalive_probes);
}

class Relay {
  public:
    static Result<std::shared_ptr<Relay>> open(const RelayOptions& options,
                                               const core::Clock& clock, const core::Log& log) {
        auto key = TRY(core::read_file(options.key_file, k_key_bytes_max));
        const auto host = TRY(reachable_address(options.network));
        auto listener = TRY(core::listen_tcp_socket(host, options.port));
        const auto port = TRY(core::bound_port(listener.get()));
        if (!options.endpoint_file.empty()) {
            TRY(core::write_file(options.endpoint_file, encode(Endpoint{host, port}), 0600));
        }
        log.info("the engine is reached here", {{"address", core::host_and_port(host, port)}});
        return std::make_shared<Relay>(std::move(listener),
                                       core::Secret(std::string(core::trim(key))), options.socket,
                                       clock, log);
    }

    Relay(Fd listener, core::Secret key, core::Path socket, const core::Clock& clock,
          const core::Log& log)
        : listener_(std::move(listener)),
          key_(std::move(key)),
          socket_(std::move(socket)),
          clock_(clock),
          log_(log) {}

    // Until the process ends.
    void accept_links() {
        while (true) {
            pollfd entry{.fd = listener_.get(), .events = POLLIN, .revents = 0};
            (void)::poll(&entry, 1, -1);
            Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (!peer) {
                std::this_thread::sleep_for(10ms);  // no descriptors, or it was gone again
                continue;
            }
            if (links_.fetch_add(1) >= k_links_max) {
                links_.fetch_sub(1);
                continue;
            }
            tune_link(peer.get());
            serve(std::move(peer));
        }
    }

  private:
    void serve(Fd peer) {
        try {
            std::thread([this, peer = std::move(peer)]() mutable {
                const auto served = serve_link(std::move(peer), socket_, key_, clock_);
                if (!served && served.error().fault == Fault::denied) {
                    log_.warn(served.error().message);
                }
                links_.fetch_sub(1);
            }).detach();
        } catch (const std::system_error& error) {
            links_.fetch_sub(1);
            log_.warn(std::string("no thread for a connection: ") + error.what());
        }
    }

    Fd listener_;
    core::Secret key_;
    core::Path socket_;
    const core::Clock& clock_;
    const core::Log& log_;
    std::atomic<int> links_{0};
};

// The wrapper's stop ladder signals the whole group, so the engine has heard of it too; we end with
// the engine. A handler, because what is ignored stays ignored in the engine.
void outlive_stop_signals() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
        ::sigaction(signal, &action, nullptr);
    }
}

// Everybody can write to /tmp: a folder that is there is taken only if it is ours alone.
Result<void> make_private_folder(const core::Path& path) {
    if (::mkdir(path.c_str(), 0700) == 0) {
        return {};
    }
    struct stat found {};
    if (errno != EEXIST || ::lstat(path.c_str(), &found) != 0) {
        return core::fail_errno("make " + path.string(), errno);
    }
    if (!S_ISDIR(found.st_mode) || found.st_uid != ::geteuid() || (found.st_mode & 0077) != 0) {
        return fail(Fault::denied, "the folder is there and not ours alone",
                    {.where = path.string(), .hint = "remove it"});
    }
    return {};
}

Result<int> run_engine(const RelayOptions& options, const core::Clock& clock) {
    auto child = TRY(core::Child::spawn({.argv = options.argv, .die_with_parent = true}));
    while (true) {
        const auto status = TRY(child.wait(Deadline(clock, 1h)));
        if (status) {
            return *status;
        }
    }
}

}  // namespace

std::string encode(const Endpoint& endpoint) {
    return json{{"format", k_format}, {"host", endpoint.host}, {"port", endpoint.port}}.dump() +
           "\n";
}

Result<Endpoint> decode_endpoint(std::string_view text) {
    const auto document = json::parse(text, nullptr, false);
    try {
        Endpoint endpoint{document.at("host").get<std::string>(),
                          document.at("port").get<std::uint16_t>()};
        if (document.at("format").get<int>() == k_format && endpoint.port != 0 &&
            parse_network(endpoint.host)) {
            return endpoint;
        }
    } catch (const json::exception&) {
    }
    return fail(Fault::invalid, "no endpoint: " + core::printable(text, 200));
}

Result<void> check_network(std::string_view network) {
    TRY(parse_network(network));
    return {};
}

Result<std::string> reachable_address(std::string_view network) {
    const auto addresses = TRY(own_addresses());
    if (!network.empty()) {
        const auto wanted = TRY(parse_network(network));
        for (const auto& address : addresses) {
            if (wanted.has(address)) {
                return text_of(address);
            }
        }
        return fail(Fault::invalid,
                    "no address of this machine is in " + core::printable(network, 60),
                    {.hint = "`network` of the back end names the network that gateways reach"});
    }
    for (const auto& address : addresses) {
        if (!is_loopback(address)) {
            return text_of(address);
        }
    }
    return std::string("127.0.0.1");
}

int run_relay(const RelayOptions& options, const core::Clock& clock, const core::Log& log) {
    outlive_stop_signals();
    const auto made = make_private_folder(options.socket.parent_path());
    (void)core::remove_tree(options.socket);  // left by an engine that was killed
    const auto relay =
        made ? Relay::open(options, clock, log) : tl::unexpected<core::Error>(made.error());
    if (!relay) {
        log.error("the engine cannot be made reachable", relay.error());
        return k_status_failed;
    }
    // It lives as long as the process: threads use it to the end.
    std::thread([relay = *relay] { relay->accept_links(); }).detach();
    const auto status = run_engine(options, clock);
    if (!status) {
        log.error("start the engine", status.error());
    }
    std::error_code ignored;
    std::filesystem::remove_all(options.socket.parent_path(), ignored);
    return status.value_or(k_status_failed);
}

}  // namespace sust::cluster
