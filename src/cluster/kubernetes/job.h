#pragma once

// One job of the Kubernetes back end: what its files and its pods say, and what follows from that.

#include <optional>
#include <string>

#include "cluster/book.h"
#include "cluster/kubernetes/choice.h"
#include "cluster/kubernetes/context.h"
#include "cluster/kubernetes/deletion.h"

namespace sust::cluster::kubernetes {

class KubernetesJob final : public BookedJob {
  public:
    KubernetesJob(KeptJob kept, Context& context) : BookedJob(std::move(kept)), context_(context) {}

    bool look() override;
    // Its pods have changed: it is looked at with the next tick, and not only once in a while.
    void hear() { next_look_ = {}; }
    Result<void> stop() override;
    Result<std::int64_t> resubmit(const Orders& orders) override;
    // Somebody reads it: what the pod has printed since is asked for, once a second at most.
    void refresh_log();

  private:
    using Pods = std::map<int, Pod>;

    Result<void> begin();
    // Nothing: there is nothing new to say.
    std::optional<Sight> see();
    std::optional<Sight> see_absent();
    std::optional<Sight> see_object();
    std::optional<Sight> see_cancelled();
    std::optional<Sight> see_pods(const Pods& pods);
    std::optional<Sight> see_start(const Pods& pods);
    std::optional<Sight> see_over(const Pods& pods);
    Sight see_running(const Pods& pods);
    std::optional<Sight> see_stopping(const Pods& pods);
    std::optional<Sight> ask_to_make();
    void on_made(const Result<void>& made);
    void ask_for_end(const Pods& pods, int rank, PodEnd end);
    void on_end(PodEnd end, const std::optional<Deletion>& deletion);
    void ask_for_log(Duration least);
    void keep_mark();
    void wish(const Pods& pods, bool cancel, const std::string& head);
    template <class Answer, class Ask, class Then>
    bool post(Worker& worker, Ask ask, Then then);
    Sight conclude(End end, std::string reason);
    void clean();
    void forget_attempt();

    Context& context_;
    // A question that is under way refers to the job only while it lives.
    std::shared_ptr<int> life_ = std::make_shared<int>(0);
    core::MonoTime next_look_{};
    bool begun_ = false;  // what an earlier controller kept was read
    std::optional<Sight> last_words_;
    std::vector<std::string> nodes_;  // of its pods
    Choice choice_;
    bool made_ = false;     // all pods were seen once: they are never made again
    bool ordered_ = false;  // by this process: the object that a controller makes pods of
    bool cancelled_ = false;
    bool asking_ = false;  // something is made, told or removed
    bool ending_ = false;  // its last lines are being brought
    bool log_asked_ = false;
    core::MonoTime next_log_{};
    int tries_ = 0;
    core::MonoTime next_try_{};
    core::MonoTime doubtful_since_{};
    core::MonoTime ordered_at_{};
    std::string trouble_;
    std::optional<core::Error> refusal_;
    core::MonoTime next_wish_{};
    std::optional<core::MonoTime> waiting_since_;   // for its place, of a job of several pods
    std::optional<core::MonoTime> troubled_since_;  // its start cannot succeed
    std::optional<core::MonoTime> stopping_since_;
    std::optional<core::MonoTime> removed_at_;  // its object, of a cancelled job
};

}  // namespace sust::cluster::kubernetes
