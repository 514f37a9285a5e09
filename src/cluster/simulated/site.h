#pragma once

// A simulated site that is running: the engine under a clock, the journal that brings it back, and
// the hands that do what it orders. On one loop's thread.

#include <map>
#include <memory>

#include "cluster/simulated/engine.h"
#include "cluster/simulated/hands.h"
#include "cluster/simulated/journal.h"

namespace sust::cluster::simulated {

struct SiteOptions {
    std::shared_ptr<const Model> model;
    std::string digest;  // of SITE.toml
    Path journal;
    std::unique_ptr<Hands> hands;
};

class Site {
  public:
    // Plays an earlier journal again: the site was away since, and what ran went on.
    static Result<std::unique_ptr<Site>> open(SiteOptions options, const core::Clock& clock,
                                              core::Log log);

    const Engine& engine() const { return engine_; }
    const Model& model() const { return *options_.model; }
    // By the calendar of whoever looks.
    core::WallTime wall_at(Time time) const;
    bool is_new() const { return is_new_; }

    // What is due by the clock, and what wrappers have done. Call it often; each call does a
    // bounded amount of work.
    void go_on();
    // Of a manual clock: false, and `until` is not reached yet; call it again.
    Result<bool> advance(Time until);

    // exhausted: the journal is full. Whatever is refused has changed nothing.
    Result<int> submit(const Submission& submission);
    // Of another token, or unknown: fine, and nothing happens. An empty token is any.
    Result<void> cancel(int number, const std::string& token);
    Result<void> hold(const std::string& node, const std::string& reason);
    Result<void> release(const std::string& node);
    Result<void> inject(std::string_view mishap);  // JSON, with the keys of [[script]]

  private:
    Site(SiteOptions options, const core::Clock& clock, core::Log log)
        : options_(std::move(options)),
          clock_(clock),
          log_(std::move(log)),
          engine_(options_.model) {}

    Result<void> restore();
    Result<void> replay(const Call& call);
    Result<void> apply(const Call& call);
    Result<void> call(std::string what, std::string words);
    void take_up(const Job& job);
    bool go_to(Time until);
    void prune();
    void perform();
    void perform(const Order& order);
    void play_end(const Job& job);
    Launch launch_of(const Job& job) const;
    Time due() const;
    bool is_manual() const { return model().pace == Pace::manual; }

    SiteOptions options_;
    const core::Clock& clock_;
    core::Log log_;
    Engine engine_;
    std::optional<Journal> journal_;
    core::WallTime origin_{};
    bool is_new_ = true;
    std::map<Uid, Submission> launches_;  // of jobs that have not ended
};

}  // namespace sust::cluster::simulated
