// Both ends of the gateway benchmark, small enough to cost little beside what is measured:
//   gateway-bench-peer serve SOCKET INTERVAL_MS CHUNKS    a static engine on a Unix socket
//   gateway-bench-peer stream PORT CONNECTIONS SECONDS HEADER...    a client of its streams
// `serve` answers a request that has "stream":true with CHUNKS events, one each INTERVAL_MS, and
// any other with one fixed JSON object. `stream` keeps CONNECTIONS streams open for SECONDS and
// prints how many events came.

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

constexpr std::string_view k_answer =
    R"({"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,)"
    R"("message":{"role":"assistant","content":"The relay house stands on the pass."},)"
    R"("finish_reason":"stop"}],"usage":{"prompt_tokens":21,"completion_tokens":9,"total_tokens":30}})";
constexpr std::string_view k_event =
    R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m",)"
    R"("choices":[{"index":0,"delta":{"content":" pass"},"finish_reason":null}]})"
    "\n\n";
constexpr std::string_view k_usage =
    R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m",)"
    R"("choices":[],"usage":{"prompt_tokens":21,"completion_tokens":9,"total_tokens":30}})"
    "\n\ndata: [DONE]\n\n";
constexpr std::string_view k_stream_head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::exit(1);
}

std::string chunk(std::string_view data) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    return size + std::string(data) + "\r\n";
}

void send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

void watch(int epoll, int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        give_up("epoll_ctl");
    }
}

// The size of the request at the front of `text`, 0 if it is not whole.
std::size_t request_size(std::string_view text) {
    const auto head = text.find("\r\n\r\n");
    if (head == std::string_view::npos) {
        return 0;
    }
    const auto field = text.find("ontent-Length: ");
    const auto length = field < head ? std::strtoul(text.data() + field + 15, nullptr, 10) : 0;
    return text.size() >= head + 4 + length ? head + 4 + length : 0;
}

class Server {
  public:
    Server(const char* path, int interval_ms, int chunks) : chunks_(chunks) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
        ::unlink(path);
        listener_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_, 4096) != 0) {
            give_up(path);
        }
        timer_ = ::timerfd_create(CLOCK_MONOTONIC, 0);
        const itimerspec period{.it_interval = {0, interval_ms * 1'000'000L},
                                .it_value = {0, interval_ms * 1'000'000L}};
        ::timerfd_settime(timer_, 0, &period, nullptr);
        watch(epoll_, listener_);
        watch(epoll_, timer_);
    }

    [[noreturn]] void run() {
        std::array<epoll_event, 256> events;
        for (;;) {
            const int count = ::epoll_wait(epoll_, events.data(), events.size(), -1);
            for (int i = 0; i < count; ++i) {
                handle(events[static_cast<std::size_t>(i)].data.fd);
            }
        }
    }

  private:
    void handle(int fd) {
        if (fd == listener_) {
            watch(epoll_, ::accept(listener_, nullptr, nullptr));
        } else if (fd == timer_) {
            std::uint64_t ignored = 0;
            (void)!::read(timer_, &ignored, sizeof ignored);
            tick();
        } else {
            receive(fd);
        }
    }

    void receive(int fd) {
        char bytes[16384];
        const auto count = ::recv(fd, bytes, sizeof bytes, 0);
        if (count <= 0) {
            ::close(fd);
            buffers_.erase(fd);
            streams_.erase(fd);
            return;
        }
        auto& buffer = buffers_[fd];
        buffer.append(bytes, static_cast<std::size_t>(count));
        while (const auto size = request_size(buffer)) {
            if (buffer.find("\"stream\":true") < size) {
                send_all(fd, k_stream_head);
                streams_[fd] = chunks_;
            } else {
                send_all(fd, whole_);
            }
            buffer.erase(0, size);
        }
    }

    void tick() {
        for (auto stream = streams_.begin(); stream != streams_.end();) {
            if (stream->second-- > 0) {
                send_all(stream->first, event_);
                ++stream;
            } else {
                send_all(stream->first, end_);
                stream = streams_.erase(stream);
            }
        }
    }

    int chunks_;
    int epoll_ = ::epoll_create1(0);
    int listener_ = -1;
    int timer_ = -1;
    std::string whole_ = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                         std::to_string(k_answer.size()) + "\r\n\r\n" + std::string(k_answer);
    std::string event_ = chunk(k_event);
    std::string end_ = chunk(k_usage) + "0\r\n\r\n";
    std::map<int, std::string> buffers_;
    std::map<int, int> streams_;
};

int connect_to(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        give_up("connect");
    }
    return fd;
}

long stream(int port, int connections, int seconds, const std::string& headers) {
    const std::string body =
        R"({"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]})";
    const std::string request =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + headers +
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    const int epoll = ::epoll_create1(0);
    for (int i = 0; i < connections; ++i) {
        const int fd = connect_to(port);
        watch(epoll, fd);
        send_all(fd, request);
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    std::array<epoll_event, 256> events;
    long seen = 0;
    while (std::chrono::steady_clock::now() < end) {
        const int count = ::epoll_wait(epoll, events.data(), events.size(), 100);
        for (int i = 0; i < count; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            char bytes[16384];
            const auto size = ::recv(fd, bytes, sizeof bytes, 0);
            if (size <= 0) {
                give_up("a stream was cut");
            }
            const std::string_view text(bytes, static_cast<std::size_t>(size));
            for (auto at = text.find("data: {"); at != std::string_view::npos;
                 at = text.find("data: {", at + 1)) {
                ++seen;
            }
            if (text.find("\r\n0\r\n\r\n") != std::string_view::npos) {
                send_all(fd, request);
            }
        }
    }
    return seen;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view mode = argc > 1 ? argv[1] : "";
    if (mode == "serve" && argc == 5) {
        Server(argv[2], std::atoi(argv[3]), std::atoi(argv[4])).run();
    }
    if (mode == "stream" && argc >= 5) {
        std::string headers;
        for (int i = 5; i < argc; ++i) {
            headers += std::string(argv[i]) + "\r\n";
        }
        std::printf("%ld\n",
                    stream(std::atoi(argv[2]), std::atoi(argv[3]), std::atoi(argv[4]), headers));
        return 0;
    }
    std::fprintf(
        stderr,
        "usage: %s serve SOCKET INTERVAL_MS CHUNKS | stream PORT CONNECTIONS SECONDS HEADER...\n",
        argv[0]);
    return 2;
}
