#pragma once

// What the tests of this folder share: a back end on a temporary directory, with the real wrapper.

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "cluster/local.h"
#include "cluster/words.h"

namespace sust::cluster {

inline JobSpec shell(const std::string& token, const std::string& script) {
    return {.token = {token}, .name = token, .argv = {"sh", "-c", script}};
}

class LocalJobs : public testing::Test {
  protected:
    LocalJobs()
        : temporary_(core::TemporaryDirectory::create("/tmp", "sust-cluster-").value()),
          options_{.book = {.jobs = temporary_.path() / "jobs"}, .agent = SUST_AGENT} {}

    ~LocalJobs() override {
        if (!local_) {
            reopen();
        }
        for (const auto& job : all_jobs()) {
            (void)local_->cancel(job.token);
        }
        EXPECT_TRUE(until([&] {
            for (const auto& job : all_jobs()) {
                if (!is_final(job.state) && job.state != State::unknown) {
                    return false;
                }
            }
            return true;
        }));
    }

    void open() {
        auto opened = open_local(options_, clock_, core::Log::silent());
        ASSERT_TRUE(opened) << core::to_string(opened.error());
        local_ = std::move(*opened);
        local_->watch([this](const JobStatus& status) {
            told_.push_back(status.token.value + " " + std::string(to_string(status.state)));
        });
    }

    void reopen() {
        local_.reset();
        open();
    }

    // Polls the back end until `condition` holds; false after a time that only a fault needs.
    bool until(const std::function<bool()>& condition) {
        const core::Deadline deadline(clock_, std::chrono::seconds(120));
        while (!deadline.passed()) {
            local_->poll();
            if (condition()) {
                return true;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return false;
    }

    // The local back end answers at once.
    Result<void> hold(const std::string& node, const std::string& reason) {
        Result<void> outcome;
        local_->hold(node, reason, [&](Result<void> told) { outcome = std::move(told); });
        return outcome;
    }
    Result<void> release(const std::string& node) {
        Result<void> outcome;
        local_->release(node, [&](Result<void> told) { outcome = std::move(told); });
        return outcome;
    }

    std::vector<JobStatus> all_jobs() { return local_->list().value(); }
    JobStatus status(const std::string& token) {
        auto found = local_->describe({token}).value();
        EXPECT_TRUE(found) << token;
        return found.value_or(JobStatus{});
    }
    bool ends(const std::string& token, End end) {
        const bool ended = until([&] { return has_ended_with(status(token), end); });
        EXPECT_TRUE(ended) << token << " is " << to_string(status(token).state) << ": "
                           << status(token).reason;
        return ended;
    }
    bool reaches(const std::string& token, State state) {
        const bool reached = until([&] { return status(token).state == state; });
        EXPECT_TRUE(reached) << token << " is " << to_string(status(token).state) << ": "
                             << status(token).reason;
        return reached;
    }
    bool wait_for_file(const Path& path) {
        return until([&] { return core::path_exists(path); });
    }

    AttemptFiles files(const std::string& token, std::int64_t epoch = 1) {
        return JobFiles{options_.book.jobs / token}.attempt(epoch);
    }
    AttemptWord attempt(const std::string& token, std::int64_t epoch = 1) {
        return read_attempt(files(token, epoch), {token}, epoch).value().value();
    }
    std::string log(const std::string& token, Stream stream = Stream::out) {
        return local_->logs({token}, stream, 0, 1 << 20).value().bytes;
    }

    core::SystemClock clock_;
    core::TemporaryDirectory temporary_;
    LocalOptions options_;
    std::unique_ptr<Scheduler> local_;
    std::vector<std::string> told_;
};

}  // namespace sust::cluster
