#pragma once

// One exchange of the HTTP server, between the handler that says the answer and the session that
// writes it. Internal to core. Both live on the loop.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/fd.h"
#include "core/http_server.h"

namespace sust::core::http {

class Call final : public Exchange {
  public:
    Call(Request request, Peer peer, std::string id)
        : request_(std::move(request)), peer_(peer), id_(std::move(id)) {}

    // --- the handler's side
    const Request& request() const override { return request_; }
    const Peer& peer() const override { return peer_; }
    const std::string& request_id() const override { return id_; }
    const std::shared_ptr<BodySink>& sink() const override { return sink_; }
    void respond(Response response) override;
    void respond_file(Response head, const Path& file) override;
    void stream(Response head) override;
    bool send(std::string_view piece) override;
    std::size_t waiting() const override { return out_.size(); }
    void end() override;
    void on_gone(std::function<void()> callback) override { on_gone_ = std::move(callback); }

    // --- the session's side
    std::function<void()> changed = [] {};
    bool begun() const { return head_.has_value(); }
    bool ended() const { return ended_; }
    // The client reads too slowly: the connection must break.
    bool overflowed() const { return overflowed_; }
    bool gone() const { return gone_; }
    const Response& head() const { return *head_; }
    Request& mutable_request() { return request_; }
    void set_sink(std::shared_ptr<BodySink> sink) { sink_ = std::move(sink); }
    bool has_output() const { return !out_.empty(); }
    std::string take_output() { return std::exchange(out_, {}); }
    std::uint64_t file_left() const { return file_left_; }
    // Empty: the file is shorter than it was, and the connection must break.
    std::string read_file_piece();
    void client_left();
    // The session is done with it: what the callbacks hold is let go.
    void finish();

  private:
    void begin(Response head);
    bool for_head() const { return request_.method == "HEAD"; }

    Request request_;
    Peer peer_;
    std::string id_;
    std::shared_ptr<BodySink> sink_;
    std::optional<Response> head_;
    std::string out_;
    Fd file_;
    std::uint64_t file_left_ = 0;
    bool chunked_ = false;
    bool ended_ = false;
    bool gone_ = false;
    bool overflowed_ = false;
    std::function<void()> on_gone_;
};

}  // namespace sust::core::http
