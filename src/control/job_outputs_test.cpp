#include "control/job_outputs.h"

#include <deque>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cluster/fake_scheduler.h"
#include "cluster/fence.h"
#include "control/job_inputs.h"
#include "control/jobs.h"
#include "control/migrations.h"
#include "store/lineage.h"

namespace sust::control {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using cluster::End;
using core::Fault;
using core::Path;
using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* k_line = "{\"prompt\":\"a\",\"completion\":\"b\"}\n";
constexpr const char* k_reads = "[[input]]\nartifact = 'old'\npath = 'in/old'\n";
constexpr const char* k_leaves =
    "[[output]]\nname = 'made'\nkind = 'dataset'\npath = 'out/data.jsonl'\n";

// The pool is a queue that the test works off: what waits there is lost when sustd is killed.
struct Work {
    std::function<void()> work;
    std::function<void()> done;
};

class JobFilesTest : public testing::Test {
  protected:
    JobFilesTest() {
        EXPECT_TRUE(migrate(database_));
        back_end_.folder = home_.path() / "jobs";
        backends_.add(back_end_);
        put_dataset("old", k_line);
        restart();
    }

    // As after kill -9.
    void restart() {
        queue_.clear();
        jobs_.emplace(Jobs::open({.database = database_,
                                  .backends = backends_,
                                  .clock = clock_,
                                  .log = core::Log::silent(),
                                  .places = {},
                                  .root = {},
                                  .store = store_,
                                  .offload =
                                      [this](auto work, auto done) {
                                          queue_.push_back({std::move(work), std::move(done)});
                                          return core::Result<void>();
                                      }})
                          .value());
    }
    void put_dataset(const std::string& name, std::string_view bytes) {
        const auto blob = store_.put_bytes(bytes, "").value();
        const auto made =
            store_
                .put_model(store::Kind::dataset,
                           {{.path = "train.jsonl", .digest = blob.digest, .size = blob.size}}, {})
                .value();
        ASSERT_TRUE(store_.set_name(name, made.digest));
    }
    core::Result<Job> try_submit(const std::string& text) {
        return jobs_->submit(cluster::read_request(TRY(core::TomlTable::parse(
                                                       "command = ['make']\n" + text, "job.toml")))
                                 .value());
    }
    std::string submit(const std::string& text) { return try_submit(text).value().id; }
    // What the pool has to do now, without what follows from it.
    void work() {
        for (auto& one : queue_) {
            one.work();
        }
    }
    void run_pool() {
        while (!queue_.empty()) {
            const auto one = std::move(queue_.front());
            queue_.pop_front();
            one.work();
            one.done();
        }
    }
    Path attempt(const std::string& id) const { return back_end_.folder / id / "1"; }
    // As the attempt would, with the fence that a real back end keeps.
    void leave(const std::string& id, const Path& path, std::string_view bytes = k_line) {
        ASSERT_TRUE(core::make_directories(back_end_.folder / id));
        ASSERT_TRUE(cluster::raise_fence(back_end_.folder / id, 1, core::Deadline(clock_, 1s)));
        ASSERT_TRUE(core::make_directories((attempt(id) / path).parent_path()));
        ASSERT_TRUE(core::write_file(attempt(id) / path, bytes));
    }
    void complete(const std::string& id) {
        back_end_.finish(id, End::completed, {}, 0);
        jobs_->on_job(back_end_.job(id).status);
    }
    Job show(const std::string& id) { return jobs_->show(id).value(); }
    json told(const std::string& id) { return show(id); }
    std::vector<std::string> statements(const std::string& name) {
        return store_.statements(store_.resolve(name)->value()).value();
    }

    core::ManualClock clock_;
    core::TemporaryDirectory home_ =
        core::TemporaryDirectory::create(fs::temp_directory_path(), "job-files-").value();
    store::Store store_ = store::Store::open(home_.path() / "store", clock_).value();
    core::Database database_ = core::Database::open_in_memory().value();
    cluster::FakeScheduler back_end_;
    cluster::Backends backends_;
    std::deque<Work> queue_;
    std::optional<Jobs> jobs_;
};

TEST_F(JobFilesTest, InputsAreThereBeforeTheBackEndHasTheJob) {
    const auto id = submit(k_reads);
    EXPECT_THAT(back_end_.jobs, IsEmpty());
    EXPECT_EQ(told(id)["reason"], "its inputs are being brought");
    EXPECT_EQ(told(id)["inputs"][0]["digest"], store_.resolve("old")->value().str());
    run_pool();
    const auto file = back_end_.folder / id / "inputs/old/train.jsonl";
    EXPECT_EQ(core::read_file(file, 1000).value(), k_line);
    EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read);
    EXPECT_NE(fs::hard_link_count(file), 2U) << "a blob is nobody's to write to";
    EXPECT_TRUE(back_end_.jobs.contains(id));
    EXPECT_EQ(back_end_.job(id).spec.inputs.at("old"), Path("in/old"));
}

TEST_F(JobFilesTest, ADigestIsWhatItWasWhateverItsNameIsLater) {
    const auto id = submit(k_reads);
    put_dataset("old", std::string(k_line) + k_line);
    run_pool();
    EXPECT_EQ(core::read_file(back_end_.folder / id / "inputs/old/train.jsonl", 1000).value(),
              k_line);
}

TEST_F(JobFilesTest, WhatAJobReadsIsKeptUntilItHasEnded) {
    const auto id = submit(k_reads);
    run_pool();
    EXPECT_EQ(store_.remove_name("old").error().fault, Fault::conflict);
    EXPECT_THAT(store_.roots().value(), SizeIs(1));
    complete(id);
    EXPECT_THAT(store_.roots().value(), IsEmpty());
    run_pool();
    EXPECT_FALSE(core::path_exists(back_end_.folder / id / "inputs"));
    EXPECT_TRUE(store_.remove_name("old"));
}

TEST_F(JobFilesTest, TheLinksOfAWrapperThatWasKilledGoAndThoseOfOthersStay) {
    const auto work_folder = home_.path() / "shared";
    const auto id = submit("workdir = '" + work_folder.string() + "'\n" + k_reads);
    run_pool();
    ASSERT_TRUE(core::make_directories(work_folder / "in"));
    fs::create_symlink("/as/a/pod/has/it/" + id + "/inputs/old", work_folder / "in/old");
    fs::create_symlink("/as/a/pod/has/it/other/inputs/old", work_folder / "in/older");
    complete(id);
    run_pool();
    EXPECT_FALSE(fs::is_symlink(work_folder / "in/old"));
    EXPECT_TRUE(fs::is_symlink(work_folder / "in/older"));
}

TEST_F(JobFilesTest, AControllerThatStopsCopiesNothingToItsEndAndTheNextDoes) {
    const auto reads = submit(k_reads);
    jobs_->stop_bringing();
    run_pool();
    EXPECT_THAT(told(reads)["reason"].get<std::string>(), HasSubstr("sustd stops"));
    EXPECT_THAT(back_end_.jobs, IsEmpty());
    restart();
    jobs_->tick();
    run_pool();
    EXPECT_TRUE(back_end_.jobs.contains(reads));
}

TEST_F(JobFilesTest, AControllerThatStartsLetsGoOfWhatNoJobHolds) {
    ASSERT_TRUE(hold_artifacts("job-lost", {}, {.inputs = {{"a", *store_.resolve("old").value()}}},
                               store_));
    const auto id = submit(k_reads);
    restart();
    ASSERT_THAT(store_.roots().value(), SizeIs(1));
    EXPECT_EQ(store_.roots().value().front().id, id);
}

TEST_F(JobFilesTest, UnknownArtifactsAndNamesThatAreTakenAreRefusedBeforeAnythingIsKept) {
    const std::pair<std::string, Fault> all[] = {
        {"[[input]]\nartifact = 'none'\npath = 'a'\n", Fault::not_found},
        {"[[input]]\nartifact = 'sha256:" + std::string(64, 'a') + "'\npath = 'a'\n",
         Fault::not_found},
        {"[[output]]\nname = 'old'\nkind = 'dataset'\npath = 'a'\n", Fault::conflict},
        {"[[output]]\nname = 'old'\nkind = 'model'\nreplace = true\npath = 'a'\n", Fault::conflict},
        {"[[output]]\nname = 'a'\nkind = 'adapter'\nbase = 'old'\npath = 'a'\n", Fault::invalid}};
    for (const auto& [text, fault] : all) {
        const auto refused = try_submit(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().fault, fault) << core::to_string(refused.error());
        EXPECT_THAT(core::to_string(refused.error()), HasSubstr("job.toml:2")) << text;
    }
    EXPECT_THAT(jobs_->list({}, 10).value(), IsEmpty());
    EXPECT_THAT(store_.roots().value(), IsEmpty());
    EXPECT_TRUE(
        try_submit("[[output]]\nname = 'old'\nkind = 'dataset'\nreplace = true\npath = 'a'\n"));
}

TEST_F(JobFilesTest, AnOutputBecomesAnArtifactThatKnowsItsInputsAndItsJob) {
    const auto id = submit(std::string(k_reads) + k_leaves);
    run_pool();
    leave(id, "out/data.jsonl", std::string(k_line) + k_line);
    complete(id);
    EXPECT_EQ(told(id)["state"], "stopping");
    EXPECT_EQ(told(id)["final"], false);
    run_pool();
    EXPECT_EQ(end_of(show(id)), End::completed) << told(id);
    const auto digest = store_.require("made", store::Kind::dataset).value();
    EXPECT_EQ(told(id)["outputs"][0]["digest"], digest.str());
    const auto all = statements("made");
    ASSERT_THAT(all, SizeIs(1));
    const auto statement = store::read_statement(all.front()).value();
    ASSERT_THAT(statement.dependencies, SizeIs(1));
    EXPECT_EQ(statement.dependencies[0].name, "input:old");
    EXPECT_EQ(statement.dependencies[0].digest, *store_.resolve("old").value());
    EXPECT_EQ(json::parse(all.front())["predicate"]["runDetails"]["metadata"]["invocationId"], id);
    EXPECT_THAT(database_.query("SELECT facts FROM datasets").value(), SizeIs(1));
    EXPECT_THAT(store_.roots().value(), IsEmpty());
    restart();
    EXPECT_EQ(told(id)["outputs"][0]["digest"], digest.str());
}

TEST_F(JobFilesTest, AMissingOutputFailsTheJobAlthoughItsCommandCompleted) {
    const auto id = submit(std::string(k_leaves) +
                           "[[output]]\nname = 'second'\nkind = 'dataset'\npath = 'second'\n");
    leave(id, "out/data.jsonl");
    complete(id);
    run_pool();
    EXPECT_EQ(told(id)["end"], "failed");
    EXPECT_EQ(told(id)["exit_status"], 0);
    EXPECT_EQ(told(id)["attempts"][0]["end"], "completed");
    EXPECT_THAT(told(id)["reason"].get<std::string>(), HasSubstr("output second"));
    EXPECT_THAT(told(id)["reason"].get<std::string>(), HasSubstr("has not left it"));
    EXPECT_FALSE(store_.resolve("made").value()) << "all or none";
}

TEST_F(JobFilesTest, WhatIsNoDatasetIsToldByLine) {
    const auto id = submit(k_leaves);
    leave(id, "out/data.jsonl", "{\"prompt\":\n");
    complete(id);
    run_pool();
    EXPECT_EQ(told(id)["end"], "failed");
    EXPECT_THAT(told(id)["reason"].get<std::string>(), HasSubstr("data.jsonl:1"));
}

TEST_F(JobFilesTest, AFailedCommandPublishesNothing) {
    const auto id = submit(k_leaves);
    leave(id, "out/data.jsonl");
    back_end_.finish(id, End::failed, "exit status 1", 1);
    jobs_->on_job(back_end_.job(id).status);
    EXPECT_THAT(queue_, IsEmpty());
    EXPECT_EQ(told(id)["end"], "failed");
    EXPECT_FALSE(store_.resolve("made").value());
}

TEST_F(JobFilesTest, AnAttemptWhosePlaceWasTakenCommitsNothing) {
    const auto id = submit(k_leaves);
    leave(id, "out/data.jsonl");
    ASSERT_TRUE(cluster::raise_fence(back_end_.folder / id, 2, core::Deadline(clock_, 1s)));
    complete(id);
    run_pool();
    EXPECT_THAT(told(id)["reason"].get<std::string>(),
                HasSubstr("attempt 1 may not commit: attempt 2 took its place"));
    EXPECT_FALSE(store_.resolve("made").value());
}

TEST_F(JobFilesTest, KilledBetweenAnyTwoStepsItComesToTheSameEnd) {
    for (const bool with_work : {false, true}) {
        SCOPED_TRACE(with_work);
        const std::string name = with_work ? "late" : "early";
        const auto id = submit(std::string(k_reads) + "[[output]]\nname = '" + name +
                               "'\nkind = 'dataset'\npath = 'data.jsonl'\n");
        for (int kill = 0; kill < 3; ++kill) {  // the inputs are half there, or whole and unknown
            if (with_work) {
                work();
            } else {
                ASSERT_TRUE(core::make_directories(back_end_.folder / id / "inputs/old/part"));
            }
            restart();
            EXPECT_FALSE(back_end_.jobs.contains(id));
            jobs_->tick();
        }
        run_pool();
        ASSERT_TRUE(back_end_.jobs.contains(id));
        EXPECT_FALSE(core::path_exists(back_end_.folder / id / "inputs/old/part"));
        leave(id, "data.jsonl");
        complete(id);
        for (int kill = 0; kill < 3; ++kill) {
            if (with_work) {
                work();  // published, and nobody heard of it
            }
            restart();
            EXPECT_EQ(told(id)["final"], false);
            jobs_->tick();
        }
        run_pool();
        EXPECT_EQ(end_of(show(id)), End::completed) << told(id);
        EXPECT_THAT(statements(name), SizeIs(1)) << "however often it was begun";
        EXPECT_THAT(store_.roots().value(), IsEmpty());
    }
}

TEST_F(JobFilesTest, TroubleThatMayPassIsWaitedForAndAnAnswerIsAnEnd) {
    const auto blob =
        store_.blob_path(store_.files(*store_.resolve("old").value()).value()[0].digest);
    const auto away = home_.path() / "away";
    const auto id = submit(k_reads);
    fs::rename(blob, away);
    fs::create_symlink(away, blob);  // nothing that a store has
    run_pool();
    EXPECT_THAT(told(id)["reason"].get<std::string>(), HasSubstr("cannot be brought"));
    fs::rename(away, blob);
    jobs_->tick();
    EXPECT_THAT(queue_, IsEmpty()) << "not before its time";
    clock_.advance(31s);
    jobs_->tick();
    run_pool();
    EXPECT_TRUE(back_end_.jobs.contains(id));
    complete(id);
    run_pool();

    const auto lost = submit(k_reads);
    fs::remove(blob);
    run_pool();
    EXPECT_EQ(end_of(show(lost)), End::start_failed);
    EXPECT_FALSE(back_end_.jobs.contains(lost));
    EXPECT_THAT(store_.roots().value(), IsEmpty());
}

TEST_F(JobFilesTest, CancelledWhileItsFilesAreBroughtItLeavesNothing) {
    const auto before = submit(k_reads);
    ASSERT_TRUE(jobs_->cancel(before));
    EXPECT_FALSE(show(before).phase == JobPhase::ended);
    run_pool();
    EXPECT_EQ(end_of(show(before)), End::cancelled);
    EXPECT_FALSE(back_end_.jobs.contains(before));
    const auto after = submit(k_leaves);
    leave(after, "out/data.jsonl");
    complete(after);
    queue_.clear();
    restart();
    ASSERT_TRUE(jobs_->cancel(after));
    EXPECT_EQ(end_of(show(after)), End::cancelled);
    EXPECT_FALSE(store_.resolve("made").value());
    EXPECT_THAT(store_.roots().value(), IsEmpty());
}

}  // namespace
}  // namespace sust::control
