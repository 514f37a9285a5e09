#include "core/http_call.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sust::core::http {

namespace {

constexpr std::size_t k_file_piece_bytes = 256 << 10;
constexpr std::size_t k_stream_buffer_bytes = 1 << 20;

bool has_no_body(int status) {
    return status == 204 || status == 304 || status < 200;
}

}  // namespace

void Call::begin(Response head) {
    head_ = std::move(head);
    if (for_head()) {
        out_.clear();
        file_left_ = 0;
    }
    changed();
}

void Call::respond(Response response) {
    if (begun()) {
        return;
    }
    response.headers.set("Content-Length", std::to_string(response.body.size()));
    if (has_no_body(response.status)) {
        response.headers.remove("Content-Length");
        response.body.clear();
    }
    out_ = std::move(response.body);
    ended_ = true;
    begin(std::move(response));
}

void Call::respond_file(Response head, const Path& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        const Result<void> failed = fail_errno("open " + path.native(), errno);
        respond(error_response(failed.error(), id_));
        return;
    }
    head.headers.set("Content-Length", std::to_string(status.st_size));
    file_ = std::move(fd);
    file_left_ = static_cast<std::uint64_t>(status.st_size);
    ended_ = true;
    begin(std::move(head));
}

std::string Call::read_file_piece() {
    std::string piece(std::min<std::uint64_t>(file_left_, k_file_piece_bytes), '\0');
    const auto count = ::read(file_.get(), piece.data(), piece.size());
    piece.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    file_left_ -= piece.size();
    return piece;
}

void Call::stream(Response head) {
    head.headers.set("Transfer-Encoding", "chunked");
    chunked_ = true;
    begin(std::move(head));
}

bool Call::send(std::string_view piece) {
    if (gone_ || ended_) {
        return false;
    }
    if (out_.size() + piece.size() > k_stream_buffer_bytes) {
        overflowed_ = true;
        changed();
        return false;
    }
    if (!piece.empty() && !for_head()) {
        char size[20];
        std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
        out_.append(size).append(piece).append("\r\n");
        changed();
    }
    return true;
}

void Call::end() {
    if (chunked_ && !ended_) {
        ended_ = true;
        out_ += for_head() ? "" : "0\r\n\r\n";
        changed();
    }
}

void Call::client_left() {
    if (gone_) {
        return;
    }
    gone_ = true;
    if (const auto callback = std::exchange(on_gone_, nullptr)) {
        callback();
    }
    changed();
}

void Call::finish() {
    gone_ = true;
    on_gone_ = nullptr;
    sink_.reset();
    changed = [] {};
}

}  // namespace sust::core::http
