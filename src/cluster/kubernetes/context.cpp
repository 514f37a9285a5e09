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

void Context::clean(const Token& token, std::int64_t epoch, Duration grace,
                    const std::string& shape) {
    const AttemptKey key(token, epoch);
    if (!cleaning.insert(key).second) {
        return;
    }
    Leftovers left{
        .secret = secret_name(token, epoch), .object = shaped_name(token, epoch), .grace = grace};
    auto made_by = shape;
    if (const auto found = objects.find(key); found != objects.end()) {
        made_by = found->second.shape;
    }
    if (const auto found = pods.find(key); found != pods.end()) {
        left.pods = wishes_of(found->second, [](const Pod&) { return true; });
        const auto& said = found->second.begin()->second.shape;
        made_by = said.empty() ? made_by : said;
    }
    if (const auto* known = find_shape(options.shapes, made_by)) {
        left.shape = *known;
    } else if (!made_by.empty() && made_by != k_pods) {
        // Where its object is not known, its controller would make the pods again.
        log.error("what is left of a job stays: there is no template of its shape any more",
                  {{"job", token.value}, {"shape", made_by}, {"next", "put the template back"}});
        cleaning.erase(key);
        return;
    }
    const auto posted = acts.post(
        [this, left = std::move(left)] {
            if (const auto done = kubernetes::clean(acting, space, left); !done) {
                log.warn("what is left of a job could not be removed yet",
                         {{"error", core::to_string(done.error())}});
            }
        },
        [this, key] {
            cleaning.erase(key);
            objects.erase(key);  // the next list tells if it is still there
        });
    if (!posted) {
        cleaning.erase(key);
    }
}

std::vector<const Shape*> Context::used_shapes() const {
    std::vector<const Shape*> used;
    for (const auto& name : shapes) {
        if (const auto* shape = find_shape(options.shapes, name)) {
            used.push_back(shape);
        }
    }
    return used;
}

bool Context::has_older(const Token& token, std::int64_t epoch) const {
    const auto first = pods.lower_bound({token, 0});
    return first != pods.end() && first->first.first == token && first->first.second < epoch;
}

}  // namespace sust::cluster::kubernetes
