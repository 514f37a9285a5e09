#include "cluster/kubernetes/kubernetes.h"

#include <algorithm>
#include <list>

#include <fmt/format.h>
#include <malloc.h>
#include <nlohmann/json.hpp>
#include <sys/epoll.h>

#include "cluster/kubernetes/check.h"
#include "cluster/kubernetes/drain.h"
#include "cluster/kubernetes/job.h"
#include "cluster/kubernetes/rounds.h"
#include "cluster/kubernetes/volumes.h"
#include "cluster/kubernetes/watcher.h"
#include "core/fd.h"
#include "core/id.h"
#include "core/text.h"

namespace sust::cluster {

using core::fail;
using core::Fault;
using namespace std::chrono_literals;

namespace kubernetes {
namespace {

constexpr Duration k_sweep_period = 10s;
constexpr std::size_t k_drains_max = 64;  // at once
constexpr std::size_t k_id_bytes_max = 64;
constexpr std::string_view k_pod_folder = "/var/run/secrets/kubernetes.io/serviceaccount";

class Kubernetes final : public Book {
  public:
    Kubernetes(KubernetesOptions options, Access access, std::string controller,
               const core::Clock& clock, core::Log log);
    ~Kubernetes() override {
        acting_.stop();
        asking_.stop();
    }

    Result<void> find();

    std::string_view name() const override { return options_of_.name; }
    std::set<Capability> capabilities() const override;
    Result<void> accepts(const JobSpec& spec) const override;
    void poll() override;
    std::string network() const override { return options_of_.network; }
    int wake_fd() const override { return epoll_.get(); }
    Result<LogChunk> logs(const Token& token, Stream stream, std::uint64_t offset,
                          std::size_t max_bytes) override;
    Path job_directory(const Token&) const override { return {}; }
    Result<std::vector<Node>> nodes() override;
    void hold(std::string_view node, std::string_view reason, Then<void> then) override;
    void drain(std::string_view node, std::string_view reason, Duration within,
               Then<Drained> then) override;
    void release(std::string_view node, Then<void> then) override;
    void outlook(const JobSpec& spec, Then<Outlook> then) override;
    void check(Then<std::vector<CheckLine>> then) override;

  protected:
    std::vector<std::string> launcher(const JobSpec& spec) const override {
        return launcher_of(spec);
    }
    std::unique_ptr<BookedJob> book(KeptJob job) override {
        return std::make_unique<KubernetesJob>(std::move(job), context_);
    }
    bool may_forget(const BookedJob& job) const override { return is_final(job.status().state); }

  private:
    template <class T>
    void ask(Worker& worker, std::function<Result<T>()> question, Then<T> then) {
        const auto answer = std::make_shared<Result<T>>(fail(Fault::internal, "not asked"));
        auto posted =
            worker.post([answer, question = std::move(question)] { *answer = question(); },
                        [answer, then] { then(std::move(*answer)); });
        if (!posted) {
            then(tl::unexpected<core::Error>(std::move(posted).error()));
        }
    }
    void take(PodNews news);
    void drop(const std::string& uid, const AttemptKey& key);
    void tell(const Token& token);
    void tell_all();
    void sweep();
    Result<const Machine*> machine_named(std::string_view name) const;
    void apply_to_node(nlohmann::json object, std::string_view name, Then<void> then);

    KubernetesOptions options_of_;
    Credentials credentials_;
    Client acting_;
    Client asking_;
    Context context_;
    std::map<std::string, std::pair<AttemptKey, int>> places_;  // of pods, by uid
    Rounds rounds_{context_};
    std::list<Drain> drains_;
    core::MonoTime next_sweep_{};
    core::Fd epoll_;
    Worker acts_{"kube-acts"};
    Worker asks_{"kube-asks"};
    Watcher watcher_;
};

Kubernetes::Kubernetes(KubernetesOptions options, Access access, std::string controller,
                       const core::Clock& clock, core::Log log)
    : Book(options.book, clock, std::move(log)),
      options_of_(std::move(options)),
      credentials_(std::move(access), options_of_.environment, clock_),
      acting_(credentials_, clock_, options_of_.patience),
      asking_(credentials_, clock_, options_of_.patience),
      context_{.options = options_of_,
               .clock = clock_,
               .log = log_,
               .acting = acting_,
               .acts = acts_,
               .asking = asking_,
               .asks = asks_,
               .space = options_of_.space,
               .controller = std::move(controller)},
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      watcher_(credentials_, pods_path(context_.space),
               fmt::format("{}={}", k_controller, context_.controller), clock_, log_,
               options_of_.patience) {}

Result<void> Kubernetes::find() {
    for (const int fd : {acts_.fd(), asks_.fd(), watcher_.fd()}) {
        epoll_event event{.events = EPOLLIN, .data = {}};
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
            return core::fail_errno("watch the threads of a back end", errno);
        }
    }
    return open();
}

// --- What could ever run ---------------------------------------------------------------------

std::set<Capability> Kubernetes::capabilities() const {
    std::set<Capability> able = {
        Capability::several_nodes, Capability::gpus,       Capability::memory_limits,
        Capability::time_limits,   Capability::priorities, Capability::partitions,
        Capability::exclude_nodes, Capability::hold_nodes, Capability::several_tasks,
        Capability::notice,        Capability::images,     Capability::drain_nodes};
    if (!options_of_.service_accounts.empty()) {
        able.insert(Capability::principals);
    }
    if (kubernetes::sees_jobs(options_of_)) {
        able.insert(Capability::files);
    }
    return able;
}

Result<void> Kubernetes::accepts(const JobSpec& spec) const {
    TRY(check_files(spec, options_of_));  // its words say more than a capability
    TRY(check_capabilities(spec, *this));
    TRY(check_request(spec, options_of_));
    if (context_.offer) {
        TRY(choose_shape(wanted_shape(spec, options_of_), options_of_, *context_.offer));
    }
    return options_of_.fixed_nodes && !context_.machines.empty()
               ? fits(spec, context_.machines, options_of_)
               : Result<void>();
}

// --- Looking ---------------------------------------------------------------------------------

void Kubernetes::drop(const std::string& uid, const AttemptKey& key) {
    const auto found = context_.pods.find(key);
    if (found == context_.pods.end()) {
        return;
    }
    std::erase_if(found->second, [&](const auto& one) { return one.second.uid == uid; });
    if (found->second.empty()) {
        context_.pods.erase(found);
    }
}

void Kubernetes::tell(const Token& token) {
    if (const auto found = jobs_.find(token); found != jobs_.end()) {
        static_cast<KubernetesJob&>(*found->second).hear();
    }
}

void Kubernetes::tell_all() {
    for (const auto& [token, job] : jobs_) {
        static_cast<KubernetesJob&>(*job).hear();
    }
}

void Kubernetes::take(PodNews news) {
    if (news.all) {
        context_.pods.clear();
        places_.clear();
        context_.listed = news.asked;
        tell_all();
    }
    for (auto& [uid, pod] : news.pods) {
        if (!pod) {
            if (const auto place = places_.find(uid); place != places_.end()) {
                tell(place->second.first.first);
                drop(uid, place->second.first);
                places_.erase(place);
            }
            continue;
        }
        const AttemptKey key(pod->token, pod->epoch);
        tell(pod->token);
        places_[uid] = {key, pod->rank};
        // Copied: what was moved would hold the pages of a list of all, of which little is kept.
        context_.pods[key][pod->rank] = *pod;
    }
    if (news.all) {
        news.pods.clear();
        ::malloc_trim(0);
    }
    if (context_.trouble.empty() && !news.trouble.empty()) {
        context_.trouble_since = clock_.monotonic();
    }
    context_.trouble = std::move(news.trouble);
}

// What no job has any more: of attempts that were forgotten, ended or followed by another.
void Kubernetes::sweep() {
    const auto now = clock_.monotonic();
    if (now < next_sweep_ || !context_.listed || !context_.trouble.empty()) {
        return;
    }
    next_sweep_ = now + k_sweep_period;
    std::set<AttemptKey> left;
    const auto look_at = [&](const AttemptKey& key) {
        const auto job = jobs_.find(key.first);
        const bool needed = job != jobs_.end() && !is_final(job->second->status().state) &&
                            job->second->status().epoch <= key.second;
        if (!needed) {
            left.insert(key);
        }
    };
    for (const auto& [key, pods] : context_.pods) {
        look_at(key);
    }
    for (const auto& [key, object] : context_.objects) {
        look_at(key);
    }
    for (const auto& [token, epoch] : left) {
        context_.clean(token, epoch, 0s);
    }
}

void Kubernetes::poll() {
    take(watcher_.collect());
    acts_.collect();
    asks_.collect();
    rounds_.go();
    context_.running =
        static_cast<std::size_t>(std::count_if(jobs_.begin(), jobs_.end(), [](const auto& entry) {
            return entry.second->status().state == State::running;
        }));
    Book::poll();
    drains_.remove_if([](Drain& drain) { return drain.look(); });
    sweep();
}

Result<LogChunk> Kubernetes::logs(const Token& token, Stream stream, std::uint64_t offset,
                                  std::size_t max_bytes) {
    if (const auto found = jobs_.find(token); found != jobs_.end()) {
        static_cast<KubernetesJob&>(*found->second).refresh_log();
    }
    return Book::logs(token, stream, offset, max_bytes);
}

// --- Nodes -----------------------------------------------------------------------------------

Result<std::vector<Node>> Kubernetes::nodes() {
    if (!context_.looked) {
        return fail(Fault::unavailable,
                    fmt::format("the nodes of {} have not been seen", options_of_.name),
                    {.hint = "sust backend check " + options_of_.name +
                             " tells whether they may be listed"});
    }
    std::set<std::string> busy;
    for (const auto& [key, pods] : context_.pods) {
        for (const auto& [rank, pod] : pods) {
            busy.insert(pod.node);
        }
    }
    std::vector<Node> nodes;
    for (const auto& machine : context_.machines) {
        auto node = machine.node;
        if (busy.contains(node.name) && node.state != NodeState::down) {
            node.state = node.state == NodeState::drained ? NodeState::draining : NodeState::busy;
        }
        nodes.push_back(std::move(node));
    }
    return nodes;
}

Result<const Machine*> Kubernetes::machine_named(std::string_view name) const {
    for (const auto& machine : context_.machines) {
        if (machine.node.name == name) {
            return &machine;
        }
    }
    return fail(Fault::not_found, "no node '" + core::printable(name, 80) + "'");
}

void Kubernetes::apply_to_node(nlohmann::json object, std::string_view name, Then<void> then) {
    rounds_.nodes_soon();
    ask<void>(
        asks_,
        [this, object = std::move(object),
         path = "/api/v1/nodes/" + std::string(name)]() -> Result<void> {
            TRY(asking_.apply(path, object));
            return {};
        },
        std::move(then));
}

void Kubernetes::hold(std::string_view node, std::string_view reason, Then<void> then) {
    const auto machine = machine_named(node);
    if (!machine) {
        return then(tl::unexpected<core::Error>(machine.error()));
    }
    if ((*machine)->unschedulable && !(*machine)->node.held) {
        return then(fail(Fault::conflict, fmt::format("{} is cordoned by somebody else", node)));
    }
    apply_to_node(hold_object(node, core::printable(reason, 200)), node, std::move(then));
}

void Kubernetes::drain(std::string_view node, std::string_view reason, Duration within,
                       Then<Drained> then) {
    if (drains_.size() >= k_drains_max) {
        return then(fail(Fault::exhausted, "too many nodes are being drained",
                         {.hint = fmt::format("again when one of the {} is done", k_drains_max)}));
    }
    hold(node, reason,
         [this, name = std::string(node), within, then = std::move(then)](Result<void> held) {
             if (!held) {
                 return then(tl::unexpected<core::Error>(std::move(held).error()));
             }
             drains_.emplace_back(context_, name, within, then);
         });
}

// What we hold is ours as a field's manager: who cordoned it besides us still has it then.
void Kubernetes::release(std::string_view node, Then<void> then) {
    const auto machine = machine_named(node);
    if (!machine) {
        return then(tl::unexpected<core::Error>(machine.error()));
    }
    if (!(*machine)->node.held) {
        return then(
            (*machine)->unschedulable
                ? fail(Fault::conflict, fmt::format("{} is cordoned by somebody else", node))
                : Result<void>());
    }
    apply_to_node(release_object(node), node, std::move(then));
}

// --- Questions -------------------------------------------------------------------------------

void Kubernetes::outlook(const JobSpec& spec, Then<Outlook> then) {
    if (auto accepted = accepts(spec); !accepted) {
        return then(tl::unexpected<core::Error>(std::move(accepted).error()));
    }
    Outlook outlook{.where = "namespace " + context_.space};
    outlook.why = context_.machines.empty()
                      ? "nodes may not be listed; Kubernetes tells no start"
                      : fmt::format("{} of {} nodes could have it; Kubernetes tells no start",
                                    count_fitting(spec, context_.machines, options_of_),
                                    context_.machines.size());
    then(std::move(outlook));
}

void Kubernetes::check(Then<std::vector<CheckLine>> then) {
    ask<Checked>(
        asks_,
        [this]() -> Result<Checked> {
            return kubernetes::check(asking_,
                                     {.options = options_of_,
                                      .space = context_.space,
                                      .controller = context_.controller},
                                     clock_);
        },
        [this, then = std::move(then)](Result<Checked> checked) {
            if (!checked) {
                return then(tl::unexpected<core::Error>(std::move(checked).error()));
            }
            if (checked->offer) {
                rounds_.take(std::move(*checked->offer));
            }
            then(std::move(checked->lines));
        });
}

// Whose the pods are: of this folder of jobs, and of no other controller in the namespace.
Result<std::string> controller_of(const Path& jobs, const core::Clock& clock) {
    TRY(core::make_directories(jobs, 0700));
    const auto file = jobs / ".controller";
    if (const auto kept = TRY(core::read_file_if_any(file, k_id_bytes_max))) {
        return std::string(core::trim(*kept));
    }
    const auto made = core::make_id(clock, "sust-");
    TRY(core::write_file(file, made + "\n", 0600));
    return made;
}

}  // namespace
}  // namespace kubernetes

Result<std::unique_ptr<Scheduler>> open_kubernetes(KubernetesOptions options,
                                                   const core::Clock& clock, core::Log log) {
    auto access =
        TRY(options.kubeconfig.empty()
                ? kubernetes::in_cluster(options.environment, Path(kubernetes::k_pod_folder))
                : kubernetes::read_kubeconfig(options.kubeconfig, options.context));
    if (options.space.empty()) {
        options.space = access.space.empty() ? "default" : access.space;
    }
    auto controller = TRY(kubernetes::controller_of(options.book.jobs, clock));
    auto opened = std::make_unique<kubernetes::Kubernetes>(
        std::move(options), std::move(access), std::move(controller), clock, std::move(log));
    TRY(opened->find());
    return std::unique_ptr<Scheduler>(std::move(opened));
}

}  // namespace sust::cluster
