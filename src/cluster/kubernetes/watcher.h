#pragma once

// The thread that watches the pods of one back end: a list, then a watch from there, for ever.
// What it hears waits, one entry a pod, until the control loop collects it.

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "cluster/kubernetes/client.h"
#include "cluster/kubernetes/pod.h"
#include "core/fd.h"
#include "core/log.h"

namespace sust::cluster::kubernetes {

// What has changed since the last time.
struct PodNews {
    bool all = false;                                // these pods are all there are
    std::map<std::string, std::optional<Pod>> pods;  // by uid; nothing: it is gone
    core::MonoTime asked{};                          // of the list that these follow
    std::string trouble;                             // why nothing is heard now; empty: all is well
};

class Watcher {
  public:
    // `path` and `selector` of the collection. The client is the watcher's own.
    Watcher(Credentials& credentials, std::string path, std::string selector,
            const core::Clock& clock, core::Log log, Duration patience);
    // Ends the watch that is under way.
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    PodNews collect();
    // Readable while there is news.
    int fd() const { return fd_.get(); }

  private:
    void run();
    Result<void> list(std::string& version);
    Result<void> follow(std::string& version);
    std::optional<Pod> read(const nlohmann::json& object) const;
    void tell(const std::string& trouble);
    // False: it is to stop.
    bool pause(Duration duration);
    void wake() const;

    Client client_;
    std::string path_;
    std::string selector_;
    const core::Clock& clock_;
    core::Log log_;
    core::Fd fd_;
    std::mutex mutex_;
    std::condition_variable stopping_;
    bool stop_ = false;
    PodNews news_;
    std::thread thread_;
};

}  // namespace sust::cluster::kubernetes
