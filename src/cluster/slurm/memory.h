#pragma once

// What Slurm's accounting says of jobs that its list has lost: one question for all in doubt. Used
// on the control loop's thread; the question itself is asked by the back end's.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "cluster/slurm/text.h"

namespace sust::cluster::slurm {

class Memory {
  public:
    // Asked about in the next question, unless it was answered lately.
    void doubt(const std::string& id, core::MonoTime now);
    // False: there is nothing to wait for, because it was answered or nobody remembers anything.
    bool is_waiting_for(const std::string& id, core::MonoTime now) const;
    // How it ended, as far as that was told. A number alone is no job: name and user are compared.
    std::optional<End> end_of(const std::string& id, const std::string& name,
                              const std::string& user) const;

    // What to ask about now; empty: nothing. Then take() has to follow.
    std::vector<std::string> begin_question(core::MonoTime now);
    void take(const std::vector<std::string>& asked, const Result<std::vector<PastRow>>& told,
              core::MonoTime now);

  private:
    struct Known {
        core::MonoTime told;
        std::vector<PastRow> rows;
    };
    std::set<std::string> doubts_;
    std::map<std::string, Known> known_;
    bool asking_ = false;
    core::MonoTime useless_until_{};  // nobody remembers; asked again after that
};

}  // namespace sust::cluster::slurm
