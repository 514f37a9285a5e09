#pragma once

// For the tests of this folder: a scheduler and an engine that do what the test says.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "cluster/fake_scheduler.h"
#include "fleet/probe.h"

namespace sust::fleet {

// Jobs run until finish(), or until cancel() unless they are told to ignore it.
class FakeScheduler final : public cluster::FakeScheduler {
  public:
    std::optional<core::Error> refuse_submit;
    int starts = 0;

    void finish(const std::string& token, std::string reason = "killed by signal 9") {
        cluster::FakeScheduler::finish(token, cluster::End::failed, std::move(reason));
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

    Result<void> submit(const cluster::JobSpec& spec) override {
        if (refuse_submit) {
            return tl::unexpected<core::Error>(*refuse_submit);
        }
        starts += 1;
        TRY(cluster::FakeScheduler::submit(spec));
        job(spec.token.value).err = "loading\nerror: no such model\nbye\n";
        return {};
    }
    Result<std::int64_t> resubmit(const cluster::Token& token,
                                  const cluster::Orders& orders) override {
        starts += 1;
        return cluster::FakeScheduler::resubmit(token, orders);
    }
};

class FakeProber final : public Prober {
  public:
    // What an engine at this socket answers.
    std::function<bool(ProbeKind kind, const Path& socket)> answer = [](ProbeKind, const Path&) {
        return true;
    };
    bool later = false;  // answers wait for answer_all()
    void ask(Probe probe, std::function<void(const ProbeAnswer&)> done) override {
        const auto* local = std::get_if<core::http::UnixAddress>(&probe.address);
        const bool good = answer(probe.kind, local != nullptr ? local->socket : Path());
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
