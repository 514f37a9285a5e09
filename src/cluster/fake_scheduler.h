#pragma once

// For the tests of other modules: a back end whose jobs run until the test ends them. Real ones
// are tested beside their code.

#include <algorithm>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "cluster/scheduler.h"

namespace sust::cluster {

class FakeScheduler : public Scheduler {
  public:
    struct Job {
        JobSpec spec;
        JobStatus status;
        int cancels = 0;
        std::string out, err;
    };
    std::map<std::string, Job> jobs;  // by token
    Path folder = "/";                // of the jobs' directories
    bool end_on_cancel = true;

    Job& job(const std::string& token) { return jobs.at(token); }
    void change(const std::string& token, State state) {
        auto& status = jobs.at(token).status;
        status.state = state;
        if (watcher_) {
            watcher_(status);
        }
    }
    void finish(const std::string& token, End end, std::string reason = {},
                std::optional<int> exit_status = {}) {
        auto& status = jobs.at(token).status;
        status.end = end;
        status.reason = std::move(reason);
        status.exit_status = exit_status;
        change(token, State::ended);
    }

    std::string_view name() const override { return "local"; }
    std::set<Capability> capabilities() const override {
        return {Capability::this_machine, Capability::job_directory, Capability::files};
    }
    Result<void> accepts(const JobSpec&) const override { return {}; }
    Result<void> submit(const JobSpec& spec) override {
        const auto [at, fresh] = jobs.try_emplace(spec.token.value);
        if (!fresh) {
            return at->second.spec.argv == spec.argv
                       ? Result<void>()
                       : core::fail(core::Fault::conflict, "another specification");
        }
        at->second.spec = spec;
        at->second.status = {
            .token = spec.token, .name = spec.name, .state = State::running, .epoch = 1};
        return {};
    }
    Result<std::int64_t> resubmit(const Token& token, const Orders&) override {
        auto& status = jobs.at(token.value).status;
        EXPECT_TRUE(is_final(status.state)) << "only an ended job may be resubmitted";
        status.state = State::running;
        status.end.reset();
        status.exit_status.reset();
        return ++status.epoch;
    }
    Result<void> cancel(const Token& token) override {
        const auto found = jobs.find(token.value);
        if (found != jobs.end() && !is_final(found->second.status.state)) {
            ++found->second.cancels;
            if (end_on_cancel) {
                finish(token.value, End::cancelled);
            }
        }
        return {};
    }
    Result<std::optional<JobStatus>> describe(const Token& token) override {
        const auto found = jobs.find(token.value);
        return found == jobs.end() ? std::optional<JobStatus>() : found->second.status;
    }
    Result<std::vector<JobStatus>> list() override {
        std::vector<JobStatus> all;
        for (const auto& [token, job] : jobs) {
            all.push_back(job.status);
        }
        return all;
    }
    void watch(std::function<void(const JobStatus&)> on_change) override {
        watcher_ = std::move(on_change);
    }
    void poll() override {}
    Result<LogChunk> logs(const Token& token, Stream stream, std::uint64_t offset,
                          std::size_t max_bytes) override {
        const auto found = jobs.find(token.value);
        if (found == jobs.end()) {
            return core::fail(core::Fault::not_found, "no job " + token.value);
        }
        const auto& text = stream == Stream::out ? found->second.out : found->second.err;
        const auto bytes = text.substr(std::min<std::size_t>(offset, text.size()), max_bytes);
        return LogChunk{.bytes = bytes,
                        .next_offset = offset + bytes.size(),
                        .end = text.size(),
                        .complete = is_final(found->second.status.state) &&
                                    offset + bytes.size() >= text.size()};
    }
    Result<void> forget(const Token& token) override {
        const auto found = jobs.find(token.value);
        EXPECT_TRUE(found == jobs.end() || is_final(found->second.status.state));
        jobs.erase(token.value);
        return {};
    }
    Path job_directory(const Token& token) const override { return folder / token.value; }
    Result<JobPlace> prepare(const JobSpec& spec) override {
        const auto directory = job_directory(spec.token);
        TRY(core::make_directories(directory));
        return JobPlace{.directory = directory, .owner = {}};
    }
    Result<std::vector<Node>> nodes() override {
        return std::vector<Node>{{.name = "here", .cores = 3, .memory_bytes = 8ULL << 30}};
    }
    void hold(std::string_view, std::string_view, Then<void> then) override { then({}); }
    void release(std::string_view, Then<void> then) override { then({}); }
    void outlook(const JobSpec&, Then<Outlook> then) override { then(Outlook{}); }
    void check(Then<std::vector<CheckLine>> then) override { then(std::vector<CheckLine>{}); }

  private:
    std::function<void(const JobStatus&)> watcher_;
};

}  // namespace sust::cluster
