#pragma once

// The engine of a simulated site: a scheduler with its nodes, its other users and its faults. Pure:
// no input or output, time is passed in, and the same model and calls give the same events. A
// value, so that a copy can look ahead. One thread.

#include <functional>
#include <memory>
#include <queue>
#include <set>
#include <unordered_map>

#include "cluster/scheduler.h"
#include "cluster/simulated/events.h"
#include "cluster/simulated/misses.h"
#include "cluster/simulated/random.h"

namespace sust::cluster::simulated {

class Engine {
  public:
    explicit Engine(std::shared_ptr<const Model> model);

    const Model& model() const { return *model_; }
    Time now() const { return now_; }
    // When something happens next by itself; max: never.
    Time next() const;
    // Goes on until `until`, or until `most` events have happened: false, and there are more.
    bool advance(Time until, std::size_t most);

    // --- what users do; at now()
    // The number. `ask` fits the model.
    int submit(Ask ask);
    int last_number() const { return last_number_; }
    Uid next_uid() const { return last_uid_ + 1; }
    void cancel(int number);  // an unknown one is fine
    void hold(int node, std::string reason);
    void release(int node);  // --- what the world reports
    // A command ended. `status` as a shell tells it; `begun`: it was ever started.
    void finish(Uid job, int status, bool begun);
    void inject(const Mishap& mishap);
    // The site's controller was not there until `until`: commands ran on, nothing was scheduled.
    void miss(Time until);

    // --- what is seen
    std::optional<Mishap::How> away() const;  // while the controller does not serve
    std::vector<Order> take_orders() { return std::exchange(orders_, {}); }
    const Job* find(Uid job) const;
    const Job* numbered(int number) const;
    std::vector<const Job*> listed() const;  // ours, by number
    std::vector<const Job*> ours() const;    // forgotten ones too
    std::vector<Node> nodes() const;
    // When and where it would start, if everything ran to its limit and nothing failed.
    Forecast outlook(const Ask& ask) const;
    const EventLog& log() const { return log_; }
    const Summary& summary() const { return summary_; }
    std::size_t running() const { return by_end_.size(); }
    const Counts& counts() const { return counts_; }

  private:
    using Line = std::set<Place>;

    // --- events
    void plan(Time at, Do what, Uid job = 0, int index = 0);
    void happen(const Planned& event);
    void happen_to(Do what, Job& job);
    void note(Entry::What what, const Job* job = nullptr, int node = -1, int detail = 0);
    void move_to(Time at);
    Duration drawn(const Spread& spread);

    // --- jobs (engine.cpp)
    Job* job_of(Uid uid);
    Place place_of(const Job& job) const;
    Job& take(Ask ask);
    void make_eligible(Job& job);
    void begin(Job& job);
    End end_of_play(Job& job);
    void stop(Job& job, End as);
    void end(Job& job, End as);
    void drop(Job& job);
    void vacate(Job& job);

    // --- the queue (queueing.cpp)
    void settle();
    void pass();
    void backfill();
    const Line* next_line(std::uint64_t blocked) const;
    bool try_start(Job& job);
    Share need_of(const Job& job) const;
    bool suits(const Job& job, const Group& group) const;
    bool is_allowed(const Job& job, int node) const;
    std::vector<int> find_nodes(const Job& job) const;
    void allocate(Job& job, std::vector<int> nodes);
    std::uint64_t take_gpus(int node, int count);
    Gathered gather(const Job& job, const std::function<const Job*()>& next) const;
    void reserve(const Job& head, std::vector<std::pair<int, Time>>& kept);
    std::vector<Uid> candidates() const;
    bool may_preempt(const Job& job, const Job& other) const;
    void make_room(Job& job);

    // --- faults and nodes (mishaps.cpp)
    void plan_faults();
    void plan_next(Do what);
    void fail_by_itself(Do what);
    void arrive(int load);
    void pick_on(const Mishap& mishap);
    void forget(Job& job);
    void restart(Duration lost);
    void go_away(Duration lasts, Mishap::How how);
    void come_back();
    void preempt_some(int count);
    void lose_some_node();
    void lose(int node, Duration lasts);
    void bring_back(int node);
    void drain(int node, std::optional<std::string> reason);
    void reopen(int node);
    void set_maintained(int window, bool maintained);
    void keep_for_maintenance(int node);
    void make_certain();

    std::shared_ptr<const Model> model_;
    Random random_;
    Time now_{};
    bool certain_ = false;  // of a copy that looks ahead: no chance, no faults, no arrivals
    std::priority_queue<Planned, std::vector<Planned>, std::greater<>> events_;
    std::uint64_t planned_ = 0;
    Room room_;
    std::vector<NodeNow> nodes_;
    std::unordered_map<Uid, Job> jobs_;
    std::map<int, Uid> by_number_;
    std::vector<Line> lines_;                // by queue
    std::set<std::pair<Time, Uid>> by_end_;  // of jobs that have nodes, by free_by
    Uid last_uid_ = 0;
    int last_number_ = 0;
    std::vector<Uid> heads_;  // the first of their queues that wait
    Misses misses_;
    std::vector<Uid> gone_;  // to be let go after this event
    bool unsettled_ = false;
    bool backfill_planned_ = false;
    Time away_until_ = Time::min();
    Mishap::How away_how_ = Mishap::How::refuses;
    Time slow_until_ = Time::min();
    Duration slow_by_{};
    std::vector<Order> orders_;
    EventLog log_;
    Summary summary_;
    Counts counts_;
};

}  // namespace sust::cluster::simulated
