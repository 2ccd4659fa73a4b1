// Three callers share out work at random, some of it failing or sharing out again; then a forked process does.
#include "team.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

void fail(const char* problem) {
  std::fprintf(stderr, "%s\n", problem);
  std::_Exit(1);
}

void count_up(const void* context, int64_t item) { (*(std::vector<int>*)context)[item]++; }

void every_item_once(int64_t items, int64_t threads) {
  std::vector<int> times(items);
  share_out(items, threads, count_up, &times);
  for (int each : times) {
    if (each != 1) fail("an item was not worked on once");
  }
}

struct Crowd {
  std::atomic<int> now{0}, most{0};
};

void enter_and_leave(const void* context, int64_t) {
  Crowd& crowd = *(Crowd*)context;
  const int now = ++crowd.now;
  for (int most = crowd.most; now > most && !crowd.most.compare_exchange_weak(most, now);) continue;
  std::this_thread::sleep_for(std::chrono::microseconds(50));
  crowd.now--;
}

void no_more_threads_than_wanted(int threads) {
  Crowd crowd;
  share_out(40, threads, enter_and_leave, &crowd);
  if (crowd.most > threads) fail("more threads took part than were wanted");
}

void help_comes() {
  std::atomic<int> here{0};
  const auto work = [](const void* context, int64_t) {
    std::atomic<int>& here = *(std::atomic<int>*)context;
    here++;
    for (int i = 0; i < 5000 && here < 2; i++) usleep(1000);
  };
  const auto begun = std::chrono::steady_clock::now();
  share_out(2, 2, work, &here);
  if (std::chrono::steady_clock::now() - begun > std::chrono::seconds(4)) fail("nobody came to help");
}

void failures_come_out() {
  const auto work = [](const void*, int64_t item) {
    if (item == 7) throw std::runtime_error("seven");
  };
  try {
    share_out(20, 3, work, nullptr);
  } catch (const std::runtime_error&) {
    return;
  }
  fail("what an item threw was lost");
}

void work_within_work() {
  std::atomic<int> done{0};
  const auto work = [](const void* context, int64_t) {
    const auto inner = [](const void* counter, int64_t) { (*(std::atomic<int>*)counter)++; };
    share_out(5, 2, inner, context);
  };
  share_out(4, 2, work, &done);
  if (done != 20) fail("work within work was lost");
}

void call(int seed, int rounds) {
  std::mt19937 dice(seed);
  for (int round = 0; round < rounds; round++) {
    every_item_once(1 + dice() % 40, 1 + dice() % 5);
    if (dice() % 100 == 0) failures_come_out();
    if (dice() % 500 == 0) no_more_threads_than_wanted(2);
    if (dice() % 100 == 0) work_within_work();
    if (dice() % 500 == 0) usleep(300);  // long enough for helpers to fall asleep
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = std::atoi(argv[1]);
  help_comes();
  share_out(8, 5, enter_and_leave, std::make_unique<Crowd>().get());  // four helpers are there from now on
  std::thread one(call, 1, rounds), other(call, 2, rounds);
  call(3, rounds);
  one.join();
  other.join();
  if (argc > 2) return 0;  // a process with a sanitizer of threads cannot fork and go on
  const pid_t child = fork();
  if (child == 0) {
    help_comes();
    call(4, rounds);
    std::_Exit(0);
  }
  int status = 1;
  waitpid(child, &status, 0);
  return status == 0 ? 0 : 1;
}
