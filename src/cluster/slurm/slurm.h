#pragma once

#include <memory>

#include "cluster/book.h"

namespace sust::cluster {

// slurmrestd in place of the commands.
struct RestOptions {
    std::string address;  // "http://127.0.0.1:6820", "unix:/run/slurmrestd.sock"; empty: none
    Path token_file;      // 0600, renewed by whoever made it
    std::string user;     // whose token it is
    // DIRECTORY/PRINCIPAL has the token of each; empty: `user` may act as others (SlurmUser).
    Path token_directory;
    std::string version;  // "v0.0.42"; empty: the newest that both sides have
};

struct SlurmOptions {
    std::string name;  // of the back end: "alps"
    // `book.jobs` is a directory that this machine and every node see at the same path.
    BookOptions book;
    Path agent;                 // sust-agent, as nodes see it
    std::string srun = "srun";  // likewise; a name is looked up in the job's PATH
    RestOptions rest;
    std::string user;  // whose name this process has
    // Whose jobs it runs besides our own, and what becomes them in front of a command.
    std::vector<std::string> principals;
    std::vector<std::string> become = {"setpriv", "--reuid={uid}", "--regid={gid}", "--init-groups",
                                       "--"};
    // Of Slurm's commands (SLURM_CONF), beside a small fixed one.
    core::Environment commands;
    // Of the wrapper: its PATH, HOME and the like.
    core::Environment base;
    std::string network;    // see Scheduler::network
    std::string partition;  // these two where a job says none
    std::string account;
    Duration period = std::chrono::seconds(2);     // of the listing of all jobs; 1 s at least
    Duration patience = std::chrono::seconds(30);  // for one command
    // Under way at once, 1 to k_submissions_max; the controller of a site is everybody's.
    int submissions = 4;
    // How long a directory may take to show what another machine wrote (NFS), and how long a
    // wrapper may say nothing before a job that Slurm forgot is given up.
    Duration carrier_grace = std::chrono::seconds(10);
    // How long a reason to wait for ever has to stand before the job is given up.
    Duration hopeless_grace = std::chrono::minutes(1);
    Duration silence = std::chrono::minutes(2);
};

inline constexpr int k_submissions_max = 16;

// Jobs of a Slurm cluster, through its commands or slurmrestd. Every call is made by the back end's
// own threads: one listing a period for all jobs, whatever their number, and a few submissions at
// once.
Result<std::unique_ptr<Scheduler>> open_slurm(SlurmOptions options, const core::Clock& clock,
                                              core::Log log);

}  // namespace sust::cluster
