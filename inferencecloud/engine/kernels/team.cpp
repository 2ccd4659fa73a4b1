#include "team.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace {

constexpr auto kAwake = std::chrono::microseconds(100);  // how long a helper looks out for a job before it sleeps
constexpr int kLooks = 32;                               // between two looks at the clock
constexpr int kPatience = 4096;                          // looks of who waits for helpers before it lets others run

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

struct Job {
  void (*work)(const void*, int64_t);
  const void* context;
  int64_t count;
  uint32_t helpers;  // who may take part, the caller aside
};

// The state of the team in one number: which job, whether it can be joined, and how many helpers are at it.
constexpr uint32_t kHelper = 1, kHelpers = 0x7fff, kOpen = 0x8000, kNumber = 0x10000;

// Clears the flag at its end.
struct Taken {
  std::atomic_flag& flag;
  ~Taken() { flag.clear(std::memory_order_release); }
};

class Team {
 public:
  void run(const Job& job) {
    if (is_taken_.test_and_set(std::memory_order_acquire)) {
      for (int64_t item = 0; item < job.count; item++) job.work(job.context, item);
      return;
    }
    const Taken mine{is_taken_};
    hire(job.helpers);
    job_ = job;
    next_.store(0, std::memory_order_relaxed);
    number_ += kNumber;
    state_.store(number_ | kOpen, std::memory_order_seq_cst);
    state_.notify_all();
    take_items();
    state_.fetch_and(~kOpen, std::memory_order_acq_rel);
    for (int look = 0; (state_.load(std::memory_order_acquire) & kHelpers) != 0; look++) {
      look < kPatience ? pause() : std::this_thread::yield();
    }
    has_failed_.clear();
    if (const std::exception_ptr problem = std::exchange(failure_, nullptr)) std::rethrow_exception(problem);
  }

 private:
  void hire(uint32_t helpers) {
    try {
      for (; hired_ < helpers; hired_++) std::thread([this] { help(); }).detach();
    } catch (const std::system_error&) {  // the system gives no more threads: those that are there do the work
    }
  }

  void take_items() {
    try {
      for (int64_t item = next_++; item < job_.count; item = next_++) job_.work(job_.context, item);
    } catch (...) {
      if (!has_failed_.test_and_set()) failure_ = std::current_exception();
      next_ = job_.count;
    }
  }

  void help() {
    uint32_t last = 0;
    for (;;) {
      uint32_t state = await(last);
      last = state & ~(kOpen | kHelpers);
      while ((state & kOpen) != 0) {
        if (!state_.compare_exchange_weak(state, state + kHelper, std::memory_order_acq_rel)) {
          if ((state & ~(kOpen | kHelpers)) != last) break;
          continue;
        }
        if ((state & kHelpers) < job_.helpers) take_items();  // only who has joined may read the job
        state_.fetch_sub(kHelper, std::memory_order_acq_rel);
        break;
      }
    }
  }

  // Return the state as soon as it is of another job than `last`, and open.
  uint32_t await(uint32_t last) const {
    const auto is_new = [last](uint32_t state) {
      return (state & kOpen) != 0 && (state & ~(kOpen | kHelpers)) != last;
    };
    auto until = std::chrono::steady_clock::now() + kAwake;
    uint32_t state = state_.load(std::memory_order_acquire);
    while (!is_new(state)) {
      for (int look = 0; look < kLooks && !is_new(state); look++) {
        pause();
        state = state_.load(std::memory_order_acquire);
      }
      if (is_new(state) || std::chrono::steady_clock::now() < until) continue;
      state_.wait(state, std::memory_order_acquire);
      state = state_.load(std::memory_order_acquire);
      until = std::chrono::steady_clock::now() + kAwake;
    }
    return state;
  }

  std::atomic_flag is_taken_;
  uint32_t hired_ = 0, number_ = 0;  // the caller's
  Job job_{};
  alignas(64) std::atomic<uint32_t> state_{0};
  alignas(64) std::atomic<int64_t> next_{0};
  std::atomic_flag has_failed_;
  std::exception_ptr failure_;  // of whoever failed first
};

// Never ended, as its threads never are. A process that was forked has none of them, so it gets another.
std::atomic<Team*> team{nullptr};

Team& own_team() {
  static std::once_flag begun;
  std::call_once(begun, [] {
    team = new Team;
    pthread_atfork(nullptr, nullptr, [] { team = new Team; });
  });
  return *team;
}

}  // namespace

void share_out(int64_t count, int64_t threads, void (*work)(const void* context, int64_t item), const void* context) {
  if (count <= 1 || threads <= 1) {
    for (int64_t item = 0; item < count; item++) work(context, item);
    return;
  }
  const int64_t helpers = (threads < count ? threads : count) - 1;
  own_team().run({work, context, count, (uint32_t)(helpers < (int64_t)kHelpers ? helpers : kHelpers)});
}
