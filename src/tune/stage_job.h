#pragma once

// A stage as a job of the cluster.

#include "cluster/job.h"
#include "core/places.h"
#include "store/store.h"
#include "tune/run.h"
#include "tune/work_folder.h"

namespace sust::tune {

struct JobNeeds {
    const core::Places& places;
    const store::Store& store;
    core::Path root;  // --root for the programs that the job starts
    int threads = 1;
};

// Writes what the stage's programs read (specifications) and says how they are started. The same
// run gives the same job, whatever its epoch.
core::Result<cluster::JobSpec> make_stage_job(const Run& run, Stage stage, const JobNeeds& needs);

// Why a job that ended did not succeed, for people: status, what it last printed, what to do next.
core::Error job_error(const Run& run, Stage stage, const cluster::JobStatus& status,
                      std::string_view last_words);

}  // namespace sust::tune
