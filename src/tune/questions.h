#pragma once

// Evaluation data as questions with one right answer each, for an OpenAI-compatible engine.

#include <cstdint>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/http.h"
#include "core/result.h"
#include "tune/data.h"

namespace sust::tune {

struct Question {
    DataFormat format = DataFormat::chat;
    std::string asked_json;  // "messages" (all but the last) or "prompt", as JSON
    std::string expected;
};

// The example's last assistant message (or completion) is the answer, all before it the question.
Result<Question> question_of(std::string_view line);

// The request for it: temperature 0, an answer at most a little longer than the right one.
// `select_json` is merged in (which adapter).
core::http::Request request_for(const Question& question, std::string_view engine_model,
                                std::string_view select_json);
// The text that the engine answered.
Result<std::string> answer_in(const Question& question, std::string_view body);

// Equal as JSON values if the expected text is JSON, else as trimmed text.
bool is_right(std::string_view expected, std::string_view answer);
bool is_json(std::string_view text);

// The lines of a file, one at a time; safe from every thread. Memory does not grow with the file.
class QuestionReader {
  public:
    // limit 0: all.
    static Result<std::unique_ptr<QuestionReader>> open(const Path& file, std::int64_t limit);
    // Nothing at the end.
    Result<std::optional<Question>> next();
    std::int64_t total() const { return total_; }

  private:
    QuestionReader(std::ifstream in, std::int64_t total) : in_(std::move(in)), total_(total) {}
    std::mutex mutex_;
    std::ifstream in_;
    std::int64_t total_;
    std::int64_t given_ = 0;
};

}  // namespace sust::tune
