#pragma once

// A simulated site as its users ask it, over its socket. Called from the back end's thread alone;
// every call has a deadline.

#include "cluster/simulated/messages.h"
#include "core/http_client.h"

namespace sust::cluster::simulated {

// What was seen of the jobs at one moment.
struct Listing {
    std::vector<JobRow> jobs;
    core::MonoTime asked{};  // when the question began: what was submitted later may be missing
};

class Client {
  public:
    Client(const Path& socket, Duration patience, const core::Clock& clock)
        : http_(clock, core::http::UnixAddress{socket}), patience_(patience), clock_(clock) {}

    // The site's number. unavailable and timeout: the job may be there nevertheless.
    Result<int> submit(const Submission& submission);
    // Only if the number is still that of this token.
    Result<void> cancel(int number, const Token& token);
    Result<Listing> list();
    Result<SiteView> look();
    Result<void> hold(const std::string& node, const std::string& reason);
    Result<void> release(const std::string& node);
    Result<Outlook> outlook(const Submission& submission);

  private:
    Result<std::string> call(const char* method, std::string target, std::string body = {});

    core::http::Client http_;
    Duration patience_;
    const core::Clock& clock_;
};

}  // namespace sust::cluster::simulated
