#pragma once

// For the tests of this folder: a scheduler and an engine that do what the test says.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "cluster/scheduler.h"
#include "fleet/probe.h"

namespace sust::fleet {

// Jobs run until finish(), or until cancel() unless they are told to ignore it.
class FakeScheduler final : public cluster::Scheduler {
  public:
    struct Job {
        cluster::JobSpec spec;
        cluster::JobStatus status;
    };
    std::map<std::string, Job> jobs;
    bool ignore_cancel = false;
    std::optional<core::Error> refuse_submit;
    int starts = 0;

    void finish(const std::string& token, std::string reason = "killed by signal 9") {
        auto& status = jobs.at(token).status;
        status.state = cluster::State::ended;
        status.end = cluster::End::failed;
        status.reason = std::move(reason);
    }
    void finish_where(const std::function<bool(const Job&)>& which) {
        for (auto& [token, job] : jobs) {
            if (!is_final(job.status.state) && which(job)) {
                finish(token);
            }
        }
    }
    int running() const {
        int count = 0;
        for (const auto& [token, job] : jobs) {
            count += is_final(job.status.state) ? 0 : 1;
        }
        return count;
    }

    std::string_view name() const override { return "fake"; }
    std::set<cluster::Capability> capabilities() const override { return {}; }
    Result<void> submit(const cluster::JobSpec& spec) override {
        if (refuse_submit) {
            return tl::unexpected<core::Error>(*refuse_submit);
        }
        starts += 1;
        jobs[spec.token.value] = {
            spec,
            {.token = spec.token, .name = spec.name, .state = cluster::State::running, .epoch = 1}};
        return {};
    }
    Result<std::int64_t> resubmit(const cluster::Token& token) override {
        auto& status = jobs.at(token.value).status;
        EXPECT_TRUE(is_final(status.state)) << "only an ended job may be resubmitted";
        starts += 1;
        status.state = cluster::State::running;
        status.end.reset();
        return ++status.epoch;
    }
    Result<void> cancel(const cluster::Token& token) override {
        const auto found = jobs.find(token.value);
        if (found != jobs.end() && !ignore_cancel && !is_final(found->second.status.state)) {
            found->second.status.state = cluster::State::ended;
            found->second.status.end = cluster::End::cancelled;
        }
        return {};
    }
    Result<std::optional<cluster::JobStatus>> describe(const cluster::Token& token) override {
        const auto found = jobs.find(token.value);
        return found == jobs.end() ? std::optional<cluster::JobStatus>() : found->second.status;
    }
    Result<std::vector<cluster::JobStatus>> list() override {
        std::vector<cluster::JobStatus> all;
        for (const auto& [token, job] : jobs) {
            all.push_back(job.status);
        }
        return all;
    }
    void watch(std::function<void(const cluster::JobStatus&)>) override {}
    void poll() override {}
    Result<cluster::LogChunk> logs(const cluster::Token&, cluster::Stream, std::uint64_t offset,
                                   std::size_t) override {
        const std::string text = "loading\nerror: no such model\nbye\n";
        return cluster::LogChunk{.bytes = offset == 0 ? text : "", .next_offset = text.size()};
    }
    Result<void> forget(const cluster::Token& token) override {
        EXPECT_TRUE(is_final(jobs.at(token.value).status.state));
        jobs.erase(token.value);
        return {};
    }
    Path job_directory(const cluster::Token& token) const override { return "/" + token.value; }
    Result<std::vector<cluster::Node>> nodes() override { return std::vector<cluster::Node>(); }
    Result<void> hold(std::string_view, std::string_view) override { return {}; }
    Result<void> release(std::string_view) override { return {}; }
};

class FakeProber final : public Prober {
  public:
    // What an engine at this socket answers.
    std::function<bool(ProbeKind kind, const Path& socket)> answer = [](ProbeKind, const Path&) {
        return true;
    };
    bool later = false;  // answers wait for answer_all()
    void ask(Probe probe, std::function<void(const ProbeAnswer&)> done) override {
        const bool good = answer(probe.kind, probe.socket);
        const ProbeAnswer said{.good = good, .why = good ? "" : "no answer"};
        if (later) {
            waiting_.push_back([done = std::move(done), said] { done(said); });
        } else {
            done(said);
        }
    }
    void answer_all() {
        for (const auto& say : std::exchange(waiting_, {})) {
            say();
        }
    }

  private:
    std::vector<std::function<void()>> waiting_;
};

}  // namespace sust::fleet
