#include "cluster/kubernetes/watcher.h"

#include <nlohmann/json.hpp>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace sust::cluster::kubernetes {

using namespace std::chrono_literals;

namespace {

constexpr Duration k_watch = 5min;  // then the server is asked again from where it was
constexpr Duration k_first_pause = 500ms;
constexpr Duration k_pause_max = 20s;

}  // namespace

Watcher::Watcher(Credentials& credentials, std::string path, std::string selector,
                 const core::Clock& clock, core::Log log, Duration patience)
    : client_(credentials, clock, patience),
      path_(std::move(path)),
      selector_(std::move(selector)),
      clock_(clock),
      log_(std::move(log)),
      fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      thread_([this] { run(); }) {
    ::pthread_setname_np(thread_.native_handle(), "pods");
}

Watcher::~Watcher() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    stopping_.notify_all();
    client_.stop();
    thread_.join();
}

void Watcher::run() {
    Duration wait = k_first_pause;
    std::string version;
    while (pause(0ms)) {
        const auto heard = version.empty() ? list(version) : follow(version);
        if (heard) {
            wait = k_first_pause;
            continue;
        }
        version.clear();  // after any trouble: a list tells that it is over, and misses nothing
        if (pause(0ms)) {
            tell(core::to_string(heard.error()));
        }
        (void)pause(wait);
        wait = std::min(wait * 2, k_pause_max);
    }
}

bool Watcher::pause(Duration duration) {
    std::unique_lock lock(mutex_);
    return !stopping_.wait_for(lock, duration, [this] { return stop_; });
}

void Watcher::wake() const {
    const std::uint64_t one = 1;
    (void)!::write(fd_.get(), &one, sizeof one);
}

void Watcher::tell(const std::string& trouble) {
    {
        const std::lock_guard lock(mutex_);
        if (news_.trouble == trouble) {
            return;
        }
        news_.trouble = trouble;
    }
    log_.warn("the pods of Kubernetes are not heard of", {{"error", trouble}});
    wake();
}

std::optional<Pod> Watcher::read(const nlohmann::json& object) const {
    auto pod = read_pod(object);
    if (!pod) {
        log_.warn("a pod is left out", {{"error", core::to_string(pod.error())}});
        return std::nullopt;
    }
    return std::move(*pod);
}

Result<void> Watcher::list(std::string& version) {
    const auto asked = clock_.monotonic();
    std::map<std::string, std::optional<Pod>> found;
    version = TRY(client_.list(
        path_, {{"labelSelector", selector_}}, [&] { found.clear(); },
        [&](const nlohmann::json& object) {
            if (auto pod = read(object)) {
                const auto uid = pod->uid;
                found[uid] = std::move(pod);
            }
        }));
    {
        const std::lock_guard lock(mutex_);
        news_.all = true;
        news_.pods = std::move(found);
        news_.asked = asked;
        news_.trouble.clear();
    }
    wake();
    return {};
}

// `version` becomes empty where the past was forgotten.
Result<void> Watcher::follow(std::string& version) {
    const auto end = TRY(client_.watch(
        path_, {{"labelSelector", selector_}}, version, k_watch,
        [this](std::string_view type, const nlohmann::json& object) {
            const bool gone = type == "DELETED";
            if (auto pod =
                    gone || type == "ADDED" || type == "MODIFIED" ? read(object) : std::nullopt) {
                const auto uid = pod->uid;
                {
                    const std::lock_guard lock(mutex_);
                    news_.pods[uid] = gone ? std::nullopt : std::move(pod);
                }
                wake();
            }
        }));
    if (end == WatchEnd::gone) {
        log_.info("what happened to pods meanwhile was forgotten; they are listed again");
        version.clear();
    }
    return {};
}

PodNews Watcher::collect() {
    const std::lock_guard lock(mutex_);
    std::uint64_t count = 0;
    (void)!::read(fd_.get(), &count, sizeof count);
    PodNews news{.all = news_.all,
                 .pods = std::move(news_.pods),
                 .asked = news_.asked,
                 .trouble = news_.trouble};
    news_.all = false;
    news_.pods.clear();
    return news;
}

}  // namespace sust::cluster::kubernetes
