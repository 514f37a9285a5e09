#include "cluster/slurm/memory.h"

namespace sust::cluster::slurm {

using namespace std::chrono_literals;

namespace {

constexpr Duration k_again = 30s;     // a database may be behind its controller
constexpr Duration k_useless = 5min;  // where none is configured
constexpr std::size_t k_asked_max = 1000;
constexpr std::size_t k_known_max = 10'000;

}  // namespace

void Memory::doubt(const std::string& id, core::MonoTime now) {
    const auto known = known_.find(id);
    if (now >= useless_until_ && (known == known_.end() || now - known->second.told > k_again)) {
        doubts_.insert(id);
    }
}

bool Memory::is_waiting_for(const std::string& id, core::MonoTime now) const {
    return now >= useless_until_ && known_.count(id) == 0;
}

std::optional<End> Memory::end_of(const std::string& id, const std::string& name,
                                  const std::string& user) const {
    const auto known = known_.find(id);
    if (known == known_.end()) {
        return {};
    }
    for (const auto& row : known->second.rows) {
        if (row.name == name && row.user == user) {
            return slurm::end_of(row.state);
        }
    }
    return {};
}

std::vector<std::string> Memory::begin_question(core::MonoTime now) {
    std::vector<std::string> ids;
    if (asking_ || now < useless_until_) {
        return ids;
    }
    while (!doubts_.empty() && ids.size() < k_asked_max) {
        ids.push_back(std::move(doubts_.extract(doubts_.begin()).value()));
    }
    asking_ = !ids.empty();
    return ids;
}

void Memory::take(const std::vector<std::string>& asked, const Result<std::vector<PastRow>>& told,
                  core::MonoTime now) {
    asking_ = false;
    if (!told) {
        useless_until_ = now + k_useless;
        return;
    }
    if (known_.size() > k_known_max) {
        known_.clear();
    }
    for (const auto& id : asked) {
        known_[id] = {.told = now, .rows = {}};
    }
    for (const auto& row : *told) {
        if (const auto known = known_.find(row.id); known != known_.end()) {
            known->second.rows.push_back(row);
        }
    }
}

}  // namespace sust::cluster::slurm
