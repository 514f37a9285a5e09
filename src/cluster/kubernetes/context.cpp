#include "cluster/kubernetes/context.h"

namespace sust::cluster::kubernetes {

std::vector<Wish> wishes_of(const std::map<int, Pod>& pods, bool (*wanted)(const Pod&)) {
    std::vector<Wish> wishes;
    for (const auto& [rank, pod] : pods) {
        if (wanted(pod)) {
            wishes.push_back({.pod = pod.name, .uid = pod.uid});
        }
    }
    return wishes;
}

void Context::clean(const Token& token, std::int64_t epoch, Duration grace) {
    const AttemptKey key(token, epoch);
    if (!cleaning.insert(key).second) {
        return;
    }
    const auto found = pods.find(key);
    const auto wishes = found == pods.end()
                            ? std::vector<Wish>()
                            : wishes_of(found->second, [](const Pod&) { return true; });
    const auto posted = acts.post(
        [this, wishes, secret = secret_name(token, epoch), grace] {
            if (const auto done = kubernetes::clean(acting, space, wishes, secret, grace); !done) {
                log.warn("what is left of a job could not be removed yet",
                         {{"error", core::to_string(done.error())}});
            }
        },
        [this, key] { cleaning.erase(key); });
    if (!posted) {
        cleaning.erase(key);
    }
}

bool Context::has_older(const Token& token, std::int64_t epoch) const {
    const auto first = pods.lower_bound({token, 0});
    return first != pods.end() && first->first.first == token && first->first.second < epoch;
}

}  // namespace sust::cluster::kubernetes
